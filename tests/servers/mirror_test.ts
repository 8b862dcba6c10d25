/** A mirror of three buckets on a real server, the way to one of which fails. */
import assert from "node:assert/strict";
import { MirrorStore } from "../../core/objects/mirror_store.ts";
import { RetryingStore } from "../../core/objects/retrying_store.ts";
import { storeContract } from "../../core/objects/store_contract.ts";
import { everyPage } from "../../core/objects/store_samples.ts";
import { systemRuntime } from "../../core/runtime.ts";
import { within } from "../../core/storage/time_limit.ts";
import { cloudsUnderTest, runningCloud } from "./cloud_stores.ts";
import { FaultProxy } from "./fault_proxy.ts";

/** A test that takes longer hangs. */
const TEST_MS_MAX = 60_000;
const TIME_LIMIT_SECONDS = 1;

const PROPERTIES = [
  "what was put is got, with all that was said of it",
  "streams, of known and of unknown size, small and of many parts",
  "a long stream that breaks off shows nothing of itself",
  "create: of several at once one succeeds",
  "match: only who knows the newest state changes it",
  "deleting",
  "listing: prefixes, order, pages",
  "copying keeps bytes and description, and obeys conditions",
];

const faults: Readonly<Record<string, (proxy: FaultProxy) => void>> = {
  "is dead": (proxy) => proxy.fail({ kind: "reset" }, Infinity),
  "says nothing": (proxy) => proxy.fail({ kind: "stall" }, Infinity),
  "flaps": (proxy) => {
    let requests = 0;
    proxy.plan = () => ++requests % 3 === 0 ? { kind: "reset" } : null;
  },
};

const { s3 } = cloudsUnderTest;
const running = await runningCloud(s3);
const why = "missing" in running ? ` (skipped: ${running.missing})` : "";

for (const [how, fail] of Object.entries(faults)) {
  for (const property of PROPERTIES) {
    Deno.test({
      name: `mirror of three buckets, one ${how}: ${property}${why}`,
      ignore: why !== "",
      fn: async () => {
        if ("missing" in running) return;
        await using resources = new AsyncDisposableStack();
        const buckets = await Promise.all([1, 2, 3].map(() => running.open()));
        for (const bucket of buckets) resources.use(bucket);
        const proxy = resources.use(new FaultProxy(running.url));
        const retry = { attempts: 2, delayMs: 10 };
        const stores = await Promise.all(buckets.map(async ({ bucket }, i) => {
          const url = i === 2 ? proxy.url : running.url;
          return new RetryingStore(await s3.open(url, bucket, TIME_LIMIT_SECONDS), retry);
        }));
        const policy = { write: "quorum", read: "balanced" } as const;
        const mirror = new MirrorStore(stores, { ...policy, runtime: systemRuntime });
        fail(proxy);
        await within({ milliseconds: TEST_MS_MAX }, () => storeContract[property](mirror));
        proxy.plan = () => null;
        const direct = buckets.map(({ store }) => store);
        const healed = new MirrorStore(direct, { ...policy, runtime: systemRuntime });
        assert.deepEqual((await healed.reconcile()).left, []);
        await healed.settled();
        const paths = (await everyPage(healed, {})).objects;
        for (const store of direct) {
          for (const path of paths) {
            const own = (await store.head(path))!;
            const { etag } = (await healed.head(path))!;
            assert.equal(own.metadata["sigmavault-mirror"], etag, `${store.name} ${path}`);
          }
        }
        // Looking at it has woken it up: what it does in the background ends before the buckets go.
        await healed.settled();
        await mirror.close();
      },
    });
  }
}

const azure = await runningCloud(cloudsUnderTest.azure);
const lacking = [running, azure].flatMap((each) => "missing" in each ? [each.missing] : []);

for (const [property, holds] of Object.entries(storeContract)) {
  Deno.test({
    name: `mirror of s3 and azure: ${property}${
      lacking.length === 0 ? "" : ` (skipped: ${lacking.join("; ")})`
    }`,
    ignore: lacking.length > 0,
    fn: async () => {
      if ("missing" in running || "missing" in azure) return;
      await using one = await running.open();
      await using two = await azure.open();
      const policy = { write: "all", read: "balanced" } as const;
      const stores = [one.store, two.store];
      const mirror = new MirrorStore(stores, { ...policy, runtime: systemRuntime });
      await within({ milliseconds: TEST_MS_MAX }, () => holds(mirror));
      await mirror.close();
    },
  });
}
