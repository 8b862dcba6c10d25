/** Which requests S3's store makes: what costs money and memory. */
import assert from "node:assert/strict";
import { PART_BYTES } from "../../backends/remote/parts.ts";
import { openS3Objects } from "../../backends/s3/object_store.ts";
import { MIB } from "../../core/limits.ts";
import type { ObjectStore } from "../../core/storage/object_store.ts";
import { patternBytes, piecesOf, refused, text } from "../../core/objects/store_samples.ts";
import { cephConfig, cloudTests } from "./cloud_stores.ts";
import { FaultProxy } from "./fault_proxy.ts";

const onCloud = await cloudTests("s3");

/** Through a proxy that sees the requests. */
function test(name: string, holds: (store: ObjectStore, proxy: FaultProxy) => Promise<void>): void {
  onCloud(name, async ({ bucket }, url) => {
    await using proxy = new FaultProxy(url);
    const store = await openS3Objects(cephConfig(proxy.url, bucket));
    await holds(store, proxy);
    await store.close();
  });
}

/** Methods and queries of what came, the bucket and the object left out. */
function asked(proxy: FaultProxy): string[] {
  return proxy.seen.splice(0).map(({ method, target }) => {
    const query = new URL(target, proxy.url).searchParams;
    const names = ["tagging", "uploads", "partNumber", "uploadId", "delete", "list-type"];
    return [method, ...names.filter((it) => query.has(it))].join(" ");
  });
}

test("each call makes as few requests as there can be", async (store, proxy) => {
  await store.put("x", piecesOf(patternBytes(300_000), 10_000), { metadata: { a: "1" } });
  assert.deepEqual(asked(proxy), ["PUT"]);
  await (await store.get("x")).body.cancel();
  assert.deepEqual(asked(proxy), ["GET"]);
  await store.head("x");
  assert.deepEqual(asked(proxy), ["HEAD"]);
  // No byte of it is copied.
  await store.describe("x", { tags: { a: "1" } });
  assert.deepEqual(asked(proxy), ["HEAD", "PUT tagging"]);
  await store.list();
  assert.deepEqual(asked(proxy), ["GET list-type"]);
  await store.delete("x");
  assert.deepEqual(asked(proxy), ["DELETE"]);
});

test(
  "a long stream goes in parts, few at a time, and no more of it is held",
  async (store, proxy) => {
    const partsSeen = () =>
      proxy.seen.filter(({ target }) => target.includes("partNumber=")).length;
    let pulled = 0, most = 0, ahead = 0;
    proxy.plan = ({ target }) => {
      most = Math.max(most, proxy.running);
      return target.includes("partNumber=") ? { kind: "latency", milliseconds: 20 } : null;
    };
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (pulled === 80 * MIB) return controller.close();
        pulled += MIB;
        ahead = Math.max(ahead, pulled - partsSeen() * PART_BYTES);
        controller.enqueue(new Uint8Array(MIB));
      },
    }, { highWaterMark: 0 });
    await store.put("x", body);
    assert.equal(partsSeen(), 10);
    assert.ok(most > 1 && most <= 4, `${most} at once`);
    // Four on their way that the proxy may not have seen yet, one that waits, and the beginning of the next.
    assert.ok(ahead <= 5 * PART_BYTES + MIB, `${ahead / MIB} MiB`);
    const others = asked(proxy).filter((it) => !it.includes("partNumber"));
    assert.deepEqual(others, ["POST uploads", "POST uploadId"]);
  },
);

test(
  "many are deleted a thousand at a time; the first failure is told when all were tried",
  async (store, proxy) => {
    const paths = Array.from({ length: 1001 }, (_, i) => `d/${i}`);
    await store.put(paths[1000], text("x"));
    asked(proxy);
    const body =
      "<DeleteResult><Error><Key>d/7</Key><Code>AccessDenied</Code></Error></DeleteResult>";
    proxy.fail({ kind: "answer", status: 200, body }, 1, ({ method }) => method === "POST");
    const deleting = store.deleteMany(paths);
    await refused(store, deleting, "denied");
    await assert.rejects(deleting, /Cannot delete "d\/7"/);
    assert.deepEqual(asked(proxy), ["POST delete", "POST delete"]);
    assert.equal(await store.head(paths[1000]), null);
  },
);
