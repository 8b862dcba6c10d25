import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import {
  FAST_KDF,
  headerWorld,
  memoryPlatform,
  snapshot,
  text,
} from "../../tests/support/header_world.ts";
import type { Secret } from "../crypto/key_encryption.ts";
import { FIXED_BYTES, headerOffset, slotOffset } from "../format/header.ts";
import { KEY_SLOTS } from "../limits.ts";
import { createHeader, openHeader } from "./header_area.ts";
import type { HeaderContext } from "./header_cells.ts";
import { addSlot, changeSlot, listSlots, type NewSlot, removeSlot } from "./header_slots.ts";

const FIRST = { passphrase: text("first") };
const SECOND = { passphrase: text("second") };

async function vault() {
  const world = headerWorld();
  const order = { mode: "user", secret: FIRST, label: "ann", kdf: FAST_KDF } as const;
  const { keys } = await createHeader({ ...world, ...order });
  return { ...world, keys };
}

function user(secret: Secret, label?: string): NewSlot {
  return { mode: "user", secret, kdf: FAST_KDF, label };
}

function opening(context: HeaderContext, secret: Secret) {
  return openHeader({ ...context, secret, profiles: [FAST_KDF] });
}

async function opens(context: HeaderContext, secret: Secret): Promise<boolean> {
  try {
    await opening(context, secret);
    return true;
  } catch (error) {
    assert.match(String(error), /wrong passphrase or not a vault/);
    return false;
  }
}

Deno.test("slots: an added one opens, is listed, and goes when removed", async () => {
  const world = await vault();
  const { slotIndex } = await addSlot(world, user(SECOND, "β"));
  assert.equal(slotIndex, 1);
  assert.equal((await opening(world, SECOND)).slotIndex, 1);
  const listed = await listSlots(world);
  assert.deepEqual(listed.map(({ index, mode, label }) => ({ index, mode, label })), [
    { index: 0, mode: "user", label: "ann" },
    { index: 1, mode: "user", label: "β" },
  ]);
  await removeSlot(world, { slotIndex: 0 });
  assert.equal(await opens(world, FIRST), false);
  assert.equal(await opens(world, SECOND), true);
  assert.deepEqual((await listSlots(world)).map((slot) => slot.index), [1]);
});

Deno.test("slots: a recovery code opens however it is typed", async () => {
  const world = await vault();
  const { recoveryCode } = await addSlot(world, { mode: "recovery", label: "paper" });
  assert.ok(recoveryCode);
  const printed = new TextDecoder().decode(recoveryCode);
  const typed = printed.toLowerCase().replaceAll("-", " ").replaceAll("0", "o");
  const opened = await opening(world, { recoveryCode: text(typed) });
  assert.equal(opened.mode, "recovery");
  assert.deepEqual(opened.keys.layoutKey, world.keys.layoutKey);
});

Deno.test("slots: a changed passphrase keeps the label and closes the old one", async () => {
  const world = await vault();
  const { slotIndex } = await changeSlot(world, { slotIndex: 0, slot: user(SECOND) });
  assert.equal(await opens(world, FIRST), false);
  assert.equal((await opening(world, SECOND)).slotIndex, slotIndex);
  assert.deepEqual((await listSlots(world)).map((slot) => slot.label), ["ann"]);
});

Deno.test("slots: fifteen fit, a change still works then, a sixteenth is refused", async () => {
  const world = await vault();
  for (let i = 1; i < KEY_SLOTS - 1; i++) await addSlot(world, { mode: "recovery" });
  await assert.rejects(addSlot(world, user(SECOND)), {
    kind: "conflict",
    message: /15 of 16 are used/,
  });
  await changeSlot(world, { slotIndex: 0, slot: user(SECOND) });
  assert.equal(await opens(world, SECOND), true);
  assert.equal((await listSlots(world)).length, KEY_SLOTS - 1);
});

Deno.test("slots: the last one and free ones are not removed", async () => {
  const world = await vault();
  await assert.rejects(removeSlot(world, { slotIndex: 0 }), { kind: "conflict" });
  for (const slotIndex of [5, 16, -1, 0.5]) {
    await assert.rejects(removeSlot(world, { slotIndex }), { kind: "missing" });
    const change = { slotIndex, slot: user(SECOND) };
    await assert.rejects(changeSlot(world, change), { kind: "missing" });
  }
  assert.equal(await opens(world, FIRST), true);
});

Deno.test("slots: the device forgets its secret with its last slot, not before", async () => {
  const platform = memoryPlatform();
  const world = { ...await vault(), platform };
  const hybrid = { mode: "hybrid", secret: SECOND, kdf: FAST_KDF } as const;
  const first = await addSlot(world, { mode: "device" });
  const second = await addSlot(world, hybrid);
  await removeSlot(world, first);
  assert.equal(platform.secrets.size, 2);
  assert.equal((await opening(world, SECOND)).mode, "hybrid");
  await removeSlot(world, second);
  assert.equal(platform.secrets.size, 0);
});

Deno.test("slots: no image of a removed slot stays anywhere in the header", async () => {
  const world = await vault();
  await addSlot(world, user(SECOND));
  const before = await snapshot(world.medium);
  await removeSlot(world, { slotIndex: 0 });
  const after = Buffer.from(await snapshot(world.medium));
  for (const copy of [0, 1] as const) {
    const at = headerOffset(copy) + slotOffset(0);
    assert.equal(after.indexOf(before.subarray(at, at + 32)), -1);
  }
});

Deno.test("slots: a change keeps every slot that stays bit for bit, and both copies unlike", async () => {
  const world = await vault();
  await addSlot(world, user(SECOND));
  const before = await snapshot(world.medium);
  await changeSlot(world, { slotIndex: 0, slot: user({ passphrase: text("third") }) });
  const after = await snapshot(world.medium);
  for (const copy of [0, 1] as const) {
    const at = headerOffset(copy) + slotOffset(1);
    assert.deepEqual(after.slice(at, at + 4096), before.slice(at, at + 4096));
  }
  const b = headerOffset(1);
  for (let at = 0; at < FIXED_BYTES; at += 8) {
    assert.notDeepEqual(after.subarray(at, at + 8), after.subarray(b + at, b + at + 8));
  }
});

Deno.test("slots: with every directory damaged the vault opens and says why slots cannot change", async () => {
  const world = await vault();
  for (const copy of [0, 1] as const) {
    const at = slotOffset(KEY_SLOTS - 1) + 4096;
    await world.medium.write(headerOffset(copy) + at, new Uint8Array(FIXED_BYTES - at));
  }
  assert.equal(await opens(world, FIRST), true);
  await assert.rejects(addSlot(world, user(SECOND)), {
    kind: "corrupt",
    message: /restore a header backup/,
  });
});

Deno.test("slots: a secret that opens a slot already is not given another one", async () => {
  const world = await vault();
  await assert.rejects(addSlot(world, user(FIRST, "bob")), {
    kind: "conflict",
    message: /it opens key slot 0 already/,
  });
  await addSlot(world, user(SECOND, "bob"));
  await assert.rejects(changeSlot(world, { slotIndex: 0, slot: user(SECOND) }), /slot 1 already/);
  assert.deepEqual((await listSlots(world)).map(({ index }) => index), [0, 1]);
});

Deno.test("slots: a change that was cut short at any write can be finished, and leaves one slot", async () => {
  const count = async (fails: number) => {
    const world = await vault();
    const { medium } = world;
    const write = medium.write.bind(medium);
    let left = fails;
    medium.write = (offset, data) => {
      return left-- === 0 ? Promise.reject(new Error("cut short")) : write(offset, data);
    };
    const change = () => changeSlot(world, { slotIndex: 0, slot: user(SECOND) });
    const isDone = await change().then(() => true, () => false);
    medium.write = write;
    // Told which to remove, where both are there; gone already, where that was cut short.
    const finish = async ({ kind, message }: { kind: string; message: string }) => {
      if (kind === "missing") return;
      assert.match(message, /opens key slot 1 already; choose another, or remove key slot 0/);
      await removeSlot(world, { slotIndex: 0 });
    };
    if (!isDone) await change().catch(finish);
    assert.equal((await listSlots(world)).length, 1, `write ${fails}`);
    assert.deepEqual([await opens(world, FIRST), await opens(world, SECOND)], [false, true]);
    return isDone;
  };
  let fails = 0;
  while (!await count(fails)) fails++;
  assert.ok(fails >= 12, `${fails}`);
});

Deno.test("slots: what a removal that failed has left is gone with the next order", async () => {
  for (let fails = 0; fails < 6; fails++) {
    const world = await vault();
    await addSlot(world, user(SECOND));
    const { medium } = world;
    const write = medium.write.bind(medium);
    let left = fails;
    medium.write = (offset, data) => {
      return left-- === 0 ? Promise.reject(new Error("cut short")) : write(offset, data);
    };
    await assert.rejects(removeSlot(world, { slotIndex: 0 }), /cut short/);
    medium.write = write;
    await removeSlot(world, { slotIndex: 0 })
      .catch(({ kind }) => assert.equal(kind, "missing"));
    // Nothing was opened for writing in between, which would have healed it.
    const found = await openHeader({ ...world, secret: FIRST, profiles: [FAST_KDF] })
      .then(() => true, () => false);
    assert.equal(found, false, `write ${fails}`);
  }
});
