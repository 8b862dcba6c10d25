import { concat, getU48, getU64, setU48, setU64, viewOf } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { LOG_CHUNK_CELLS } from "./log_record.ts";
import { decodeRuns, encodeRuns, packRun, runCell, runCount } from "./space_record.ts";
import { POINTER_BYTES } from "./pointer.ts";

/** What a scan looks for in the first plaintext block of a root record ("ΣVRT"). */
export const ROOT_MARKER = 0x545256a3;
/** Bytes before the runs of a root record. */
export const ROOT_HEAD_BYTES = 312;
/** Bytes of a root record at most: runs for 32,000 rewritten nodes. */
export const ROOT_BYTES_MAX = 1 << 19;
/** Feature bits that this program knows. Any other bit refuses to open. */
export const FEATURES_KNOWN = 0;

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
 * | 40 | 8 | segments |
 * | 48 | 4 | bytes of a data block |
 * | 52 | 4 | key epoch of new writes |
 * | 56 | 56 | pointer to the block map's root |
 * | 112 | 56 | pointer to the space tree's root |
 * | 168 | 56 | pointer to the catalog's root |
 * | 224 | 16 | log id |
 * | 240 | 6 | first cell of the log's first chunk |
 * | 246 | 1 | cells of that chunk, 1 to 16 |
 * | 247 | 1 | zero |
 * | 248 | 32 | keyed hash of the parent's root record |
 * | 280 | 8 | segments at most |
 * | 288 | 1 | 1: dense: free cells hold noise and are never given back |
 * | 289 | 15 | zero |
 * | 304 | 4 | runs taken late |
 * | 308 | 4 | runs given up late |
 * | 312 | 8 each | the runs, as in space records |
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
  readonly segments: number;
  readonly segmentsMax: number;
  readonly blockBytes: number;
  /** Free cells hold noise and are never given back. */
  readonly dense: boolean;
  readonly epoch: number;
  /** Encoded pointers. */
  readonly map: Uint8Array;
  readonly space: Uint8Array;
  readonly catalog: Uint8Array;
  readonly logId: Uint8Array;
  /** Packed run of the log's first chunk. */
  readonly logChunk: number;
  readonly parentHash: Uint8Array;
  /** Packed runs. */
  readonly takenLate: readonly number[];
  readonly givenUpLate: readonly number[];
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
  setU64(view, 40, root.segments);
  view.setUint32(48, root.blockBytes, true);
  view.setUint32(52, root.epoch, true);
  head.set(root.map, 56);
  head.set(root.space, 112);
  head.set(root.catalog, 168);
  head.set(root.logId, 224);
  setU48(view, 240, runCell(root.logChunk));
  head[246] = runCount(root.logChunk);
  head.set(root.parentHash, 248);
  setU64(view, 280, root.segmentsMax);
  head[288] = root.dense ? 1 : 0;
  view.setUint32(304, root.takenLate.length, true);
  view.setUint32(308, root.givenUpLate.length, true);
  return concat(head, encodeRuns(root.takenLate), encodeRuns(root.givenUpLate));
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
  const taken = view.getUint32(304, true);
  const givenUp = view.getUint32(308, true);
  const end = ROOT_HEAD_BYTES + 8 * (taken + givenUp);
  if (end > bytes.length) throw badRoot("runs");
  const numbers = [8, 16, 24, 32, 40, 280].map((at) => getU64(view, at));
  if (numbers.some(Number.isNaN)) throw badRoot("number out of range");
  const [sequence, time, nextBlockId, nextObjectId, segments, segmentsMax] = numbers;
  const blockBytes = view.getUint32(48, true);
  if (blockBytes < 4096 || blockBytes > 1 << 20 || (blockBytes & (blockBytes - 1)) !== 0) {
    throw badRoot("block size");
  }
  if (bytes[246] < 1 || bytes[246] > LOG_CHUNK_CELLS) throw badRoot("log chunk");
  const runsAt = ROOT_HEAD_BYTES + 8 * taken;
  return {
    features,
    sequence,
    time,
    nextBlockId,
    nextObjectId,
    segments,
    segmentsMax,
    blockBytes,
    dense: bytes[288] === 1,
    epoch: view.getUint32(52, true),
    map: bytes.slice(56, 56 + POINTER_BYTES),
    space: bytes.slice(112, 112 + POINTER_BYTES),
    catalog: bytes.slice(168, 168 + POINTER_BYTES),
    logId: bytes.slice(224, 240),
    logChunk: packRun(getU48(view, 240), bytes[246]),
    parentHash: bytes.slice(248, 280),
    takenLate: decodeRuns(bytes.subarray(ROOT_HEAD_BYTES, runsAt)),
    givenUpLate: decodeRuns(bytes.subarray(runsAt, end)),
  };
}

function badRoot(why: string): VaultError {
  return new VaultError("corrupt", `Cannot read root record: ${why}`);
}
