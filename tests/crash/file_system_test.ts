/**
 * Files under power cuts: whatever is left of the medium opens, holds what was fsynced, and is clean.
 * `SIGMAVAULT_CRASH_SEEDS` (5 unless set) says how many workloads to run.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { SparseBytes } from "../../backends/memory/sparse_bytes.ts";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { PosixError } from "../../core/fs/file_system.ts";
import { MIB } from "../../core/limits.ts";
import { checkVault } from "../../core/vault/check.ts";
import { MountTransaction } from "../../core/vault/mount_transaction.ts";
import type { Vault } from "../../core/vault/vault.ts";
import type { Volume } from "../../core/volume/volume.ts";
import { ArenaKernel } from "../support/arena_kernel.ts";
import { CrashMedium } from "../support/crash_medium.ts";
import { FileActions } from "../support/file_actions.ts";
import { FileWorkload, type WorkloadObserver } from "../support/file_workload.ts";
import {
  createKeyedVault,
  openKeyedVault,
  openKeyedVolume,
  vaultOver,
} from "../support/keyed_vault.ts";
import { emptyAttributes, named } from "../support/open_memory_volume.ts";
import { RandomStream } from "../support/random_stream.ts";

const SEEDS = Number(Deno.env.get("SIGMAVAULT_CRASH_SEEDS") ?? 5);
const FIRST_SEED = Number(Deno.env.get("SIGMAVAULT_FIRST_SEED") ?? 1);
const FILE_BYTES_MAX = 2 * MIB + 65536;
const writerArena = new ArenaKernel(16 * MIB);
const readerArena = new ArenaKernel(24 * MIB);

const NOTHING_CACHED = { takeIn: () => Promise.resolve(), drop: () => Promise.resolve() };

/** A file as it was when it was promised. */
interface PromisedFile {
  readonly ino: number;
  readonly group: number;
  readonly content: string;
}

/** What was promised when a point was reached. */
interface Promised {
  readonly group: number;
  readonly files: readonly PromisedFile[];
}

interface Recording {
  readonly medium: CrashMedium<Promised>;
  /** The volume's records after each group. */
  readonly states: readonly string[];
  /** For each inode, the groups after which its content was changed. */
  readonly changes: ReadonlyMap<number, readonly number[]>;
}

function dump(volume: Volume): string {
  const hash = createHash("sha256");
  volume.tree.scan(new Uint8Array(0), (key, value) => {
    hash.update(new Uint8Array([key.length])).update(key).update(value);
    return true;
  });
  return hash.digest("base64");
}

function contentOf(actions: FileActions, ino: number): string {
  const hash = createHash("sha256");
  const size = actions.size(ino);
  assert.ok(size <= FILE_BYTES_MAX, "files of the workload are small");
  return hash.update(actions.read(ino, 0, size)).digest("base64") + size;
}

/** Keeps the state after every group that ends; what is inside a transaction is none. */
function recordGroups(volume: Volume): string[] {
  const states = [dump(volume)];
  const endGroup = volume.endGroup.bind(volume);
  volume.endGroup = () => {
    endGroup();
    if (!volume.inTransaction) keepState(volume, states);
  };
  return states;
}

function keepState(volume: Volume, states: string[]): void {
  const state = dump(volume);
  if (state !== states.at(-1)) states.push(state);
}

/** Begins a transaction of a mount, or ends it one way or the other; true where all is promised then. */
async function changeTransaction(
  { opened: { volume } }: Vault,
  transaction: MountTransaction,
  { states, stream }: { readonly states: string[]; readonly stream: RandomStream },
): Promise<boolean> {
  if (transaction.state === null) {
    await transaction.begin(null);
    assert.equal(dump(volume), states.at(-1));
    return true;
  }
  if (stream.chance(0.5)) {
    await transaction.rollback(null);
    assert.equal(dump(volume), states.at(-1), "all of it is undone");
    return false;
  }
  await transaction.commit(null);
  keepState(volume, states);
  return true;
}

async function emptyVault(segments: number): Promise<SparseBytes> {
  writerArena.reset();
  const medium = new MemoryStorage({});
  await createKeyedVault({ medium, kernel: writerArena }, { segments, segmentsMax: 8 });
  return medium.content;
}

async function record(
  { seed, steps, transactions = 0 }: Omit<Plan, "every">,
): Promise<Recording> {
  const content = await emptyVault(4);
  writerArena.reset();
  const medium = new CrashMedium<Promised>({ content });
  const vault = openKeyedVault({ medium, kernel: writerArena });
  const transaction = new MountTransaction(vault, NOTHING_CACHED);
  const states = recordGroups(vault.opened.volume);
  const changes = new Map<number, number[]>();
  const files = new Map<number, PromisedFile>();
  const out = emptyAttributes();
  const group = () => states.length - 1;
  const promise = (ino: number) => {
    try {
      // An orphan ends with the power.
      vault.fileSystem.getattr(ino, out);
      if (out.nlink === 0) return void files.delete(ino);
      files.set(ino, { ino, group: group(), content: contentOf(workload.actions, ino) });
    } catch (error) {
      if (!(error instanceof PosixError)) throw error;
      files.delete(ino);
    }
  };
  const promised = (inos: readonly number[]) => {
    for (const ino of inos) promise(ino);
    medium.mark({ group: group(), files: [...files.values()] });
  };
  const observer: WorkloadObserver = {
    changed: (ino) => changes.set(ino, [...changes.get(ino) ?? [], group() + 1]),
    // Inside a transaction nothing is.
    promised: (ino) => {
      if (transaction.state === null) promised(ino === 0 ? workload.files : [ino]);
    },
  };
  const stream = new RandomStream(seed);
  const workload: FileWorkload = new FileWorkload(vault.fileSystem, writerArena, {
    stream,
    observer,
  });
  for (let step = 0; step < steps; step++) {
    await workload.step();
    if (!stream.chance(transactions)) continue;
    const isPromised = await changeTransaction(vault, transaction, { states, stream });
    if (isPromised) promised(workload.files);
  }
  return { medium, states, changes };
}

/** Opens an image, looks for the group whose end it holds, and checks everything else about it. */
async function verify(
  medium: MemoryStorage,
  recording: Recording,
  promised: Promised | undefined,
): Promise<number> {
  readerArena.reset();
  const options = { medium, kernel: readerArena };
  const opened = openKeyedVolume(options);
  assert.deepEqual(opened.skippedRoots, []);
  const group = recording.states.lastIndexOf(dump(opened.volume));
  assert.ok(group >= 0, "the records are as they were after some group");
  assert.ok(group >= (promised?.group ?? 0), "what was promised is there");
  const vault = vaultOver(opened, options);
  if (promised !== undefined) checkFiles(vault, { promised, group, recording });
  const report = await checkVault(vault);
  assert.deepEqual(report.problems, []);
  return group;
}

/** Promised files that no group up to this one changed have the content that was promised. */
function checkFiles(
  vault: Vault,
  at: { promised: Promised; group: number; recording: Recording },
): void {
  const actions = new FileActions(vault.fileSystem, readerArena);
  for (const file of at.promised.files) {
    const changes = at.recording.changes.get(file.ino) ?? [];
    if (changes.some((change) => change > file.group && change <= at.group)) continue;
    assert.equal(contentOf(actions, file.ino), file.content, `content of inode ${file.ino}`);
  }
}

/** The recovered vault takes changes, and holds them when it is opened again. */
async function goOn(medium: MemoryStorage): Promise<void> {
  readerArena.reset();
  const vault = openKeyedVault({ medium, kernel: readerArena });
  const observer = { changed() {}, promised() {} };
  const parts = { stream: new RandomStream(1), observer };
  const workload = new FileWorkload(vault.fileSystem, readerArena, parts);
  for (let step = 0; step < 12; step++) await workload.step();
  await vault.commit();
  const expected = dump(vault.opened.volume);
  readerArena.reset();
  const opened = openKeyedVolume({ medium, kernel: readerArena });
  assert.equal(dump(opened.volume), expected);
  const again = vaultOver(opened, { medium, kernel: readerArena });
  assert.deepEqual((await checkVault(again)).problems, []);
}

interface Plan {
  readonly seed: number;
  readonly steps: number;
  /** Looks at so many of the images. */
  readonly every: number;
  /** How likely a transaction begins or ends after a step. */
  readonly transactions?: number;
}

async function survive(plan: Plan): Promise<number> {
  const { seed, every } = plan;
  const recording = await record(plan);
  let images = 0;
  for (const image of recording.medium.images(seed, { randomPerPoint: 1, missingMax: 2 })) {
    if (++images % every !== 0) continue;
    try {
      await verify(image.open(), recording, image.mark);
      if (images % (17 * every) === 0) await goOn(image.open());
    } catch (error) {
      const where = `seed ${seed}, image ${images}, point ${image.point}, ${image.description}`;
      throw new Error(`${where}: ${error instanceof Error ? error.message : error}`, {
        cause: error,
      });
    }
  }
  return images;
}

for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
  Deno.test(`files: every power cut of workload ${seed} leaves what was fsynced`, async () => {
    assert.ok(await survive({ seed, steps: 80, every: 1 }) > 50);
  });

  Deno.test(`files: every power cut of workload ${seed} leaves whole transactions of a mount`, async () => {
    const plan = { seed: 2000 + seed, steps: 200, every: 9, transactions: 0.15 };
    assert.ok(await survive(plan) > 50);
  });

  Deno.test(`files: power cuts of long workload ${seed}`, async () => {
    assert.ok(await survive({ seed: 1000 + seed, steps: 600, every: 41 }) > 500);
  });
}

Deno.test("files: a file that was renamed over another is never empty or mixed", async () => {
  const content = await emptyVault(4);
  writerArena.reset();
  const medium = new CrashMedium<Promised>({ content });
  const vault = openKeyedVault({ medium, kernel: writerArena });
  const actions = new FileActions(vault.fileSystem, writerArena);
  actions.write(actions.create("doc"), 0, new Uint8Array(20000).fill(1));
  await vault.commit();
  medium.mark({ group: 0, files: [] });
  for (let round = 2; round < 6; round++) {
    actions.write(actions.create("doc.new"), 0, new Uint8Array(20000 * round).fill(round));
    const places = ["doc.new", "doc"].map((name) => ({ parent: 1, name: named(name) }));
    vault.fileSystem.rename(places[0], places[1], { noReplace: false, exchange: false });
    if (round % 2 === 0) await vault.fileSystem.fsync(1);
    else await vault.commit();
  }
  const seen = new Set<number>();
  for (const image of medium.images(9)) {
    if (image.mark === undefined) continue;
    readerArena.reset();
    const again = openKeyedVault({ medium: image.open(), kernel: readerArena });
    const out = emptyAttributes();
    again.fileSystem.lookup(1, named("doc"), out);
    const bytes = new FileActions(again.fileSystem, readerArena).read(out.ino, 0, out.size);
    assert.equal(bytes.length, bytes[0] === 1 ? 20000 : 20000 * bytes[0]);
    assert.ok(bytes.every((byte) => byte === bytes[0]));
    seen.add(bytes[0]);
  }
  assert.deepEqual([...seen].sort(), [1, 2, 3, 4, 5]);
});
