/**
 * Power cuts while keys are rotated: every secret that stays opens the vault at every write, all files are whole, and the
 * rotation can be finished with any one of them.
 */
import assert from "node:assert/strict";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { VaultError } from "../../core/errors.ts";
import { MIB } from "../../core/limits.ts";
import { systemRuntime } from "../../core/runtime.ts";
import { checkVault } from "../../core/vault/check.ts";
import {
  isRotating,
  rotateKeys,
  rotationSteps,
  slotsOf,
  startRotation,
} from "../../core/vault/rotation.ts";
import { createVault, openVault, type Vault } from "../../core/vault/vault.ts";
import { addSlot } from "../../core/volume/header_slots.ts";
import { ArenaKernel } from "../support/arena_kernel.ts";
import type { CrashImage } from "../support/crash_log.ts";
import { CrashMedium } from "../support/crash_medium.ts";
import { FAST_KDF, memoryPlatform, text } from "../support/header_world.ts";

const OWN = { passphrase: text("own") };
const ANNA = { passphrase: text("Anna's") };
const GONE = { passphrase: text("gone") };
const profiles = [FAST_KDF];
const FILES = 6;
const writerArena = new ArenaKernel(24 * MIB);
const readerArena = new ArenaKernel(24 * MIB);

function partsOf(medium: MemoryStorage | CrashMedium, arena: ArenaKernel) {
  arena.reset();
  return { medium, kernel: arena, runtime: systemRuntime, platform: memoryPlatform() };
}

function contentOf(i: number): Uint8Array {
  return new Uint8Array(7000 * i + 10).fill(i + 1);
}

async function open(
  medium: MemoryStorage | CrashMedium,
  secret: { passphrase: Uint8Array },
  arena: ArenaKernel,
): Promise<Vault> {
  return await openVault(partsOf(medium, arena), {
    secret,
    profiles,
    blockMemoryBytes: 128 * 1024,
  });
}

/** A vault with three secrets on a medium that records what happens from now on. */
async function recorded(): Promise<{ medium: CrashMedium; vault: Vault }> {
  const before = new MemoryStorage({});
  const vault = await createVault(partsOf(before, writerArena), {
    secret: OWN,
    kdf: FAST_KDF,
    sizeBytes: 24 * MIB,
    blockBytes: 4096,
  });
  for (const secret of [ANNA, GONE]) {
    await addSlot(vault.header, { mode: "user", kdf: FAST_KDF, secret });
  }
  for (let i = 0; i < FILES; i++) await vault.files.writeFile(`/f${i}`, contentOf(i));
  await vault.close();
  const medium = new CrashMedium({ content: before.content });
  return { medium, vault: await open(medium, OWN, writerArena) };
}

async function assertWhole(vault: Vault, where: string): Promise<void> {
  for (let i = 0; i < FILES; i++) {
    assert.deepEqual(await vault.files.readFile(`/f${i}`), contentOf(i), where);
  }
  assert.deepEqual((await checkVault(vault)).problems, [], where);
}

/** Whether the dropped secret still opens; where it does, it opens the state of now. */
async function goneOpens(image: CrashImage<string>, where: string): Promise<boolean> {
  try {
    await assertWhole(await open(image.open(), GONE, readerArena), where);
    return true;
  } catch (error) {
    assert(error instanceof VaultError && error.kind === "denied", `${where}: ${error}`);
    return false;
  }
}

async function settle(image: CrashImage<string>, where: string): Promise<boolean> {
  let wasRotating = false;
  for (const secret of [OWN, ANNA]) {
    const medium = image.open();
    const vault = await open(medium, secret, readerArena);
    wasRotating = isRotating(vault);
    await assertWhole(vault, where);
    // As it was before, it may be begun again; else it is finished by one secret alone.
    await rotateKeys(vault, { keep: [OWN, ANNA], profiles });
    await assertWhole(vault, where);
    await vault.close();
    const other = secret === OWN ? ANNA : OWN;
    const healed = new MemoryStorage({ content: medium.content });
    await (await open(healed, other, readerArena)).close();
    const left = new MemoryStorage({ content: medium.content });
    await assert.rejects(open(left, GONE, readerArena), { kind: "denied" }, where);
  }
  return wasRotating;
}

Deno.test("rotate keys: after any crash the secrets that stay open all of it, and finish it", async () => {
  const { medium, vault } = await recorded();
  const kept = [
    ...await slotsOf(vault, { secret: OWN, profiles }),
    ...await slotsOf(vault, { secret: ANNA, profiles }),
  ];
  await startRotation(vault, kept);
  medium.mark("begun");
  const begunAt = medium.log.length;
  for await (const _ of rotationSteps(vault)) { /* to the end */ }
  medium.mark("done");
  const states = new Set<string>();
  let [images, count] = [0, 0];
  for (const image of medium.images(5, { missingMax: 3, randomPerPoint: 1 })) {
    const isHeader = image.point <= begunAt + 4;
    if (count++ % (isHeader ? 6 : 41) !== 0 && image.mark !== "done") continue;
    images++;
    const where = `${image.description}, after event ${image.point}`;
    const opens = await goneOpens(image, where);
    const rotating = await settle(image, where);
    states.add(`${image.mark ?? "before"} ${rotating} ${opens}`);
    if (image.mark !== undefined) assert(!opens, where);
  }
  assert(images > 40, `${images} images`);
  assert(states.has("before false true"), "as it was");
  assert(states.has("before true true") || states.has("before true false"), "in the middle");
  assert(states.has("begun true false"), "begun");
  assert(states.has("done false false"), "done");
});

Deno.test("rotate keys: what the dropped secret heals in the middle, the others still open", async () => {
  const { medium, vault } = await recorded();
  await startRotation(vault, [
    ...await slotsOf(vault, { secret: OWN, profiles }),
    ...await slotsOf(vault, { secret: ANNA, profiles }),
  ]);
  let healedImages = 0;
  for (const image of medium.images(6, { missingMax: 2, randomPerPoint: 0 })) {
    const where = `${image.description}, after event ${image.point}`;
    const first = image.open();
    let healer: Vault;
    try {
      healer = await open(first, GONE, readerArena);
    } catch (error) {
      assert(error instanceof VaultError && error.kind === "denied", where);
      continue;
    }
    await healer.files.writeFile("/healer", "was here");
    await healer.close();
    healedImages++;
    for (const secret of [OWN, ANNA]) {
      const after = new MemoryStorage({ content: first.content });
      const opened = await open(after, secret, readerArena);
      assert.equal(await opened.files.readText("/healer"), "was here", where);
      await opened.close();
    }
  }
  assert(healedImages > 10, `${healedImages}`);
});
