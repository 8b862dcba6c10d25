/**
 * Hidden vaults under power cuts: while one is made, while it is written, and while the outer one protects it.
 */
import assert from "node:assert/strict";
import type { SparseBytes } from "../../backends/memory/sparse_bytes.ts";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { VaultError } from "../../core/errors.ts";
import { MIB } from "../../core/limits.ts";
import { checkVault } from "../../core/vault/check.ts";
import { CrashMedium } from "../support/crash_medium.ts";
import {
  differingSegments,
  HIDDEN,
  hide,
  openWith,
  OUTER,
  outerImage,
  placeOf,
  segmentsOf,
} from "../support/hidden_world.ts";

/** Few images of each point: opening both vaults on every one takes its time. */
const IMAGES = { randomPerPoint: 1, missingMax: 1 } as const;
const SEED = 1;
/** Every so many images are looked at; the first and those after a promise always. */
const EVERY = 3;

async function assertOuterWhole(medium: MemoryStorage, where: string): Promise<void> {
  await using outer = await openWith(medium, OUTER);
  assert.deepEqual((await checkVault(outer)).problems, [], where);
  assert.deepEqual(await outer.files.readFile("/outer"), new Uint8Array(3 * MIB).fill(1), where);
}

/** An outer vault with a hidden one in it, which holds one file. */
async function hiddenImage(): Promise<SparseBytes> {
  const medium = new MemoryStorage({ content: await outerImage() });
  await using vault = await hide(medium);
  await vault.files.writeFile("/first", "there from the start");
  return medium.content;
}

Deno.test("hidden: a power cut while it is made leaves the outer vault whole, and it or nothing", async () => {
  const medium = new CrashMedium({ content: await outerImage() });
  await (await hide(medium)).close();
  medium.mark("made");
  let looked = 0;
  let opened = 0;
  for (const { point, description, mark, open } of medium.images(SEED, IMAGES)) {
    if (looked++ % EVERY !== 0 && mark !== "made") continue;
    const where = `point ${point}, ${description}`;
    await assertOuterWhole(open(), where);
    try {
      await using vault = await openWith(open(), HIDDEN);
      assert.deepEqual((await checkVault(vault)).problems, [], where);
      opened++;
    } catch (error) {
      assert.notEqual(mark, "made", where);
      assert.ok(error instanceof VaultError, String(error));
      assert.match(
        error.message,
        /wrong passphrase or not a vault|creating it may not have finished/,
      );
    }
  }
  assert.ok(opened > 0 && opened < looked);
});

Deno.test("hidden: after a power cut it holds what was committed, and the outer vault is as it was", async () => {
  const medium = new CrashMedium<number>({ content: await hiddenImage() });
  {
    await using vault = await openWith(medium, HIDDEN);
    for (let i = 0; i < 3; i++) {
      await vault.files.writeFile(`/${i}`, new Uint8Array(100_000).fill(i + 1));
      await vault.commit();
      medium.mark(i + 1);
    }
  }
  let looked = 0;
  for (const { point, description, mark = 0, open } of medium.images(SEED, IMAGES)) {
    if (looked++ % EVERY !== 0) continue;
    const where = `point ${point}, ${description}`;
    const image = open();
    {
      await using vault = await openWith(image, HIDDEN);
      assert.deepEqual((await checkVault(vault)).problems, [], where);
      assert.equal(await vault.files.readText("/first"), "there from the start");
      for (let i = 0; i < mark; i++) {
        const expected = new Uint8Array(100_000).fill(i + 1);
        assert.deepEqual(await vault.files.readFile(`/${i}`), expected, where);
      }
    }
    if (looked % (4 * EVERY) === 1) await assertOuterWhole(open(), where);
  }
  assert.ok(looked > 10);
});

Deno.test("hidden: whatever a protecting outer vault writes up to a power cut, and opening after it, leaves it alone", async () => {
  const before = await hiddenImage();
  const protect = await placeOf(new MemoryStorage({ content: before }));
  const own = segmentsOf(protect);
  const medium = new CrashMedium({ content: before.fork() });
  {
    await using outer = await openWith(medium, OUTER, { protect });
    for (let i = 0; i < 4; i++) {
      await outer.files.writeFile(`/${i}`, new Uint8Array(300_000).fill(i));
      await outer.commit();
    }
  }
  let looked = 0;
  for (const { point, description, open } of medium.images(SEED, IMAGES)) {
    if (looked++ % (4 * EVERY) !== 0) continue;
    const image = open();
    await (await openWith(image, OUTER, { protect })).close();
    for (const segment of differingSegments(before, image.content)) {
      assert.ok(!own.has(segment), `point ${point}, ${description}: segment ${segment}`);
    }
  }
  assert.ok(looked > 10);
});
