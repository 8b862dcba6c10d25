/** Power cuts while blocks move and while a vault changes its size: contents stay, and it can be done again. */
import assert from "node:assert/strict";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { MIB, SEGMENT_BYTES } from "../../core/limits.ts";
import { checkVault } from "../../core/vault/check.ts";
import { compactVault, resizeVault } from "../../core/vault/resize.ts";
import type { Vault } from "../../core/vault/vault.ts";
import { ArenaKernel } from "../support/arena_kernel.ts";
import type { CrashImage } from "../support/crash_log.ts";
import { CrashMedium } from "../support/crash_medium.ts";
import { createKeyedVault, openKeyedVault } from "../support/keyed_vault.ts";

const FILES = 12;
const writerArena = new ArenaKernel(24 * MIB);
const readerArena = new ArenaKernel(24 * MIB);

/** From inline data to several blocks. */
function contentOf(index: number): Uint8Array {
  return new Uint8Array(1500 * index * index % 70_000 + index).fill(index + 1);
}

/** A vault on a medium that records what happens from now on; most of what was written is deleted again. */
async function scattered(
  segments: number,
): Promise<{ medium: CrashMedium; vault: Vault }> {
  writerArena.reset();
  const before = new MemoryStorage({});
  const shape = { segments, segmentsMax: segments + 4, blockBytes: 16384 };
  const vault = await createKeyedVault({ medium: before, kernel: writerArena }, shape);
  for (let i = 0; i < 2 * FILES; i++) {
    await vault.files.writeFile(`/filler ${i}`, new Uint8Array(0.45 * segments * MIB / 4));
    if (i % 2 === 0) await vault.files.writeFile(`/file ${i / 2}`, contentOf(i / 2));
  }
  await vault.commit();
  for (let i = 0; i < 2 * FILES; i++) await vault.files.remove(`/filler ${i}`);
  await vault.close();
  const medium = new CrashMedium({ content: before.content });
  writerArena.reset();
  return { medium, vault: openKeyedVault({ medium, kernel: writerArena }) };
}

async function openedAfter(image: CrashImage<string>): Promise<{
  medium: MemoryStorage;
  vault: Vault;
}> {
  readerArena.reset();
  const medium = image.open();
  const vault = openKeyedVault({ medium, kernel: readerArena });
  await assertWhole(vault, `${image.description}, after event ${image.point}`);
  return { medium, vault };
}

async function assertWhole(vault: Vault, when: string): Promise<void> {
  for (let i = 0; i < FILES; i++) {
    assert.deepEqual(await vault.files.readFile(`/file ${i}`), contentOf(i), when);
  }
  const { problems, files } = await checkVault(vault);
  assert.deepEqual(problems, [], when);
  assert.equal(files, FILES, when);
}

/** One image of so many, and at each other crash point and the last one the first two: everything arrived, and nothing. */
function* some(
  medium: CrashMedium,
  options: { every: number; seed: number },
): Generator<CrashImage<string>> {
  let count = 0;
  let [point, ofPoint] = [-1, 0];
  for (const image of medium.images(options.seed, { missingMax: 2, randomPerPoint: 1 })) {
    if (image.point !== point) [point, ofPoint] = [image.point, 0];
    if (
      (ofPoint++ < 2 && (point % 2 === 0 || point >= medium.log.length - 1)) ||
      ++count % options.every === 0
    ) yield image;
  }
}

Deno.test("move: every write may be the last, with and without syncs between", async () => {
  const { medium, vault } = await scattered(4);
  const { volume } = vault.opened;
  const ids: number[] = [];
  volume.store.blocks.entries((id) => ids.push(id));
  assert.ok(ids.length > FILES, `${ids.length} blocks`);
  ids.forEach((id, i) => {
    volume.move(id);
    if (i % 6 === 2) volume.sync();
    if (i % 9 === 8) volume.commitNow();
  });
  volume.commitNow();
  let images = 0;
  for (const image of some(medium, { every: 4, seed: 1 })) {
    images++;
    await openedAfter(image);
  }
  assert.ok(images > ids.length, `${images} images`);
});

const changes: Record<string, { segments: number; change(vault: Vault): Promise<unknown> }> = {
  "resize down": { segments: 14, change: (vault) => resizeVault(vault, 6 * SEGMENT_BYTES) },
  "resize up": { segments: 6, change: (vault) => resizeVault(vault, 9 * SEGMENT_BYTES) },
  "compact": { segments: 14, change: (vault) => compactVault(vault) },
};

for (const [name, { segments, change }] of Object.entries(changes)) {
  Deno.test(`${name}: after any crash it opens, is whole, and can be done again`, async () => {
    const { medium, vault } = await scattered(segments);
    await change(vault);
    const wanted = await medium.size();
    const { segmentsMax } = vault.opened.volume.store.space;
    if (name !== "resize up") assert.ok(wanted < segments * SEGMENT_BYTES);
    const sizes = new Set<number>();
    for (const image of some(medium, { every: 12, seed: 2 })) {
      const after = await openedAfter(image);
      sizes.add(await after.medium.size());
      await change(after.vault);
      const { space } = after.vault.opened.volume.store;
      assert.equal(await after.medium.size(), space.segments * SEGMENT_BYTES, image.description);
      assert.equal(space.segmentsMax, segmentsMax, image.description);
      if (name !== "resize up") assert.ok(await after.medium.size() <= wanted + SEGMENT_BYTES);
      await assertWhole(after.vault, `${name} again: ${image.description}`);
    }
    if (name !== "resize up") assert.ok(sizes.size > 1, "crashes hit before and after the cut");
  });
}
