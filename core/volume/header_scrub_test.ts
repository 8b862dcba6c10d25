import assert from "node:assert/strict";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { ArenaKernel } from "../../tests/support/arena_kernel.ts";
import { FakeRuntime } from "../../tests/support/fake_runtime.ts";
import { FaultyMedium } from "../../tests/support/faulty_medium.ts";
import { fixedKeys } from "../../tests/support/keyed_vault.ts";
import { directoryOffset, headerOffset, slotOffset } from "../format/header.ts";
import { MIB } from "../limits.ts";
import { openHeader, writeHeader } from "./header_area.ts";
import { scrubHeader } from "./header_scrub.ts";

const kdf = { memoryKib: 64, passes: 1, parallelism: 1 };
const secret = { passphrase: new TextEncoder().encode("secret") };

async function world() {
  const medium = new FaultyMedium(new MemoryStorage({}));
  const kernel = new ArenaKernel(4 * MIB);
  const keys = fixedKeys();
  const context = { medium, kernel, runtime: new FakeRuntime(1), keys };
  const order = { mode: "user", secret, kdf } as const;
  await writeHeader(context, keys, { index: 0, order });
  return context;
}

Deno.test("header scrub: a damaged copy is written anew from the directory, whichever cell it is", async () => {
  const context = await world();
  assert.deepEqual(await scrubHeader(context, true), { bad: 0, repaired: true });
  const places = [
    headerOffset(0),
    headerOffset(1) + slotOffset(0) + 100,
    headerOffset(1) + slotOffset(7) + 5,
    headerOffset(0) + directoryOffset(1) + 999,
  ];
  for (const place of places) {
    context.medium.flipBit(place, 3);
    assert.deepEqual(await scrubHeader(context, false), { bad: 1, repaired: false });
    assert.deepEqual(await scrubHeader(context, true), { bad: 1, repaired: true });
    assert.deepEqual(await scrubHeader(context, true), { bad: 0, repaired: true });
  }
  const opened = await openHeader({ ...context, secret, profiles: [kdf] });
  assert.equal(opened.slotIndex, 0);
});

Deno.test("header scrub: where neither copy is as the directory says, none is touched", async () => {
  const context = await world();
  for (const copy of [0, 1] as const) {
    context.medium.flipBit(headerOffset(copy) + slotOffset(3) + 7, 1);
  }
  assert.deepEqual(await scrubHeader(context, true), { bad: 2, repaired: false });
});
