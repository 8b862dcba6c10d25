import assert from "node:assert/strict";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { ArenaKernel } from "../../tests/support/arena_kernel.ts";
import { FaultyMedium } from "../../tests/support/faulty_medium.ts";
import { FileActions } from "../../tests/support/file_actions.ts";
import { createKeyedVault, openKeyedVault } from "../../tests/support/keyed_vault.ts";
import { emptyAttributes, named, ROOT } from "../../tests/support/open_memory_volume.ts";
import { RandomStream } from "../../tests/support/random_stream.ts";
import { S_IFDIR } from "../fs/mode.ts";
import { encodeMapEntry } from "../format/map_entry.ts";
import { runCell } from "../format/space_record.ts";
import { CELL_BYTES, MIB } from "../limits.ts";
import { checkVault } from "./check.ts";
import type { CheckReport } from "./check_report.ts";
import type { Vault } from "./vault.ts";

const arena = new ArenaKernel(24 * MIB);

interface World {
  readonly medium: FaultyMedium;
  readonly vault: Vault;
  readonly actions: FileActions;
}

async function world(): Promise<World> {
  arena.reset();
  const medium = new FaultyMedium(new MemoryStorage({}));
  const vault = await createKeyedVault({ medium, kernel: arena });
  return { medium, vault, actions: new FileActions(vault.fileSystem, arena) };
}

function kinds(report: CheckReport): string[] {
  return [...new Set(report.problems.map(({ kind }) => kind))];
}

/** Two directories, a file of ten blocks in the inner one, one inline file. */
async function smallWorld(): Promise<World> {
  const made = await world();
  const { vault, actions } = made;
  const out = emptyAttributes();
  const directory = { mode: S_IFDIR | 0o755, rdev: 0 };
  vault.fileSystem.mknod(ROOT, { parent: 1, name: named("outer") }, directory, out);
  vault.fileSystem.mknod(ROOT, { parent: out.ino, name: named("inner") }, directory, out);
  actions.write(actions.create("large", out.ino), 0, new Uint8Array(40960).fill(5));
  actions.write(actions.create("small"), 0, new Uint8Array(100).fill(6));
  await vault.commit();
  return made;
}

/** The first block of data that the map has. */
function someBlock(vault: Vault): { id: number; cell: number } {
  let found = { id: 0, cell: 0 };
  vault.opened.volume.store.blocks.entries((id, entry) => {
    if (entry.kind === 1 && found.id === 0) found = { id, cell: entry.places[0].cell };
  });
  return found;
}

Deno.test("check: a vault is clean after random work, and everything is counted", async () => {
  const { vault, actions } = await world();
  const stream = new RandomStream(5);
  const inos: number[] = [];
  for (let step = 0; step < 400; step++) {
    if (inos.length < 20) inos.push(actions.create(`file ${step}`));
    const ino = inos[stream.below(inos.length)];
    if (stream.chance(0.2)) actions.truncate(ino, stream.below(50000));
    else {actions.write(
        ino,
        stream.below(200000),
        new Uint8Array(1 + stream.below(20000)).fill(step),
      );}
    if (stream.chance(0.05)) await vault.commit();
    if (stream.chance(0.05)) await vault.fileSystem.fsync(ino);
  }
  const seen: number[] = [];
  const report = await checkVault(vault, { progress: (done, total) => seen.push(done / total) });
  assert.deepEqual(report.problems, []);
  assert.equal(report.ok, true);
  assert.equal(report.files, 20);
  assert.equal(report.directories, 1);
  assert.ok(report.blocks > 20 && report.bytes > 20 * 4096);
  assert.ok(seen.every((share) => share >= 0 && share <= 1), String(seen));
});

Deno.test("check: a damaged block is found and its file named; a damaged node too", async () => {
  const { vault, medium } = await smallWorld();
  const { cell } = someBlock(vault);
  medium.flipBit(cell * CELL_BYTES + 7, 3);
  const report = await checkVault(vault);
  assert.deepEqual(report.problems.map(({ kind, path }) => [kind, path]), [
    ["damaged", "/outer/inner/large"],
  ]);
  vault.opened.volume.store.blocks.entries((_, entry) => {
    if (entry.kind === 2) medium.flipBit(entry.places[0].cell * CELL_BYTES + 99, 1);
  });
  const again = await checkVault(vault);
  assert.equal(again.ok, false);
  assert.ok(again.problems.some(({ what }) => /tree node \d+ does not open/.test(what)));
});

Deno.test("check: a damaged block is named by the volume or the snapshot that has it", async () => {
  const { vault, medium } = await smallWorld();
  const damage = async (name: string, change: () => Promise<unknown>) => {
    const { nextId } = vault.opened.volume.store.blocks;
    await change();
    await vault.commit();
    const cells: number[] = [];
    vault.opened.volume.store.blocks.entries((id, entry) => {
      if (id >= nextId && entry.kind === 1) cells.push(entry.places[0].cell);
    });
    assert.equal(cells.length, 1, name);
    medium.flipBit(cells[0] * CELL_BYTES + 7, 3);
  };
  await vault.volumes.create("other");
  await using other = await vault.volumes.open("other");
  const content = new Uint8Array(4000).fill(1);
  await damage("other", () => other.files.writeFile("/there", content));
  await damage("main", () => vault.files.writeFile("/old", content));
  await vault.snapshots.create("main", "monday");
  await vault.files.remove("/old");
  const { problems } = await checkVault(vault);
  const named = problems.map(({ what, path }) => `${what.replace(/ \d+/, "")}: ${path}`);
  assert.deepEqual(named.sort(), [
    'block of volume "main", snapshot "monday", does not open: /old',
    'block of volume "other" does not open: /there',
  ]);
});

Deno.test("check: what the map has and nothing reaches is found, and what is missing", async () => {
  const { vault } = await smallWorld();
  const { blocks } = vault.opened.volume.store;
  const address = arena.reserve(4096);
  const id = blocks.allocateIds(1);
  vault.opened.volume.put({ firstId: id, count: 1, address, lastLength: 4096 });
  vault.opened.volume.endGroup();
  assert.deepEqual(kinds(await checkVault(vault)), ["catalog", "unreachable"]);
  vault.opened.volume.drop(id, 1);
  assert.deepEqual(kinds(await checkVault(vault)), []);
  vault.opened.volume.drop(someBlock(vault).id, 1);
  assert.deepEqual(kinds(await checkVault(vault)), ["missing"]);
});

Deno.test("check: wrong bitmaps are found: cells taken by nothing, cells in use marked free", async () => {
  const { vault } = await smallWorld();
  const { space } = vault.opened.volume.store;
  const lost = space.allocate(3);
  const first = await checkVault(vault);
  assert.deepEqual(kinds(first), ["space"]);
  assert.match(first.problems[0].what, /3 cells are taken by nothing/);
  space.free(lost, 3);
  assert.deepEqual(kinds(await checkVault(vault)), []);
  const { cell } = someBlock(vault);
  space.bitmap(Math.floor(cell / 1024))[Math.floor(cell % 1024 / 16)] &= ~(1 << cell % 16);
  space.counts.add(Math.floor(cell / 1024), 1);
  space.reserve(Math.floor(cell / 1024) * 1024 + 1023, 1);
  assert.ok(
    (await checkVault(vault)).problems.some(({ what }) =>
      /1 cells in use are marked free/.test(what)
    ),
  );
});

Deno.test("check: records of the filesystem that do not agree are found", async () => {
  const { vault } = await smallWorld();
  const { tree } = vault.opened.volume;
  let key = new Uint8Array(0);
  tree.scan(new Uint8Array([2]), (found) => {
    key = found.slice();
    return false;
  });
  assert.equal(key[0], 2);
  tree.delete(key);
  vault.opened.volume.endGroup();
  const report = await checkVault(vault);
  assert.deepEqual(kinds(report), ["record"]);
});

Deno.test("check: a wrong free count and an aborted check", async () => {
  const { vault } = await smallWorld();
  vault.opened.volume.store.space.counts.add(3, -1);
  const report = await checkVault(vault);
  assert.match(report.problems.map(({ what }) => what).join(), /counted as free/);
  const stop = new AbortController();
  stop.abort();
  await assert.rejects(checkVault(vault, { signal: stop.signal }), { name: "AbortError" });
});

Deno.test("check: two entries in the same cells are found", async () => {
  const { vault } = await smallWorld();
  const { blocks } = vault.opened.volume.store;
  const places: { id: number; cell: number }[] = [];
  blocks.entries((id, entry) => {
    if (entry.kind === 1) places.push({ id, cell: entry.places[0].cell });
  });
  const [a, b] = places;
  const stored = blocks.entry(b.id)!;
  const moved = { ...stored, places: [{ ...stored.places[0], cell: a.cell }] };
  blocks.replayEntry(b.id, encodeMapEntry(moved));
  vault.opened.volume.tree.put(new Uint8Array([1]), new Uint8Array(1));
  vault.opened.volume.tree.delete(new Uint8Array([1]));
  assert.deepEqual(kinds(await checkVault(vault)).sort(), ["damaged", "shared"]);
});

Deno.test("check: an older state than the newest root is a problem, even once it is the newest again", async () => {
  const { medium, vault, actions } = await smallWorld();
  actions.create("lost with the newest root");
  await vault.commit();
  const { root } = vault.opened.volume.store.inspect();
  assert.ok(root !== null);
  medium.flipBit(runCell(root.runs[0]) * CELL_BYTES + 100, 0);
  for (const readOnly of [true, false]) {
    arena.reset();
    const older = openKeyedVault({ medium, kernel: arena, readOnly });
    assert.deepEqual(older.opened.skippedRoots, [root.record.sequence]);
    const report = await checkVault(older);
    assert.deepEqual(kinds(report), ["root"]);
    assert.equal(report.files, 2);
  }
  arena.reset();
  const next = openKeyedVault({ medium, kernel: arena });
  assert.deepEqual((await checkVault(next)).problems, []);
});

Deno.test("check: others get turns, and what they change meanwhile is no problem", async () => {
  const { vault, actions } = await world();
  const inos = Array.from({ length: 300 }, (_, i) => actions.create(`file ${i}`));
  for (const ino of inos) actions.write(ino, 0, new Uint8Array(9000).fill(ino));
  const stream = new RandomStream(9);
  let [changes, over] = [0, false];
  const changing = (async () => {
    while (!over) {
      const ino = inos[stream.below(inos.length)];
      actions.truncate(ino, stream.below(9000));
      actions.write(ino, stream.below(20000), new Uint8Array(5000).fill(changes));
      if (++changes % 4 === 0) await vault.commit();
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  })();
  const report = await checkVault(vault);
  over = true;
  await changing;
  assert.deepEqual(report.problems, []);
  assert.equal(report.files, 300);
  assert.ok(changes > 3, `${changes} changes while the check ran`);
});
