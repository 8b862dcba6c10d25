/** Cells flipped, swapped and taken back to an older state: the right bytes or an error, never wrong bytes. */
import assert from "node:assert/strict";
import { SparseBytes } from "../../backends/memory/sparse_bytes.ts";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { VaultError } from "../../core/errors.ts";
import { PosixError } from "../../core/fs/file_system.ts";
import { S_IFDIR } from "../../core/fs/mode.ts";
import type { Kernel } from "../../core/crypto/kernel.ts";
import { CELL_BYTES, MIB } from "../../core/limits.ts";
import { checkVault } from "../../core/vault/check.ts";
import type { Vault } from "../../core/vault/vault.ts";
import { type NodeTree, scrubTree } from "../../core/volume/node_scrub.ts";
import { scrubBlocks, type ScrubStep } from "../../core/volume/scrub.ts";
import { ArenaKernel } from "../support/arena_kernel.ts";
import { FileActions } from "../support/file_actions.ts";
import { createKeyedVault, type KeyedVaultShape, openKeyedVault } from "../support/keyed_vault.ts";
import { emptyAttributes, named, ROOT } from "../support/open_memory_volume.ts";
import { RandomStream } from "../support/random_stream.ts";

const EIO = 5;
const FILES = 14;
const arena = new ArenaKernel(24 * MIB);

/** What each file held: `undefined` where it did not exist. */
type Contents = ReadonlyMap<string, string | undefined>;

interface Image {
  readonly content: SparseBytes;
  readonly contents: Contents;
  /** Cells in use: those that hold bytes. */
  readonly cells: readonly number[];
}

/** Two states of one vault: the later one overwrote, removed and added files. */
async function makeImages(
  shape: KeyedVaultShape = {},
): Promise<{ older: Image; newer: Image }> {
  arena.reset();
  const medium = new MemoryStorage({ content: new SparseBytes(CELL_BYTES) });
  const vault = await createKeyedVault({ medium, kernel: arena }, shape);
  const actions = new FileActions(vault.fileSystem, arena);
  const out = emptyAttributes();
  vault.fileSystem.mknod(ROOT, { parent: 1, name: named("directory") }, {
    mode: S_IFDIR | 0o755,
    rdev: 0,
  }, out);
  for (let i = 0; i < FILES / 2; i++) write(actions, i, i + 1);
  await vault.commit();
  const older = imageOf(vault, medium);
  for (let i = 0; i < FILES; i++) write(actions, i, i + 101);
  for (let i = 0; i < 4; i++) await vault.commit();
  return { older, newer: imageOf(vault, medium) };
}

/** Writes file `i`: inline, some blocks, or a hole and a block. */
function write(actions: FileActions, i: number, fill: number): void {
  const out = emptyAttributes();
  let ino = 0;
  try {
    actions.fs.lookup(1, named(`file ${i}`), out);
    ino = out.ino;
  } catch (error) {
    if (!(error instanceof PosixError)) throw error;
    ino = actions.create(`file ${i}`);
  }
  const length = i % 3 === 0 ? 500 : 9000 * (i % 3);
  actions.write(ino, i % 5 === 4 ? 50000 : 0, new Uint8Array(length).fill(fill));
}

function imageOf(vault: Vault, medium: MemoryStorage): Image {
  const contents = readAll(vault, arena);
  const cells: number[] = [];
  const cell = new Uint8Array(CELL_BYTES);
  for (let i = 0; i * CELL_BYTES < medium.content.length; i++) {
    medium.content.read(i * CELL_BYTES, cell);
    if (cell.some((byte) => byte !== 0)) cells.push(i);
  }
  const content = medium.content.fork();
  return { content, contents: contents as Contents, cells };
}

/** Every file's content in short, or EIO; anything else that is thrown fails the test. */
function readAll(vault: Vault, kernel: Kernel): Map<string, string | undefined> {
  const actions = new FileActions(vault.fileSystem, kernel);
  const found = new Map<string, string | undefined>();
  for (let i = 0; i < FILES; i++) {
    const name = `file ${i}`;
    found.set(name, readOne(actions, name));
  }
  return found;
}

function readOne(actions: FileActions, name: string): string | undefined {
  const out = emptyAttributes();
  try {
    actions.fs.lookup(1, named(name), out);
    const bytes = actions.read(out.ino, 0, out.size);
    return `${out.size} ${bytes.slice(0, 4).toHex()} ${sum(bytes)}`;
  } catch (error) {
    if (!(error instanceof PosixError)) throw error;
    if (error.errno === EIO) return "EIO";
    assert.equal(error.message, "ENOENT");
    return undefined;
  }
}

function sum(bytes: Uint8Array): number {
  return bytes.reduce((total, byte, i) => (total + byte * (i % 1000 + 1)) % 1_000_003, 0);
}

interface Outcome {
  /** Opening was refused, as corrupt. */
  readonly refused: boolean;
  /** An older root was opened, and said so. */
  readonly fellBack: boolean;
  readonly unreadable: number;
}

/** Opens a tampered medium read-only and compares every file. */
function attempt(content: SparseBytes, images: { older: Image; newer: Image }): Outcome {
  arena.reset();
  const medium = new MemoryStorage({ content });
  let vault: Vault;
  try {
    vault = openKeyedVault({ medium, kernel: arena, readOnly: true });
  } catch (error) {
    assert.ok(error instanceof VaultError, String(error));
    assert.equal(error.kind, "corrupt", error.message);
    return { refused: true, fellBack: false, unreadable: FILES };
  }
  const fellBack = vault.opened.skippedRoots.length > 0;
  let unreadable = 0;
  for (const [name, content] of readAll(vault, arena)) {
    if (content === "EIO") unreadable++;
    else if (!fellBack || content !== images.older.contents.get(name)) {
      assert.equal(content, images.newer.contents.get(name), `bytes of "${name}"`);
    }
  }
  return { refused: false, fellBack, unreadable };
}

function readCell(content: SparseBytes, cell: number): Uint8Array {
  const bytes = new Uint8Array(CELL_BYTES);
  content.read(cell * CELL_BYTES, bytes);
  return bytes;
}

Deno.test("tamper: a bit flipped in any cell gives the right bytes or EIO; files of intact blocks stay readable", async () => {
  const images = await makeImages();
  const stream = new RandomStream(3);
  const seen = { refused: 0, oneFile: 0, harmless: 0, fellBack: 0 };
  for (const cell of images.newer.cells) {
    const content = images.newer.content.fork();
    const bytes = readCell(content, cell);
    bytes[stream.below(CELL_BYTES)] ^= 1 << stream.below(8);
    content.write(cell * CELL_BYTES, bytes);
    const { refused, fellBack, unreadable } = attempt(content, images);
    if (refused) seen.refused++;
    else if (fellBack) seen.fellBack++;
    else if (unreadable === 0) seen.harmless++;
    else if (unreadable === 1) seen.oneFile++;
    else assert.fail(`cell ${cell}: ${unreadable} files cannot be read`);
  }
  // Data blocks hurt one file; of trees as small as these only roots exist, and without one nothing opens.
  assert.ok(seen.oneFile > 20, JSON.stringify(seen));
  assert.ok(seen.refused > 0 && seen.refused <= 6, JSON.stringify(seen));
  assert.equal(seen.fellBack, 1, "the newest root record, and nothing else");
});

Deno.test("tamper: check names what a flipped bit hurt", async () => {
  const images = await makeImages();
  let found = 0;
  for (const cell of images.newer.cells) {
    const content = images.newer.content.fork();
    const bytes = readCell(content, cell);
    bytes[100] ^= 4;
    content.write(cell * CELL_BYTES, bytes);
    if (attempt(content, images).unreadable !== 1) continue;
    arena.reset();
    const vault = openKeyedVault({ medium: new MemoryStorage({ content }), kernel: arena });
    const { problems } = await checkVault(vault);
    assert.equal(problems.length, 1, JSON.stringify(problems));
    assert.equal(problems[0].kind, "damaged");
    assert.match(problems[0].path ?? "", /^\/file \d+$/);
    found++;
  }
  assert.ok(found > 20, String(found));
});

Deno.test("tamper: no two cells can be exchanged", async () => {
  const images = await makeImages();
  const { cells } = images.newer;
  const stream = new RandomStream(4);
  for (let i = 0; i < cells.length; i++) {
    for (const other of [cells[(i + 1) % cells.length], cells[stream.below(cells.length)]]) {
      const content = images.newer.content.fork();
      content.write(cells[i] * CELL_BYTES, readCell(images.newer.content, other));
      content.write(other * CELL_BYTES, readCell(images.newer.content, cells[i]));
      attempt(content, images);
    }
  }
});

Deno.test("tamper: no cell can be taken back to what it held before", async () => {
  const images = await makeImages();
  let changed = 0;
  for (const cell of images.newer.cells) {
    const older = readCell(images.older.content, cell);
    if (older.every((byte, i) => byte === readCell(images.newer.content, cell)[i])) continue;
    changed++;
    const content = images.newer.content.fork();
    content.write(cell * CELL_BYTES, older);
    attempt(content, images);
  }
  assert.ok(changed > 20, String(changed));
});

/** Writes over a cell: a flipped bit, noise, another cell of the vault, or what it held before. */
function damage(cell: number, how: number, images: { older: Image; newer: Image }): Uint8Array {
  const bytes = readCell(images.newer.content, cell);
  if (how === 0) bytes[cell % CELL_BYTES] ^= 1 << cell % 8;
  else if (how === 1) crypto.getRandomValues(bytes);
  else if (how === 2) return readCell(images.newer.content, images.newer.cells[0]);
  else return readCell(images.older.content, cell);
  return bytes;
}

for (const redundancy of [{ k: 1, m: 1 }, { k: 3, m: 2 }]) {
  const { k, m } = redundancy;
  Deno.test(`tamper ${k}+${m}: whatever becomes of one cell, every file is right, and a check after it is clean`, async () => {
    const shape = { redundancy, blockBytes: 16384, segments: 10 };
    const images = await makeImages(shape);
    let opened = 0;
    for (const [i, cell] of images.newer.cells.entries()) {
      const content = images.newer.content.fork();
      content.write(cell * CELL_BYTES, damage(cell, i % 4, images));
      const { refused, fellBack, unreadable } = attempt(content, images);
      assert.deepEqual([refused, fellBack, unreadable], [false, false, 0], `cell ${cell}`);
      if (i % 5 > 0) continue;
      arena.reset();
      const vault = openKeyedVault({ medium: new MemoryStorage({ content }), kernel: arena });
      for (let from: number | null = 0; from !== null;) {
        const step: ScrubStep = scrubBlocks(vault.opened.volume.engine, from, { blocks: 100 });
        assert.deepEqual(step.lost, []);
        from = step.next;
      }
      for (const tree of ["block map", "space map", "catalog"] satisfies NodeTree[]) {
        const step = scrubTree(vault.opened.volume.engine, tree, new Uint8Array(0), Infinity);
        assert.deepEqual(step.holes, []);
      }
      assert.deepEqual((await checkVault(vault)).problems, [], `cell ${cell}`);
      opened++;
    }
    assert.ok(opened > 10, String(opened));
  });
}
