/** How long the first write takes when its provider has died, or stalls, and a fallback steps in. */
import { createStorage, type ObjectStorage } from "../../backends/storage.ts";
import { CEPH_KEYS } from "../../tests/servers/ceph.ts";
import { FaultProxy } from "../../tests/servers/fault_proxy.ts";
import { median } from "../filesystems/rows.ts";
import { timed } from "./table.ts";

const ROUNDS = 5;
const TIME_LIMIT_SECONDS = 4;
const CONTENT = new Uint8Array(4096).fill(7);

async function open(primary: string, fallback: string): Promise<ObjectStorage> {
  const bucket = { type: "s3", timeLimitSeconds: TIME_LIMIT_SECONDS, ...CEPH_KEYS } as const;
  return await createStorage({
    provider: "safe",
    providers: {
      safe: { type: "failover", primary: "first", fallbacks: ["second"] },
      first: { ...bucket, bucket: "first", endpoint: primary },
      second: { ...bucket, bucket: "second", endpoint: fallback },
    },
  });
}

async function round(url: string, fail: (proxy: FaultProxy) => Promise<void>): Promise<number> {
  await using proxy = new FaultProxy(url);
  await using storage = await open(proxy.url, url);
  for (let i = 0; i < 10; i++) await storage.upload(`before/${i}`, CONTENT);
  await fail(proxy);
  const time = await timed(() => storage.upload("after", CONTENT));
  const { length } = await storage.download("after");
  if (length !== CONTENT.length) throw new Error(`${length} bytes came back`);
  // So that the next round finds nothing to carry home.
  proxy.plan = () => null;
  return time;
}

/** Buckets "first" and "second" are there. */
export async function measureFailover(url: string): Promise<void> {
  const kinds: readonly [string, (proxy: FaultProxy) => Promise<void>][] = [
    ["dies (nobody listens)", async (proxy) => await proxy[Symbol.asyncDispose]()],
    ["dies (connections are reset)", (proxy) => {
      proxy.plan = () => ({ kind: "reset" });
      return Promise.resolve();
    }],
    [`stalls, time limit ${TIME_LIMIT_SECONDS} s`, (proxy) => {
      proxy.plan = () => ({ kind: "stall" });
      return Promise.resolve();
    }],
  ];
  console.log(
    "\n| the first write when the provider … | median ms | most |\n| --- | ---: | ---: |",
  );
  for (const [text, fail] of kinds) {
    const times: number[] = [];
    for (let i = 0; i < ROUNDS; i++) times.push(await round(url, fail));
    console.log(`| ${text} | ${median(times).toFixed(0)} | ${Math.max(...times).toFixed(0)} |`);
  }
}
