import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { PosixError } from "../../core/fs/file_system.ts";
import { MIB } from "../../core/limits.ts";
import { checkVault } from "../../core/vault/check.ts";
import { MountTransaction } from "../../core/vault/mount_transaction.ts";
import type { Vault } from "../../core/vault/vault.ts";
import type { Volume } from "../../core/volume/volume.ts";
import type { ArenaKernel } from "./arena_kernel.ts";
import { FileActions } from "./file_actions.ts";
import { FileWorkload, type WorkloadObserver } from "./file_workload.ts";
import {
  type KeyedVaultOptions,
  openKeyedVault,
  openKeyedVolume,
  vaultOver,
} from "./keyed_vault.ts";
import { emptyAttributes } from "./open_memory_volume.ts";
import { RandomStream } from "./random_stream.ts";

const NOTHING_CACHED = {
  takeIn: () => Promise.resolve(),
  drop: () => Promise.resolve(),
  dropContent: () => Promise.resolve(),
};
const FILE_BYTES_MAX = 2 * MIB + 65536;

/** A file as it was when it was promised. */
interface PromisedFile {
  readonly ino: number;
  readonly group: number;
  readonly content: string;
}

/** What was promised when a point was reached. */
export interface PromisedFiles {
  readonly group: number;
  readonly files: readonly PromisedFile[];
}

/** A workload that was recorded. */
export interface FileRecording {
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

/** A workload to record. */
export interface FilePlan {
  readonly seed: number;
  readonly steps: number;
  /** How likely a transaction of a mount begins or ends after a step; none unless given. */
  readonly transactions?: number;
  /** Told of what has become durable. */
  mark(promised: PromisedFiles): void;
}

/** Runs random changes of files. `arena` holds the kernel that the vault was opened with. */
export async function recordFiles(
  vault: Vault,
  arena: ArenaKernel,
  { seed, steps, transactions = 0, mark }: FilePlan,
): Promise<FileRecording> {
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
    mark({ group: group(), files: [...files.values()] });
  };
  const observer: WorkloadObserver = {
    changed: (ino) => changes.set(ino, [...changes.get(ino) ?? [], group() + 1]),
    // Inside a transaction nothing is.
    promised: (ino) => {
      if (transaction.state === null) promised(ino === 0 ? workload.files : [ino]);
    },
  };
  const stream = new RandomStream(seed);
  const workload: FileWorkload = new FileWorkload(vault.fileSystem, arena, { stream, observer });
  for (let step = 0; step < steps; step++) {
    await workload.step();
    if (!stream.chance(transactions)) continue;
    const isPromised = await changeTransaction(vault, transaction, { states, stream });
    if (isPromised) promised(workload.files);
  }
  return { states, changes };
}

/** What a crash left, and the kernel to open it with. */
export interface FileImage extends KeyedVaultOptions {
  readonly kernel: ArenaKernel;
}

/** Opens an image, looks for the group whose end it holds, and checks everything else about it. */
export async function verifyFiles(
  options: FileImage,
  recording: FileRecording,
  promised: PromisedFiles | undefined,
): Promise<number> {
  const { kernel } = options;
  kernel.reset();
  const opened = openKeyedVolume(options);
  assert.deepEqual(opened.skippedRoots, []);
  const group = recording.states.lastIndexOf(dump(opened.volume));
  assert.ok(group >= 0, "the records are as they were after some group");
  assert.ok(group >= (promised?.group ?? 0), "what was promised is there");
  const vault = vaultOver(opened, options);
  if (promised !== undefined) checkFiles(vault, kernel, { promised, group, recording });
  const report = await checkVault(vault);
  assert.deepEqual(report.problems, []);
  return group;
}

/** Promised files that no group up to this one changed have the content that was promised. */
function checkFiles(
  vault: Vault,
  kernel: ArenaKernel,
  at: { promised: PromisedFiles; group: number; recording: FileRecording },
): void {
  const actions = new FileActions(vault.fileSystem, kernel);
  for (const file of at.promised.files) {
    const changes = at.recording.changes.get(file.ino) ?? [];
    if (changes.some((change) => change > file.group && change <= at.group)) continue;
    assert.equal(contentOf(actions, file.ino), file.content, `content of inode ${file.ino}`);
  }
}

/** The recovered vault takes changes, and holds them when it is opened again, as `again` says. */
export async function goOnWithFiles(image: FileImage, again: () => FileImage): Promise<void> {
  const { kernel } = image;
  kernel.reset();
  const vault = openKeyedVault(image);
  const observer = { changed() {}, promised() {} };
  const parts = { stream: new RandomStream(1), observer };
  const workload = new FileWorkload(vault.fileSystem, kernel, parts);
  for (let step = 0; step < 12; step++) await workload.step();
  await vault.commit();
  const expected = dump(vault.opened.volume);
  kernel.reset();
  const options = again();
  const opened = openKeyedVolume(options);
  assert.equal(dump(opened.volume), expected);
  assert.deepEqual((await checkVault(vaultOver(opened, options))).problems, []);
}
