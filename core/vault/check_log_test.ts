import assert from "node:assert/strict";
import { MemoryStorage } from "../../backends/memory/store.ts";
import type { SparseBytes } from "../../backends/memory/sparse_bytes.ts";
import { ArenaKernel } from "../../tests/support/arena_kernel.ts";
import { FileActions } from "../../tests/support/file_actions.ts";
import { createKeyedVault, openKeyedVault } from "../../tests/support/keyed_vault.ts";
import { KIND } from "../format/seal_aad.ts";
import { CELL_BYTES, MIB } from "../limits.ts";
import { ScratchMedium } from "../storage/scratch_medium.ts";
import { checkVault } from "./check.ts";
import type { Vault } from "./vault.ts";

const arena = new ArenaKernel(32 * MIB);

/** What the log alone knows: two files, each made durable by a sync of its own. */
interface LeftVault {
  readonly content: SparseBytes;
  /** The first cell of a block of each file. */
  readonly cells: readonly number[];
}

async function leave(): Promise<LeftVault> {
  arena.reset();
  const medium = new MemoryStorage({});
  const vault = await createKeyedVault({ medium, kernel: arena });
  const actions = new FileActions(vault.fileSystem, arena);
  const cells: number[] = [];
  for (const name of ["first", "last"]) {
    const before = vault.opened.volume.store.blocks.nextId;
    const ino = actions.create(name);
    actions.write(ino, 0, new Uint8Array(20000).fill(cells.length + 1));
    await vault.fileSystem.fsync(ino);
    const blocks = vault.opened.volume.store.blocks.entriesFrom(before, 64);
    const [{ entry: { places: [{ cell }] } }] = blocks.filter(({ entry }) =>
      entry.kind === KIND.data
    );
    cells.push(cell);
  }
  return { content: medium.content.fork(), cells };
}

/** Opened as `check` does: over a medium that is only read. */
function openScratch(content: SparseBytes): Vault {
  arena.reset();
  const base = new MemoryStorage({ content, readOnly: true });
  return openKeyedVault({ medium: new ScratchMedium(base, base.direct), kernel: arena });
}

function flip(content: SparseBytes, cell: number): SparseBytes {
  const damaged = content.fork();
  const { direct } = new MemoryStorage({ content: damaged });
  const byte = new Uint8Array(1);
  direct.read(cell * CELL_BYTES + 5, byte);
  direct.write(cell * CELL_BYTES + 5, byte.map((value) => value ^ 1));
  return damaged;
}

Deno.test("check: what only the log of an unclosed vault has is read too, and nothing is written", async () => {
  const { content } = await leave();
  const bytes = new MemoryStorage({ content: content.fork() });
  const before = await bytes.read(0, await bytes.size());
  const vault = openScratch(content);
  const report = await checkVault(vault);
  assert.deepEqual([report.ok, report.files, report.unread], [true, 2, 0], String(report.problems));
  assert.ok(report.bytes >= 40000);
  const { replayed, unfinished } = vault.opened;
  assert.deepEqual([replayed, unfinished], [2, false]);
  await vault.close();
  const after = new MemoryStorage({ content });
  assert.deepEqual(await after.read(0, await after.size()), before);
});

Deno.test("check: damage of what only the log has is found, and its file named", async () => {
  const { content, cells: [first] } = await leave();
  const damaged = flip(content, first);
  arena.reset();
  const medium = new MemoryStorage({ content: damaged, readOnly: true });
  const reader = openKeyedVault({ medium, kernel: arena, readOnly: true });
  assert.equal((await checkVault(reader)).unread, 2);
  await reader.abandon();
  const vault = openScratch(damaged);
  const { problems } = await checkVault(vault);
  assert.deepEqual(problems.map(({ kind, path }) => [kind, path]), [["damaged", "/first"]]);
  await vault.abandon();
});

Deno.test("opening says that the end of the log was left out where its blocks are not there", async () => {
  const { content, cells: [, last] } = await leave();
  const vault = openScratch(flip(content, last));
  const { replayed, unfinished } = vault.opened;
  assert.deepEqual([replayed, unfinished], [1, true]);
  assert.equal((await checkVault(vault)).files, 1);
  await vault.abandon();
});
