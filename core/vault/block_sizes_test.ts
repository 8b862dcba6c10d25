import assert from "node:assert/strict";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { ArenaKernel } from "../../tests/support/arena_kernel.ts";
import { FaultyMedium } from "../../tests/support/faulty_medium.ts";
import { createKeyedVault, openKeyedVault } from "../../tests/support/keyed_vault.ts";
import { RandomStream } from "../../tests/support/random_stream.ts";
import { placeCells } from "../format/map_entry.ts";
import { CELL_BYTES, KIB, MIB } from "../limits.ts";
import { scrubBlocks } from "../volume/scrub.ts";
import { checkVault } from "./check.ts";
import type { Vault } from "./vault.ts";

const SIZES = [4 * KIB, 16 * KIB, 64 * KIB, MIB];
const arena = new ArenaKernel(112 * MIB);

async function requireClean(vault: Vault): Promise<void> {
  assert.deepEqual((await checkVault(vault)).problems, []);
}

function content(seed: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  new RandomStream(seed).fill(bytes);
  return bytes;
}

for (const redundancy of [{ k: 1, m: 0 }, { k: 1, m: 1 }, { k: 4, m: 2 }]) {
  const name = `${redundancy.k}+${redundancy.m}`;
  Deno.test(`block sizes with ${name}: volumes of every size share a vault`, async () => {
    arena.reset();
    const medium = new FaultyMedium(new MemoryStorage({}));
    const shape = { segments: 24, redundancy, blockBytes: 8 * KIB };
    let vault = await createKeyedVault({ medium, kernel: arena }, shape);
    for (const [i, blockBytes] of SIZES.entries()) {
      await vault.volumes.create(`v${blockBytes}`, { blockBytes });
      const volume = await vault.volumes.open(`v${blockBytes}`);
      await volume.files.writeFile("/large", content(i, 2_500_000));
      await volume.files.writeFile("/odd", content(i + 10, 70_001));
      await volume.close();
    }
    await requireClean(vault);
    const listed = await vault.volumes.list();
    assert.deepEqual(listed.map(({ blockBytes }) => blockBytes), [8 * KIB, ...SIZES]);
    await vault.snapshots.create(`v${MIB}`, "kept");
    await vault.snapshots.clone(`v${MIB}`, "kept", "copy");
    await assert.rejects(vault.volumes.set("copy", { blockBytes: 4096 }), { kind: "invalid" });

    // Opened anew, bad places are read around and written anew before any volume but the first is open.
    await vault.commit();
    arena.reset();
    vault = openKeyedVault({ medium, kernel: arena });
    const { blocks } = vault.opened.volume.store;
    blocks.entries((_, entry) => {
      if (entry.kind !== 1 || redundancy.m === 0 || entry.length < MIB / 2) return;
      const [{ cell }] = entry.places;
      medium.flipBit(cell * CELL_BYTES + placeCells(entry) * 7, 1);
    });
    const { bad, lost } = scrubBlocks(vault.opened.volume.engine, 0, { blocks: 10_000 });
    assert.deepEqual(lost, []);
    assert.equal(bad, redundancy.m > 0 ? 2 : 0);
    for (const [i, blockBytes] of SIZES.entries()) {
      await using volume = await vault.volumes.open(`v${blockBytes}`);
      assert.deepEqual(await volume.files.readFile("/large"), content(i, 2_500_000));
      assert.deepEqual(await volume.files.readFile("/odd"), content(i + 10, 70_001));
      await volume.files.remove("/large");
    }
    await using copy = await vault.volumes.open("copy");
    assert.deepEqual(await copy.files.readFile("/large"), content(3, 2_500_000));
    await requireClean(vault);
  });
}

Deno.test("block sizes: a full vault refuses large blocks, not small ones that still fit, and stays whole", async () => {
  arena.reset();
  const medium = new MemoryStorage({});
  const vault = await createKeyedVault({ medium, kernel: arena }, {
    segments: 8,
    blockBytes: 4096,
  });
  await vault.volumes.create("large", { blockBytes: MIB });
  const large = await vault.volumes.open("large");
  // Holes of one block each: nothing that is free lies side by side.
  const names = Array.from({ length: 1500 }, (_, i) => `/${i}`);
  for (const name of names) await vault.files.writeFile(name, content(1, 4096)).catch(() => {});
  let written = 0;
  await assert.rejects(async () => {
    for (;; written++) await large.files.writeFile(`/${written}`, content(written, MIB));
  }, { kind: "unavailable" });
  for (const name of names.filter((_, i) => i % 2 === 0)) await vault.files.remove(name);
  await vault.commit();
  await vault.files.writeFile("/small", content(3, 20_000));
  for (let i = 0; i < written; i++) {
    assert.deepEqual(await large.files.readFile(`/${i}`), content(i, MIB));
  }
  await requireClean(vault);
  if (written > 0) await large.files.remove("/0");
  await vault.volumes.free();
  await requireClean(vault);
});
