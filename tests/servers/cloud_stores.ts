/** Stores of every cloud provider on real servers, empty ones for each test. */
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { BlobServiceClient } from "@azure/storage-blob";
import { openAzureObjects } from "../../backends/azure/object_store.ts";
import { openGcsObjects } from "../../backends/gcs/object_store.ts";
import { openS3Objects } from "../../backends/s3/object_store.ts";
import type { S3ObjectsConfig } from "../../backends/s3/config.ts";
import { openWasabiObjects } from "../../backends/wasabi/object_store.ts";
import type { ObjectStore } from "../../core/storage/object_store.ts";
import { AZURITE_SERVER, azuriteConnection } from "./azurite.ts";
import { CEPH, CEPH_KEYS } from "./ceph.ts";
import { GOOGLE_EMULATOR } from "./google.ts";
import { type ServerKind, sharedServer } from "./shared.ts";

/** A provider, and the server that stands for it in tests. */
export interface CloudUnderTest {
  readonly server: ServerKind;
  /** Opens a bucket or container of its own on the server at `url`, which may be a proxy's. */
  open(url: string, bucket: string, timeLimitSeconds?: number): Promise<ObjectStore>;
  /** Makes that bucket. */
  make(url: string, bucket: string): Promise<void>;
  /** Properties of the contract that the server cannot show, with the reasons. */
  readonly unknown?: Readonly<Record<string, string>>;
}

/** How tests reach a bucket of Ceph. */
export function cephConfig(url: string, bucket: string): S3ObjectsConfig {
  return { endpoint: url, bucket, ...CEPH_KEYS };
}

async function makeCephBucket(url: string, bucket: string): Promise<void> {
  const { accessKey, secretKey } = CEPH_KEYS;
  const client = new S3Client({
    endpoint: url,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
  });
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  client.destroy();
}

/** By name of the provider. */
export const cloudsUnderTest: Readonly<Record<string, CloudUnderTest>> = {
  s3: {
    server: CEPH,
    open: (url, bucket, timeLimitSeconds) =>
      openS3Objects({ ...cephConfig(url, bucket), timeLimitSeconds }),
    make: makeCephBucket,
  },
  wasabi: {
    server: CEPH,
    open: (url, bucket, timeLimitSeconds) =>
      openWasabiObjects({ ...cephConfig(url, bucket), timeLimitSeconds }),
    make: makeCephBucket,
  },
  azure: {
    server: AZURITE_SERVER,
    open: (url, container, timeLimitSeconds) =>
      openAzureObjects({ container, connectionString: azuriteConnection(url), timeLimitSeconds }),
    make: async (url, container) => {
      const service = BlobServiceClient.fromConnectionString(azuriteConnection(url));
      await service.createContainer(container);
    },
  },
  gcs: {
    server: GOOGLE_EMULATOR,
    open: (url, bucket, timeLimitSeconds) =>
      openGcsObjects({ bucket, endpoint: url, timeLimitSeconds }),
    // The emulator makes buckets when they are named.
    make: () => Promise.resolve(),
    unknown: {
      "listing one level of paths, page by page":
        "the emulator of Google's storage counts no prefixes in a page",
      "signed URLs": "the emulator of Google's storage knows no signatures",
    },
  },
};

/** A store that no other test uses. */
export interface OpenedCloud extends AsyncDisposable {
  readonly store: ObjectStore;
  readonly bucket: string;
}

/** A cloud that runs: opens an empty store; or why it does not. */
export type RunningCloud =
  | { readonly url: string; readonly open: () => Promise<OpenedCloud> }
  | { readonly missing: string };

/** Starts a provider's server, or joins it. */
export async function runningCloud(cloud: CloudUnderTest): Promise<RunningCloud> {
  const server = await sharedServer(cloud.server);
  if ("missing" in server) return server;
  const open = async () => {
    const bucket = `test-${crypto.randomUUID()}`;
    await cloud.make(server.url, bucket);
    const store = await cloud.open(server.url, bucket);
    return { store, bucket, [Symbol.asyncDispose]: () => store.close() };
  };
  return { url: server.url, open };
}

/** A test on a store of its own, and the server's URL. */
export type CloudTest = (opened: OpenedCloud, url: string) => Promise<void>;

/** How to declare tests of a provider; they are skipped, with the reason, where its server does not run or cannot show it. */
export async function cloudTests(
  provider: string,
): Promise<(name: string, holds: CloudTest) => void> {
  const cloud = cloudsUnderTest[provider];
  const running = await runningCloud(cloud);
  return (name, holds) => {
    const why = "missing" in running ? running.missing : cloud.unknown?.[name];
    Deno.test({
      name: `${provider}: ${name}${why === undefined ? "" : ` (skipped: ${why})`}`,
      ignore: why !== undefined,
      fn: async () => {
        if ("missing" in running) return;
        await using opened = await running.open();
        await holds(opened, running.url);
      },
    });
  };
}
