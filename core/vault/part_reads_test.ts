/** Small reads open parts of blocks: what they give is right and authentic, whatever was read before. */
import assert from "node:assert/strict";
import { SparseBytes } from "../../backends/memory/sparse_bytes.ts";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { ArenaKernel } from "../../tests/support/arena_kernel.ts";
import { FaultyMedium } from "../../tests/support/faulty_medium.ts";
import { createKeyedVault, openKeyedVault } from "../../tests/support/keyed_vault.ts";
import { RandomStream } from "../../tests/support/random_stream.ts";
import { KIND } from "../format/seal_aad.ts";
import { CELL_BYTES, MIB } from "../limits.ts";
import type { Vault } from "./vault.ts";

const BLOCK_BYTES = 65536;
const FILE_BYTES = 40 * BLOCK_BYTES + 12345;
/** Counts what is opened in part. */
class CountingKernel extends ArenaKernel {
  parts = 0;

  override openPart(descriptor: number, from: number, length: number): number {
    this.parts++;
    return super.openPart(descriptor, from, length);
  }
}

const arena = new CountingKernel(32 * MIB);

async function filled(redundancy?: { k: number; m: number }) {
  arena.reset();
  const stored = new SparseBytes();
  const medium = new MemoryStorage({ content: stored });
  const shape = { blockBytes: BLOCK_BYTES, segments: 8, redundancy };
  const vault = await createKeyedVault({ medium, kernel: arena }, shape);
  const content = new Uint8Array(FILE_BYTES);
  new RandomStream(4).fill(content);
  await vault.files.writeFile("/file", content);
  await vault.close();
  arena.reset();
  const again = new FaultyMedium(new MemoryStorage({ content: stored }));
  return { medium: again, vault: openKeyedVault({ medium: again, kernel: arena }), content };
}

async function reads(vault: Vault, content: Uint8Array, seed: number): Promise<void> {
  const random = new RandomStream(seed);
  await using file = await vault.files.open("/file", { access: "write" });
  for (let step = 0; step < 3000; step++) {
    // Mostly in a few blocks, so that they are met again: in the same part, in another one, and after they were written.
    const near = random.chance(0.7) ? random.below(3) * 9 * BLOCK_BYTES : 0;
    const offset = near + random.below(near > 0 ? 2 * BLOCK_BYTES : FILE_BYTES);
    const length = Math.min(
      1 + random.below(random.chance(0.9) ? 9000 : 90_000),
      FILE_BYTES - offset,
    );
    if (random.chance(0.05)) {
      const bytes = new Uint8Array(length);
      random.fill(bytes);
      content.set(bytes, offset);
      await file.write(offset, bytes);
      if (random.chance(0.3)) await vault.commit();
    } else {
      const seen = await file.read(offset, length);
      assert.deepEqual(seen, content.subarray(offset, offset + length), `step ${step}: ${offset}`);
    }
  }
}

Deno.test("small reads of files give what was written, in any order", async () => {
  for (const redundancy of [undefined, { k: 1, m: 1 }, { k: 2, m: 1 }]) {
    const { vault, content } = await filled(redundancy);
    arena.parts = 0;
    await reads(vault, content, 7);
    assert.equal(arena.parts > 0, redundancy?.k !== 2, `${arena.parts}`);
    await vault.close();
  }
});

Deno.test("a small read is refused where any other byte of its block was changed, and repaired from a copy", async () => {
  for (const redundancy of [undefined, { k: 1, m: 1 }]) {
    const { vault, medium, content } = await filled(redundancy);
    const { store } = vault.opened.volume;
    const cells: number[] = [];
    store.blocks.entries((_, { kind, length, places: [{ cell }] }) => {
      if (kind === KIND.data && length === BLOCK_BYTES) cells.push(cell);
    });
    for (const cell of cells) medium.flipBit((cell + 15) * CELL_BYTES + 4095, 7);
    for (let block = 0; block < 40; block++) {
      const offset = block * BLOCK_BYTES + 256 * block;
      const read = vault.files.readFile("/file", { offset, length: 1000 });
      if (redundancy === undefined) await assert.rejects(read, { kind: "corrupt" });
      else assert.deepEqual(await read, content.subarray(offset, offset + 1000));
    }
    await vault.close();
  }
});
