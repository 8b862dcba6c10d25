import assert from "node:assert/strict";
import { MemoryObjectStore } from "../../backends/memory/object_store.ts";
import { createStorage } from "../../backends/storage.ts";
import { storeContract } from "./store_contract.ts";
import { patternBytes, piecesOf } from "./store_samples.ts";
import { ObservedStore } from "./observed_store.ts";
import { openTelemetry } from "./telemetry.ts";
import { UsageCount } from "./usage.ts";

for (const [property, holds] of Object.entries(storeContract)) {
  Deno.test(`observed: ${property}`, async () => {
    const parts = { provider: "p", usage: new UsageCount(), telemetry: openTelemetry() };
    await holds(new ObservedStore(new MemoryObjectStore({ now: Date.now }), parts));
  });
}

Deno.test("usage: requests and bytes of each provider that was used, and what they cost", async () => {
  await using storage = await createStorage({
    provider: "a",
    providers: {
      a: { type: "memory" },
      b: { type: "s3", bucket: "unused", prices: { perThousandReads: 1 } },
    },
    telemetry: true,
  });
  await storage.upload("x.bin", piecesOf(patternBytes(5000), 700));
  await storage.upload("y.bin", patternBytes(300));
  await storage.download("x.bin", { offset: 1000, length: 2000 });
  await assert.rejects(storage.download("none"), { kind: "missing" });
  await storage.list();
  assert.deepEqual(storage.usage(), [{
    provider: "a",
    writes: 3,
    reads: 2,
    failures: 1,
    bytesWritten: 5300,
    bytesRead: 2000,
    cost: null,
  }]);
});

Deno.test("usage: costs are by the prices that were given", () => {
  const count = new UsageCount();
  Object.assign(count, { writes: 2000, reads: 500, bytesRead: 2 ** 29 });
  const prices = { perThousandWrites: 5, perThousandReads: 0.4, perGibRead: 90 };
  assert.equal(count.report("p", prices).cost, 10 + 0.2 + 45);
  assert.equal(count.report("p", {}).cost, 0);
});
