import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { FaultyMedium } from "../../tests/support/faulty_medium.ts";
import { FAST_KDF, memoryPlatform, text } from "../../tests/support/header_world.ts";
import { createKernel } from "../../wasm/kernel.ts";
import { currentEpoch, vaultKeys } from "../crypto/vault_keys.ts";
import { isHole } from "../bytes.ts";
import { CELL_BYTES, MIB, SEGMENT_CELLS } from "../limits.ts";
import { systemRuntime } from "../runtime.ts";
import { backupHeader, restoreHeader } from "../volume/header_backup.ts";
import { addSlot, listSlots } from "../volume/header_slots.ts";
import { openVolume } from "../volume/open_volume.ts";
import { checkVault } from "./check.ts";
import {
  isRotating,
  rotateKeys,
  type RotationState,
  rotationState,
  rotationSteps,
  slotsOf,
  startRotation,
} from "./rotation.ts";
import { createVault, openVault, type Vault, type VaultParts } from "./vault.ts";

const OWN = { passphrase: text("own") };
const ANNA = { passphrase: text("Anna's") };
const GONE = { passphrase: text("gone") };
const FAST = { mode: "user", kdf: FAST_KDF } as const;
const profiles = [FAST_KDF];

function partsOn(medium = new MemoryStorage({})): VaultParts & { medium: MemoryStorage } {
  const kernel = createKernel({ memoryBytes: 24 * MIB });
  return { medium, kernel, runtime: systemRuntime, platform: memoryPlatform() };
}

async function open(medium: MemoryStorage, secret: { passphrase: Uint8Array }): Promise<Vault> {
  const again = new MemoryStorage({ content: medium.content });
  return await openVault(partsOn(again), { secret, profiles });
}

function contentOf(i: number): Uint8Array {
  return new Uint8Array(9000 * i + 10).fill(i + 1);
}

/** A vault with three secrets, files in it, and free cells that were used. */
async function filled(shape: { dense?: boolean; redundancy?: { k: number; m: number } } = {}) {
  const parts = partsOn();
  const sizeBytes = 40 * MIB;
  const vault = await createVault(parts, { secret: OWN, kdf: FAST_KDF, sizeBytes, ...shape });
  await addSlot(vault.header, { ...FAST, secret: ANNA, label: "Anna" });
  await addSlot(vault.header, { ...FAST, secret: GONE });
  for (let i = 0; i < 20; i++) await vault.files.writeFile(`/f${i}`, contentOf(i));
  await vault.commit();
  for (let i = 1; i < 20; i += 2) await vault.files.remove(`/f${i}`);
  await vault.commit();
  return { vault, medium: parts.medium };
}

async function assertWhole(vault: Vault): Promise<void> {
  for (let i = 0; i < 20; i += 2) {
    assert.deepEqual(await vault.files.readFile(`/f${i}`), contentOf(i));
  }
  assert.deepEqual((await checkVault(vault)).problems, []);
}

/** Hashes of all cells that hold something, by cell. */
async function cellsOf(medium: MemoryStorage): Promise<Map<number, string>> {
  const cells = new Map<number, string>();
  const size = await medium.size();
  for (let cell = 0; cell * CELL_BYTES < size; cell++) {
    const bytes = await medium.read(cell * CELL_BYTES, CELL_BYTES);
    if (!isHole(bytes)) cells.set(cell, createHash("sha256").update(bytes).digest("base64"));
  }
  return cells;
}

for (
  const [name, shape] of Object.entries({
    "sparse": {},
    "dense": { dense: true },
    "2+1": { redundancy: { k: 2, m: 1 } },
  })
) {
  Deno.test(`rotation, ${name}: what stays opens it, and no cell is left of before`, async () => {
    const { vault, medium } = await filled(shape);
    const before = await cellsOf(medium);
    const { space } = vault.opened.volume.store;
    const { dense } = vault.opened.volume.store;
    const wasSealed = (cell: number) => {
      const [segment, inSegment] = [Math.floor(cell / SEGMENT_CELLS), cell % SEGMENT_CELLS];
      // Salts stay; what is unused of a dense vault is noise.
      if (segment < 2) return inSegment > 0 && (inSegment < 45 || !dense);
      return (segment > 3 || !dense) && !space.isUnused(segment);
    };
    const gone = new Set<string>();
    for (const [cell, hash] of before) if (wasSealed(cell)) gone.add(hash);
    const { vaultId, layoutKey, featureBits, epochs } = vault.header.keys;
    const masterKey = epochs[0].masterKey.slice();
    const old = vaultKeys({
      vaultId: vaultId.slice(),
      layoutKey: layoutKey.slice(),
      featureBits,
      epochs: [{ epoch: 1, masterKey }],
    });
    const backup = await backupHeader(vault.header);
    const stages = new Set<string>();
    await rotateKeys(vault, {
      keep: [OWN, ANNA],
      profiles,
      progress: ({ stage }) => stages.add(stage),
    });
    assert.deepEqual([...stages], ["moving", "proving", "overwriting"]);
    assert.equal(isRotating(vault), false);
    assert.equal(currentEpoch(vault.header.keys).epoch, 2);
    await assertWhole(vault);
    assert.deepEqual((await listSlots(vault.header)).map(({ label }) => label), ["", "Anna"]);

    assert(gone.size > 100);
    for (const [cell, hash] of await cellsOf(medium)) {
      assert(!gone.has(hash), `cell ${cell} is as it was`);
    }
    assert.throws(() => openVolume({ ...partsOn(medium), keys: old }, "read"), /no root was found/);
    await vault.close();
    for (const secret of [OWN, ANNA]) {
      const opened = await open(medium, secret);
      await assertWhole(opened);
      await opened.close();
    }
    await assert.rejects(open(medium, GONE), { kind: "denied" });
    const rest = partsOn(new MemoryStorage({ content: medium.content }));
    const verifyRoot = (keys: typeof old) => {
      assert.throws(() => openVolume({ ...rest, keys }, "read"), /no root was found/);
      return Promise.resolve(false);
    };
    const restored = restoreHeader({ ...rest, secret: GONE, profiles, backup, verifyRoot });
    await assert.rejects(restored, { kind: "denied" });
  });
}

Deno.test("rotation: begun and closed, it goes on with one secret alone", async () => {
  const { vault, medium } = await filled();
  const kept = [
    ...await slotsOf(vault, { secret: OWN, profiles }),
    ...await slotsOf(vault, { secret: ANNA, profiles }),
  ];
  await startRotation(vault, kept);
  const steps = rotationSteps(vault);
  await steps.next();
  await steps.return(undefined);
  await vault.files.writeFile("/meanwhile", "x");
  await vault.close();

  const again = await open(medium, ANNA);
  assert(isRotating(again));
  assert.equal(again.opened.volume.store.context.epoch, 2);
  await addSlot(again.header, { ...FAST, secret: GONE, label: "again" });
  await assertWhole(again);
  await rotateKeys(again, { keep: [] });
  assert.equal(isRotating(again), false);
  await assertWhole(again);
  await again.close();
  for (const secret of [OWN, ANNA, GONE]) await (await open(medium, secret)).close();
});

Deno.test("rotation: its state says how much is carried, at every step", async () => {
  const { vault } = await filled();
  assert.equal(await rotationState(vault), null);
  await startRotation(vault, await slotsOf(vault, { secret: OWN, profiles }));
  const states: RotationState[] = [];
  for await (const _ of rotationSteps(vault)) {
    const state = await rotationState(vault);
    assert.ok(state !== null && state.carried <= state.total);
    states.push(state);
  }
  // The first root under the new keys has carried little but itself.
  assert.ok(states.some(({ carried, total }) => carried > 0 && carried < total / 2));
  const { carried, total } = states[states.length - 1];
  assert.ok(carried === total && total > 10);
  assert.equal(await rotationState(vault), null);
  await vault.close();
});

Deno.test("rotation: a second one while the first is under way carries both", async () => {
  const { vault, medium } = await filled();
  await startRotation(vault, await slotsOf(vault, { secret: OWN, profiles }));
  const steps = rotationSteps(vault);
  await steps.next();
  await steps.return(undefined);
  await startRotation(vault, await slotsOf(vault, { secret: OWN, profiles }));
  assert.deepEqual(vault.header.keys.epochs.map(({ epoch }) => epoch), [1, 2, 3]);
  await vault.close();
  const again = await open(medium, OWN);
  assert.deepEqual(again.header.keys.epochs.map(({ epoch }) => epoch), [1, 2, 3]);
  await rotateKeys(again, { keep: [] });
  assert.deepEqual(again.header.keys.epochs.map(({ epoch }) => epoch), [3]);
  await assertWhole(again);
  await again.close();
});

Deno.test("rotation: without a secret that opens a slot nothing happens", async () => {
  const { vault } = await filled();
  const none = rotateKeys(vault, { keep: [{ passphrase: text("wrong") }], profiles });
  await assert.rejects(none, { kind: "conflict" });
  assert.equal(isRotating(vault), false);
  assert.equal((await listSlots(vault.header)).length, 3);
});

Deno.test("rotation: where its beginning fails half-way, the vault takes no changes until it is opened again", async () => {
  const { vault, medium } = await filled();
  await vault.close();
  let syncs = 0;
  for (let failed = true; failed; syncs++) {
    const content = medium.content.fork();
    const faulty = new FaultyMedium(new MemoryStorage({ content }));
    const parts = { ...partsOn(), medium: faulty };
    const opened = await openVault(parts, { secret: OWN, profiles });
    const kept = await slotsOf(opened, { secret: OWN, profiles });
    faulty.fail("sync", syncs + 1, "EIO");
    failed = await startRotation(opened, kept).then(() => false, () => true);
    faulty.fail("sync", Infinity, "EIO");
    if (failed) await assert.rejects(opened.files.writeFile("/after", "x"), /reopen it/);
    await opened.abandon();
    const again = await open(new MemoryStorage({ content }), OWN);
    await assertWhole(again);
    await again.close();
  }
  assert.ok(syncs > 3, `${syncs}`);
});
