import { assert } from "../assert.ts";
import {
  getU48,
  getU64,
  putU32BE,
  putU64BE,
  readU32BE,
  readU64BE,
  setU48,
  setU64,
  viewOf,
} from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { CELL_BYTES } from "../limits.ts";
import { BLOCK_BYTES_MAX } from "./map_entry.ts";
import { exactly } from "./exact.ts";

/**
 * FORMAT.md §12: records of the catalog: the volumes of a vault, their branches and snapshots, and what waits to be
 * freed. Keys begin with a type; numbers in keys are big-endian.
 */
export const CATALOG_KEY = {
  counters: 0,
  volume: 1,
  branch: 2,
  snapshot: 3,
  deadRun: 4,
  pending: 5,
  session: 6,
  receive: 7,
  lock: 8,
  lockedInline: 9,
  secret: 10,
  scrub: 16,
  rescatter: 17,
} as const;

/** Bytes of a name at most, in UTF-8. */
export const NAME_BYTES_MAX = 255;
/** Bytes of a volume record before its name. */
const VOLUME_HEAD_BYTES = 64;
const BRANCH_BYTES = 56;
/** Bytes of a snapshot record before its name. */
const SNAPSHOT_HEAD_BYTES = 72;
/** Bytes of what names a snapshot wherever it was sent to. */
export const GUID_BYTES = 16;
const GUID_AT = 48;
const COUNTERS_BYTES = 16;

const VOLUME_READ_ONLY = 1;
const SNAPSHOT_HIDDEN = 1;
const SNAPSHOT_HISTORY = 2;

/** When reading a file notes the time. */
export type AccessTimes = "relatime" | "noatime";
/** What it can be. */
export const ACCESS_TIMES: readonly AccessTimes[] = ["relatime", "noatime"];

/** How data blocks are compressed. */
export type Compression = "none" | "zstd";
/** What it can be; its place here is the codec of the block map. */
export const COMPRESSIONS: readonly Compression[] = ["none", "zstd"];

/** Numbers that are given once. */
export interface Counters {
  readonly nextVolume: number;
  readonly nextBranch: number;
  readonly nextPending: number;
}

/** A volume: a name and properties for what its branch holds. */
export interface VolumeRecord {
  readonly name: string;
  /** The branch whose head is the volume's tree. */
  readonly branch: number;
  /** Milliseconds since 1970. */
  readonly created: number;
  readonly blockBytes: number;
  readonly quotaBytes: number;
  readonly quotaFiles: number;
  readonly readOnly: boolean;
  readonly accessTimes: AccessTimes;
  /** Of what is written from now on. */
  readonly compression: Compression;
  /** How far back its undo history reaches; 0: it has none. */
  readonly historySeconds: number;
  /** Percent of the vault's space that the undo history may take. */
  readonly historyPercent: number;
}

/** A tree of a volume, as a head or a snapshot has it. */
export interface TreeState {
  /** Block id of its root node. */
  readonly root: number;
  readonly birth: number;
  /** Cells of the blocks that it refers to. */
  readonly cells: number;
  readonly inodes: number;
  /** Blocks in its unwritten extents: a head has space set aside for them. */
  readonly setAside: number;
}

/** A line of datasets (snapshots, then maybe a head), each made from the one before. The root is 0 where there is no head. */
export interface BranchRecord extends TreeState {
  /** The volume that it belongs to. */
  readonly volume: number;
  /** The branch and the sequence of the snapshot that it began with; 0 and 0: it began empty. */
  readonly originBranch: number;
  readonly originSequence: number;
}

/** What a branch without a head says of it. */
export const NO_HEAD: TreeState = { root: 0, birth: 0, cells: 0, inodes: 0, setAside: 0 };

/** A root that is kept. */
export interface SnapshotRecord extends TreeState {
  /** Empty for one that has no name: of the undo history, or hidden. */
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly time: number;
  /** Blocks born later have this id or a higher one. */
  readonly nextBlockId: number;
  /** Deleted, but kept because more than one successor shares its blocks. */
  readonly hidden: boolean;
  /** Of the undo history. */
  readonly history: boolean;
  /** Random; what it was sent as bears it too. */
  readonly guid: Uint8Array;
}

/** The tree of a branch's head, or of a snapshot. */
export function treeState({ root, birth, cells, inodes, setAside }: TreeState): TreeState {
  return { root, birth, cells, inodes, setAside };
}

/** Key of the counters. */
export function countersKey(): Uint8Array<ArrayBuffer> {
  return new Uint8Array([CATALOG_KEY.counters]);
}

/** Key of a volume, a branch, or what is being received on a branch. */
export function numberedKey(type: 1 | 2 | 7, id: number): Uint8Array<ArrayBuffer> {
  const key = new Uint8Array(5);
  key[0] = type;
  putU32BE(key, 1, id);
  return key;
}

/** Key of a snapshot. */
export function snapshotKey(branch: number, sequence: number): Uint8Array<ArrayBuffer> {
  const key = new Uint8Array(13);
  key[0] = CATALOG_KEY.snapshot;
  putU32BE(key, 1, branch);
  putU64BE(key, 5, sequence);
  return key;
}

/** The number in such a key. */
export function readNumberedKey(key: Uint8Array): number {
  if (key.length !== 5) throw badCatalog("key");
  return readU32BE(key, 1);
}

/** Branch and sequence of a snapshot's key. */
export function readSnapshotKey(key: Uint8Array): { branch: number; sequence: number } {
  if (key.length !== 13) throw badCatalog("key");
  return { branch: readU32BE(key, 1), sequence: inRange(readU64BE(key, 5)) };
}

/** Encodes the counters. */
export function encodeCounters(counters: Counters): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(COUNTERS_BYTES);
  const view = viewOf(bytes);
  view.setUint32(0, counters.nextVolume, true);
  view.setUint32(4, counters.nextBranch, true);
  setU64(view, 8, counters.nextPending);
  return bytes;
}

/** Decodes the counters. */
export function decodeCounters(bytes: Uint8Array): Counters {
  if (bytes.length !== COUNTERS_BYTES) throw badCatalog("counters");
  const view = viewOf(bytes);
  return {
    nextVolume: view.getUint32(0, true),
    nextBranch: view.getUint32(4, true),
    nextPending: inRange(getU64(view, 8)),
  };
}

/** Encodes a volume. */
export function encodeVolume(volume: VolumeRecord): Uint8Array<ArrayBuffer> {
  const bytes = withName(VOLUME_HEAD_BYTES, volume.name);
  const view = viewOf(bytes);
  view.setUint32(0, volume.branch, true);
  view.setUint16(4, volume.readOnly ? VOLUME_READ_ONLY : 0, true);
  bytes[6] = ACCESS_TIMES.indexOf(volume.accessTimes);
  bytes[7] = COMPRESSIONS.indexOf(volume.compression);
  view.setUint32(8, volume.blockBytes, true);
  setU64(view, 16, volume.created);
  setU64(view, 24, volume.quotaBytes);
  setU64(view, 32, volume.quotaFiles);
  view.setUint32(40, volume.historySeconds, true);
  bytes[44] = volume.historyPercent;
  return bytes;
}

/** Decodes a volume. */
export function decodeVolume(bytes: Uint8Array): VolumeRecord {
  const name = nameAt(bytes, VOLUME_HEAD_BYTES);
  const view = viewOf(bytes);
  const flags = view.getUint16(4, true);
  const accessTimes = ACCESS_TIMES[bytes[6]];
  const compression = COMPRESSIONS[bytes[7]];
  if (flags > VOLUME_READ_ONLY || accessTimes === undefined) throw badCatalog("volume");
  const blockBytes = view.getUint32(8, true);
  const isSize = blockBytes >= CELL_BYTES && blockBytes <= BLOCK_BYTES_MAX;
  if (!isSize || (blockBytes & (blockBytes - 1)) !== 0) throw badCatalog("volume");
  if (compression === undefined || bytes[44] > 100 || name === "") throw badCatalog("volume");
  const volume: VolumeRecord = {
    name,
    branch: view.getUint32(0, true),
    created: inRange(getU64(view, 16)),
    blockBytes,
    quotaBytes: inRange(getU64(view, 24)),
    quotaFiles: inRange(getU64(view, 32)),
    readOnly: flags === VOLUME_READ_ONLY,
    accessTimes,
    compression,
    historySeconds: view.getUint32(40, true),
    historyPercent: bytes[44],
  };
  return exactly(volume, bytes, encodeVolume, () => badCatalog("volume"));
}

/** Encodes a branch. */
export function encodeBranch(branch: BranchRecord): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(BRANCH_BYTES);
  const view = viewOf(bytes);
  view.setUint32(0, branch.volume, true);
  view.setUint32(4, branch.originBranch, true);
  setU64(view, 8, branch.originSequence);
  setU64(view, 16, branch.root);
  setU64(view, 24, branch.birth);
  setU64(view, 32, branch.cells);
  setU64(view, 40, branch.inodes);
  setU64(view, 48, branch.setAside);
  return bytes;
}

/** Decodes a branch. */
export function decodeBranch(bytes: Uint8Array): BranchRecord {
  if (bytes.length !== BRANCH_BYTES) throw badCatalog("branch");
  const view = viewOf(bytes);
  return {
    volume: view.getUint32(0, true),
    originBranch: view.getUint32(4, true),
    originSequence: inRange(getU64(view, 8)),
    root: inRange(getU64(view, 16)),
    birth: inRange(getU64(view, 24)),
    cells: inRange(getU64(view, 32)),
    inodes: inRange(getU64(view, 40)),
    setAside: inRange(getU64(view, 48)),
  };
}

/** Encodes a snapshot. */
export function encodeSnapshot(snapshot: SnapshotRecord): Uint8Array<ArrayBuffer> {
  const bytes = withName(SNAPSHOT_HEAD_BYTES, snapshot.name);
  const view = viewOf(bytes);
  setU64(view, 0, snapshot.time);
  setU64(view, 8, snapshot.root);
  setU64(view, 16, snapshot.birth);
  setU64(view, 24, snapshot.cells);
  setU64(view, 32, snapshot.nextBlockId);
  const flags = (snapshot.hidden ? SNAPSHOT_HIDDEN : 0) |
    (snapshot.history ? SNAPSHOT_HISTORY : 0);
  view.setUint16(40, flags, true);
  setU48(view, 42, snapshot.inodes);
  bytes.set(snapshot.guid, GUID_AT);
  setU64(view, 64, snapshot.setAside);
  return bytes;
}

/** Decodes a snapshot. */
export function decodeSnapshot(bytes: Uint8Array): SnapshotRecord {
  const name = nameAt(bytes, SNAPSHOT_HEAD_BYTES);
  const view = viewOf(bytes);
  const flags = view.getUint16(40, true);
  if (flags > (SNAPSHOT_HIDDEN | SNAPSHOT_HISTORY)) throw badCatalog("snapshot");
  return {
    name,
    time: inRange(getU64(view, 0)),
    root: inRange(getU64(view, 8)),
    birth: inRange(getU64(view, 16)),
    cells: inRange(getU64(view, 24)),
    nextBlockId: inRange(getU64(view, 32)),
    hidden: (flags & SNAPSHOT_HIDDEN) !== 0,
    history: (flags & SNAPSHOT_HISTORY) !== 0,
    inodes: getU48(view, 42),
    guid: bytes.slice(GUID_AT, GUID_AT + GUID_BYTES),
    setAside: inRange(getU64(view, 64)),
  };
}

/** The UTF-8 bytes of a name; null where it is empty, too long, or not plain text. */
export function nameBytes(name: string): Uint8Array<ArrayBuffer> | null {
  const bytes = new TextEncoder().encode(name);
  const isPlain = name.isWellFormed() && !/^\.\.?$|[\p{Cc}/#]/u.test(name);
  return isPlain && bytes.length > 0 && bytes.length <= NAME_BYTES_MAX ? bytes : null;
}

function withName(headBytes: number, name: string): Uint8Array<ArrayBuffer> {
  const encoded = new TextEncoder().encode(name);
  assert(encoded.length <= NAME_BYTES_MAX, "a name has its limit");
  const bytes = new Uint8Array(headBytes + encoded.length);
  bytes.set(encoded, headBytes);
  return bytes;
}

/** The text from a place to the end. */
export function nameAt(bytes: Uint8Array, at: number): string {
  if (bytes.length < at || bytes.length > at + NAME_BYTES_MAX) throw badCatalog("name");
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes.subarray(at));
  } catch {
    throw badCatalog("name");
  }
}

/** Refuses a number that is out of range. */
export function inRange(value: number): number {
  if (Number.isNaN(value)) throw badCatalog("number");
  return value;
}

/** What a record that cannot be read is answered with. */
export function badCatalog(what: string): VaultError {
  return new VaultError("corrupt", `Cannot read catalog record: bad ${what}`);
}
