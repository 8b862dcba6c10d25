import { concat, getU64, setU64, viewOf } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { MEMBER_SEGMENTS_MAX, MEMBERS_MAX } from "../limits.ts";
import { LOG_CHUNK_CELLS, type LogChunk } from "./log_record.ts";
import { CELL_NUMBER_BYTES, readCell, writeCell } from "./place.ts";
import { pointerBytes } from "./pointer.ts";
import { isRedundancy, type Redundancy } from "./redundancy.ts";
import { decodeRuns, encodeRuns } from "./space_record.ts";
import { exactly } from "./exact.ts";

/** What a scan looks for in the first plaintext block of a root record ("ΣVRT"). */
export const ROOT_MARKER = 0x545256a3;
/** Bytes before the runs of a root record. */
export const ROOT_HEAD_BYTES = 136;
/** Bytes of a root record at most: runs for 32,000 rewritten nodes. */
export const ROOT_BYTES_MAX = 1 << 19;
/** Feature bits that this program knows. Any other bit refuses to open. */
export const FEATURES_KNOWN = 0;

/** A medium of the vault, as a root records it. */
export interface RootMember {
  readonly number: number;
  /** It was away, or is new: what lies there is not what the map says, until it has been rewritten. */
  readonly stale: boolean;
  readonly segments: number;
  readonly segmentsMax: number;
}
const MEMBER_BYTES = 24;

/**
 * FORMAT.md §9: the root record: all of a vault at one point in time.
 *
 * | offset | size | meaning |
 * |---|---|---|
 * | 0 | 4 | marker |
 * | 4 | 4 | feature bits |
 * | 8 | 8 | sequence |
 * | 16 | 8 | time, milliseconds since 1970 |
 * | 24 | 8 | next block id |
 * | 32 | 8 | next object id |
 * | 40 | 4 | bytes of a data block |
 * | 44 | 4 | key epoch of new writes |
 * | 48 | 16 | log id |
 * | 64 | 32 | keyed hash of the parent's root record |
 * | 96 | 16 | zero |
 * | 112 | 1 | 1: dense: free cells hold noise and are never given back |
 * | 113 | 1 | k: data shards of a full block |
 * | 114 | 1 | m: parity shards; everything kept whole has c = m + 1 copies |
 * | 115 | 1 | cells of the log's first chunk, 1 to 16 |
 * | 116 | 1 | members n, 1 to 64 |
 * | 117 | 3 | zero |
 * | 120 | 4 | member set's epoch |
 * | 124 | 4 | zero |
 * | 128 | 4 | t: runs taken late |
 * | 132 | 4 | g: runs given up late |
 * | 136 | 24 n | members, in ascending order: number u8, 1 where it lacks something u8, 6 zero, segments u64, segments at most u64 |
 * | | 8 + 48 c | pointer to the block map's root |
 * | | 8 + 48 c | pointer to the space tree's root |
 * | | 8 + 48 c | pointer to the catalog's root |
 * | | 8 c | first cell of each copy of the log's first chunk: member u8, zero, cell u48 |
 * | | 8 (t + g) | the runs, as in space records |
 *
 * Nodes of the map, of space and of the catalog, and this record, are placed while the space tree is being written; the cells
 * they take ("late") are marked in the bitmaps one root later, and so are the cells that they gave up.
 */
export interface RootRecord {
  readonly features: number;
  readonly sequence: number;
  readonly time: number;
  readonly nextBlockId: number;
  readonly nextObjectId: number;
  readonly blockBytes: number;
  readonly redundancy: Redundancy;
  readonly members: readonly RootMember[];
  /** Counts the changes of the set of members. */
  readonly memberEpoch: number;
  /** Free cells hold noise and are never given back. */
  readonly dense: boolean;
  readonly epoch: number;
  /** Encoded pointers. */
  readonly map: Uint8Array;
  readonly space: Uint8Array;
  readonly catalog: Uint8Array;
  readonly logId: Uint8Array;
  /** The log's first chunk. */
  readonly logChunk: LogChunk;
  readonly parentHash: Uint8Array;
  /** Packed runs. */
  readonly takenLate: readonly number[];
  readonly givenUpLate: readonly number[];
}

/** Bytes of a root record with so many runs. */
export function rootRecordBytes(shape: { members: number; copies: number; runs: number }): number {
  const { members, copies, runs } = shape;
  return ROOT_HEAD_BYTES + MEMBER_BYTES * members + 3 * pointerBytes(copies) +
    CELL_NUMBER_BYTES * copies + 8 * runs;
}

/** Encodes a root record. */
export function encodeRootRecord(root: RootRecord): Uint8Array<ArrayBuffer> {
  const head = new Uint8Array(ROOT_HEAD_BYTES);
  const view = viewOf(head);
  view.setUint32(0, ROOT_MARKER, true);
  view.setUint32(4, root.features, true);
  setU64(view, 8, root.sequence);
  setU64(view, 16, Math.floor(root.time));
  setU64(view, 24, root.nextBlockId);
  setU64(view, 32, root.nextObjectId);
  view.setUint32(40, root.blockBytes, true);
  view.setUint32(44, root.epoch, true);
  head.set(root.logId, 48);
  head.set(root.parentHash, 64);
  const { redundancy: { k, m }, logChunk, members } = root;
  head.set([root.dense ? 1 : 0, k, m, logChunk.cells, members.length], 112);
  view.setUint32(120, root.memberEpoch, true);
  view.setUint32(128, root.takenLate.length, true);
  view.setUint32(132, root.givenUpLate.length, true);
  const logCells = new Uint8Array(CELL_NUMBER_BYTES * logChunk.firsts.length);
  logChunk.firsts.forEach((cell, i) => writeCell(logCells, CELL_NUMBER_BYTES * i, cell));
  const runs = [encodeRuns(root.takenLate), encodeRuns(root.givenUpLate)];
  return concat(
    head,
    ...members.map(encodeMember),
    root.map,
    root.space,
    root.catalog,
    logCells,
    ...runs,
  );
}

function encodeMember(member: RootMember): Uint8Array {
  const bytes = new Uint8Array(MEMBER_BYTES);
  bytes[0] = member.number;
  bytes[1] = member.stale ? 1 : 0;
  setU64(viewOf(bytes), 8, member.segments);
  setU64(viewOf(bytes), 16, member.segmentsMax);
  return bytes;
}

/** Decodes a root record; bytes behind it are padding. */
export function decodeRootRecord(bytes: Uint8Array): RootRecord {
  if (bytes.length < ROOT_HEAD_BYTES) throw badRoot("too short");
  const view = viewOf(bytes);
  if (view.getUint32(0, true) !== ROOT_MARKER) throw badRoot("no marker");
  const features = view.getUint32(4, true);
  if ((features & ~FEATURES_KNOWN) !== 0) {
    throw new VaultError(
      "invalid",
      `Cannot open vault: it uses features ${features} that this program does not know; use a newer one`,
    );
  }
  const numbers = [8, 16, 24, 32].map((at) => getU64(view, at));
  if (numbers.some(Number.isNaN)) throw badRoot("number out of range");
  const [sequence, time, nextBlockId, nextObjectId] = numbers;
  const blockBytes = view.getUint32(40, true);
  if (blockBytes < 4096 || blockBytes > 1 << 20 || (blockBytes & (blockBytes - 1)) !== 0) {
    throw badRoot("block size");
  }
  const redundancy = { k: bytes[113], m: bytes[114] };
  if (!isRedundancy(redundancy)) throw badRoot("redundancy");
  const root: RootRecord = {
    features,
    sequence,
    time,
    nextBlockId,
    nextObjectId,
    blockBytes,
    redundancy,
    dense: bytes[112] === 1,
    epoch: view.getUint32(44, true),
    logId: bytes.slice(48, 64),
    parentHash: bytes.slice(64, 96),
    memberEpoch: view.getUint32(120, true),
    ...decodeLists(bytes, redundancy.m + 1),
  };
  const { takenLate, givenUpLate, members } = root;
  const runs = takenLate.length + givenUpLate.length;
  const size = rootRecordBytes({ members: members.length, copies: redundancy.m + 1, runs });
  return exactly(root, bytes.subarray(0, size), encodeRootRecord, () => badRoot("form"));
}

/** What lies behind the head, and is as long as the head says. */
function decodeLists(
  bytes: Uint8Array,
  copies: number,
): Pick<
  RootRecord,
  "members" | "map" | "space" | "catalog" | "logChunk" | "takenLate" | "givenUpLate"
> {
  const view = viewOf(bytes);
  const [cells, count] = bytes.subarray(115);
  const taken = view.getUint32(128, true);
  const givenUp = view.getUint32(132, true);
  if (cells < 1 || cells > LOG_CHUNK_CELLS) throw badRoot("log chunk");
  if (count < 1 || count > MEMBERS_MAX) throw badRoot("members");
  if (rootRecordBytes({ members: count, copies, runs: taken + givenUp }) > bytes.length) {
    throw badRoot("runs");
  }
  const mapAt = ROOT_HEAD_BYTES + MEMBER_BYTES * count;
  const spaceAt = mapAt + pointerBytes(copies);
  const catalogAt = spaceAt + pointerBytes(copies);
  const logAt = catalogAt + pointerBytes(copies);
  const takenAt = logAt + CELL_NUMBER_BYTES * copies;
  const givenUpAt = takenAt + 8 * taken;
  const firsts = Array.from({ length: copies }, (_, i) => readCell(bytes, logAt + 8 * i));
  return {
    members: decodeMembers(bytes.subarray(ROOT_HEAD_BYTES, mapAt)),
    map: bytes.slice(mapAt, spaceAt),
    space: bytes.slice(spaceAt, catalogAt),
    catalog: bytes.slice(catalogAt, logAt),
    logChunk: { cells, firsts },
    takenLate: decodeRuns(bytes.subarray(takenAt, givenUpAt)),
    givenUpLate: decodeRuns(bytes.subarray(givenUpAt, givenUpAt + 8 * givenUp)),
  };
}

function decodeMembers(bytes: Uint8Array): RootMember[] {
  const members: RootMember[] = [];
  const view = viewOf(bytes);
  for (let at = 0; at < bytes.length; at += MEMBER_BYTES) {
    const number = bytes[at];
    const segments = getU64(view, at + 8);
    const segmentsMax = getU64(view, at + 16);
    const isAfter = number > (members.at(-1)?.number ?? -1) && number < MEMBERS_MAX;
    const isSized = segments >= 2 && segments <= segmentsMax && segmentsMax <= MEMBER_SEGMENTS_MAX;
    if (!isAfter || !isSized) throw badRoot("member");
    members.push({ number, stale: bytes[at + 1] === 1, segments, segmentsMax });
  }
  return members;
}

function badRoot(why: string): VaultError {
  return new VaultError("corrupt", `Cannot read root record: ${why}`);
}
