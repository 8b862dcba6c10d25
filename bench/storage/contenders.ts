/** Who is measured: the product, the plain SDK and flydrive, each with a bucket of its own on one S3 server. */
import { Readable } from "node:stream";
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { createStorage } from "../../backends/storage.ts";
import { CEPH_KEYS } from "../../tests/servers/ceph.ts";

const FLYDRIVE = "npm:flydrive@2.1.0";
/** Files of a page of a listing. */
const PAGE = 1000;
const TYPE = "application/octet-stream";

/** Something that stores and gives bytes by path. */
export interface Contender extends AsyncDisposable {
  readonly name: string;
  put(path: string, bytes: Uint8Array): Promise<unknown>;
  get(path: string): Promise<Uint8Array>;
  putStream(path: string, stream: ReadableStream<Uint8Array>, size: number): Promise<unknown>;
  getStream(path: string): Promise<AsyncIterable<Uint8Array>>;
  /** Lists all below a prefix, page by page; returns how many there are. */
  count(prefix: string): Promise<number>;
}

/** Names of all of them. */
export const NAMES = ["ΣVAULT", "SDK", "flydrive"] as const;
export type Name = typeof NAMES[number];

/** A plain client. */
export function clientOf(url: string): S3Client {
  const { accessKey, secretKey } = CEPH_KEYS;
  return new S3Client({
    endpoint: url,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
  });
}

/** Makes a bucket. */
export async function makeBucket(url: string, Bucket: string): Promise<void> {
  const client = clientOf(url);
  await client.send(new CreateBucketCommand({ Bucket }));
  client.destroy();
}

/** Opens a contender on a bucket. */
export async function open(name: Name, url: string, bucket: string): Promise<Contender> {
  if (name === "SDK") return sdk(clientOf(url), bucket);
  return name === "flydrive" ? await flydrive(url, bucket) : await product(url, bucket);
}

async function product(url: string, bucket: string): Promise<Contender> {
  const storage = await createStorage({
    providers: { s3: { type: "s3", bucket, endpoint: url, ...CEPH_KEYS } },
  });
  return {
    name: "ΣVAULT",
    put: (path, bytes) => storage.upload(path, bytes, { contentType: TYPE }),
    get: (path) => storage.download(path),
    putStream: (path, stream, size) => storage.upload(path, stream, { size, contentType: TYPE }),
    getStream: async (path) => (await storage.downloadStream(path)).body,
    async count(prefix) {
      let count = 0;
      let cursor: string | undefined;
      do {
        const page = await storage.list({ prefix, cursor });
        count += page.files.length;
        cursor = page.cursor ?? undefined;
      } while (cursor !== undefined);
      return count;
    },
    [Symbol.asyncDispose]: () => storage.close(),
  };
}

function readable(stream: ReadableStream<Uint8Array>): Readable {
  return Readable.fromWeb(stream as Parameters<typeof Readable.fromWeb>[0]);
}

function sdk(client: S3Client, Bucket: string): Contender {
  const body = async (Key: string) => {
    return (await client.send(new GetObjectCommand({ Bucket, Key }))).Body!;
  };
  return {
    name: "SDK",
    put: (Key, Body) => client.send(new PutObjectCommand({ Bucket, Key, Body })),
    get: async (path) => await (await body(path)).transformToByteArray(),
    putStream: (Key, stream, ContentLength) => {
      const Body = readable(stream);
      return client.send(new PutObjectCommand({ Bucket, Key, Body, ContentLength }));
    },
    getStream: async (path) => (await body(path)).transformToWebStream(),
    async count(Prefix) {
      let count = 0;
      let ContinuationToken: string | undefined;
      do {
        const asked = { Bucket, Prefix, ContinuationToken, MaxKeys: PAGE };
        const page = await client.send(new ListObjectsV2Command(asked));
        count += page.Contents?.length ?? 0;
        ContinuationToken = page.NextContinuationToken;
      } while (ContinuationToken !== undefined);
      return count;
    },
    [Symbol.asyncDispose]: () => Promise.resolve(client.destroy()),
  };
}

async function flydrive(url: string, bucket: string): Promise<Contender> {
  const { Disk } = await import(FLYDRIVE);
  const { S3Driver } = await import(`${FLYDRIVE}/drivers/s3`);
  const client = clientOf(url);
  const disk = new Disk(new S3Driver({ client, bucket, visibility: "private" }));
  return {
    name: "flydrive",
    put: (path, bytes) => disk.put(path, bytes),
    get: (path) => disk.getBytes(path),
    putStream: (path, stream, contentLength) => {
      return disk.putStream(path, readable(stream), { contentLength });
    },
    getStream: (path) => disk.getStream(path),
    async count(prefix) {
      let count = 0;
      let paginationToken: string | undefined;
      do {
        const asked = { recursive: true, paginationToken, maxResults: PAGE };
        const page = await disk.listAll(prefix, asked);
        count += [...page.objects].length;
        paginationToken = page.paginationToken;
      } while (paginationToken !== undefined);
      return count;
    },
    [Symbol.asyncDispose]: () => Promise.resolve(client.destroy()),
  };
}
