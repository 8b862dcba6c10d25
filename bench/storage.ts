/**
 * Universal storage beside the plain SDK and flydrive, on the same S3 server (Ceph's gateway on loopback):
 * `deno run -A bench/storage.ts`. Rounds alternate between the three; medians are printed, and the product's share of the SDK's time.
 *
 * @module
 */
import {
  CreateBucketCommand,
  GetObjectCommand,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { createStorage } from "../backends/storage.ts";
import { CEPH, CEPH_KEYS } from "../tests/servers/ceph.ts";
import { median } from "./filesystems/rows.ts";

const FLYDRIVE = "npm:flydrive@2.1.0";
const ROUNDS = 5;
const SMALL = { count: 1000, bytes: 4096, parallel: 16 };
const LARGE = { count: 64, bytes: 4 * 1024 * 1024, parallel: 4 };

/** Something that stores and gives bytes by path. */
interface Contender {
  readonly name: string;
  put(path: string, bytes: Uint8Array): Promise<unknown>;
  get(path: string): Promise<Uint8Array>;
}

interface Load {
  readonly count: number;
  readonly bytes: number;
  readonly parallel: number;
}

function clientOf(url: string): S3Client {
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

function sdk(client: S3Client): Contender {
  const Bucket = "sdk";
  return {
    name: "SDK",
    put: (Key, Body) => client.send(new PutObjectCommand({ Bucket, Key, Body })),
    async get(Key) {
      const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
      return await Body!.transformToByteArray();
    },
  };
}

async function flydrive(url: string): Promise<Contender> {
  const { Disk } = await import(FLYDRIVE);
  const { S3Driver } = await import(`${FLYDRIVE}/drivers/s3`);
  const driver = new S3Driver({ client: clientOf(url), bucket: "flydrive", visibility: "private" });
  const disk = new Disk(driver);
  return {
    name: "flydrive",
    put: (path, bytes) => disk.put(path, bytes),
    get: (path) => disk.getBytes(path),
  };
}

async function inParallel(
  { count, parallel }: Load,
  work: (i: number) => Promise<unknown>,
): Promise<number> {
  const start = performance.now();
  let next = 0;
  const lane = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: parallel }, lane));
  return performance.now() - start;
}

async function measure(contenders: readonly Contender[], load: Load): Promise<void> {
  const bytes = crypto.getRandomValues(new Uint8Array(4096));
  const content = new Uint8Array(load.bytes);
  for (let at = 0; at < content.length; at += bytes.length) content.set(bytes, at);
  const times = new Map(contenders.map(({ name }) => [name, { put: [], get: [] } as Times]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const { name, put, get } of contenders) {
      const path = (i: number) => `bench/${load.bytes}/${i}`;
      times.get(name)!.put.push(await inParallel(load, (i) => put(path(i), content)));
      times.get(name)!.get.push(
        await inParallel(load, async (i) => {
          const { length } = await get(path(i));
          if (length !== load.bytes) throw new Error(`${name} gave ${length} bytes`);
        }),
      );
    }
  }
  const of = (name: string, phase: "put" | "get") => median(times.get(name)![phase]);
  for (const phase of ["put", "get"] as const) {
    const row = contenders.map(({ name }) => of(name, phase).toFixed(0));
    const share = of("ΣVAULT", phase) / of("SDK", phase);
    console.log(
      `| ${phase} ${load.count} × ${load.bytes} | ${row.join(" | ")} | ${share.toFixed(2)} |`,
    );
  }
}

interface Times {
  readonly put: number[];
  readonly get: number[];
}

async function flood(contender: Contender): Promise<void> {
  const start = performance.now();
  let most = 0;
  const watch = setInterval(() => most = Math.max(most, Deno.memoryUsage().rss), 20);
  const content = new Uint8Array(65536).fill(7);
  await Promise.all(
    Array.from({ length: 1000 }, async (_, i) => {
      await contender.put(`flood/${i}`, content);
      await contender.get(`flood/${i}`);
    }),
  );
  clearInterval(watch);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(
    `\n1,000 at once, 64 KiB put and got: ${seconds} s, ${Math.round(most / 2 ** 20)} MiB`,
  );
}

await using server = await CEPH.start();
const client = clientOf(server.url);
for (const Bucket of ["sdk", "sigmavault", "flydrive"]) {
  await client.send(new CreateBucketCommand({ Bucket }));
}
await using storage = await createStorage({
  providers: { s3: { type: "s3", bucket: "sigmavault", endpoint: server.url, ...CEPH_KEYS } },
});
const product: Contender = {
  name: "ΣVAULT",
  put: (path, bytes) => storage.upload(path, bytes, { contentType: "application/octet-stream" }),
  get: (path) => storage.download(path),
};
const contenders = [product, sdk(client), await flydrive(server.url)];
console.log(`| milliseconds | ${contenders.map(({ name }) => name).join(" | ")} | of the SDK |`);
console.log("| --- | ---: | ---: | ---: | ---: |");
for (const load of [SMALL, LARGE]) await measure(contenders, load);
await flood(product);
client.destroy();
