/**
 * FORMAT.md §16: what a write-once medium keeps beside the cells themselves: footers of objects, checkpoints of the
 * index, writers' claims. Pure: no I/O, no keys.
 *
 * @module
 */
import { assert } from "../assert.ts";
import { getU48, getU64, setU48, setU64, viewOf } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { CELL_BYTES, NONCE_BYTES, SEGMENT_CELLS, TAG_BYTES } from "../limits.ts";
import { exactly } from "./exact.ts";

/** Bytes of plaintext that one sealed cell holds. */
export const SEALED_CELL_BYTES = CELL_BYTES - NONCE_BYTES - TAG_BYTES;
/** Cells of the smallest object: 64 KiB. Sizes double up to {@linkcode OBJECT_CELLS_MAX}. */
export const OBJECT_CELLS_MIN = 16;
/** Cells of the largest object: 4 MiB. */
export const OBJECT_CELLS_MAX = SEGMENT_CELLS;
/** Bytes of an object's name before it is written in hexadecimal. */
export const OBJECT_NAME_BYTES = 16;
/** Bytes of the random id that an era's names are derived from. */
export const ERA_ID_BYTES = 16;

/** What a sealed cell is, in its AAD: none can stand for another. */
export const WRITE_ONCE_KIND = { footer: 1, checkpoint: 2, claim: 3 } as const;

/** AAD of a sealed cell, 32 bytes: kind u8, 3 zero bytes, index u32le, 8 zero bytes, 16 bytes of name. */
export function writeOnceAad(kind: 1 | 2 | 3, index: number, name: Uint8Array): Uint8Array {
  assert(name.length === OBJECT_NAME_BYTES, "a name has 16 bytes");
  const aad = new Uint8Array(32);
  aad[0] = kind;
  viewOf(aad).setUint32(4, index, true);
  aad.set(name, 16);
  return aad;
}

/** Adjacent cells of the medium. */
export interface CellRun {
  readonly cell: number;
  readonly count: number;
}

/** What an object is to its era. */
export type FooterKind = "part" | "end" | "fence";
const FOOTER_KINDS: readonly FooterKind[] = ["part", "end", "fence"];

/** The last cell of an object: which cells of the medium the cells before it are. */
export interface ObjectFooter {
  /** `end`: the last object of a sync, after which the state counts. `fence`: nothing of this era counts from here on. */
  readonly kind: FooterKind;
  /** Number of the claim that the era began with. By it and `number` objects can be put in order without claim and checkpoint. */
  readonly claim: number;
  /** Number of the object in its era. */
  readonly number: number;
  /** Objects of this era that were durable when this one was made. */
  readonly settled: number;
  /** Length of the medium. */
  readonly sizeBytes: number;
  /** Cells that are of no use any more; they come before what the object holds. */
  readonly dropped: readonly CellRun[];
  /** What the object holds, one behind another from its start. */
  readonly held: readonly CellRun[];
}

const FOOTER_MARKER = 0x464f56a3;
const FOOTER_HEAD_BYTES = 48;
const RUN_BYTES = 8;
/** Runs that a footer holds, of both sorts together. */
export const FOOTER_RUNS_MAX = Math.floor((SEALED_CELL_BYTES - FOOTER_HEAD_BYTES) / RUN_BYTES);
/** Cells of one run, a u16. */
export const RUN_CELLS_MAX = 65535;

/** Encodes a footer. */
export function encodeFooter(footer: ObjectFooter): Uint8Array<ArrayBuffer> {
  const { dropped, held } = footer;
  assert(dropped.length + held.length <= FOOTER_RUNS_MAX, "the runs fit a footer");
  const bytes = new Uint8Array(SEALED_CELL_BYTES);
  const view = viewOf(bytes);
  view.setUint32(0, FOOTER_MARKER, true);
  bytes[4] = FOOTER_KINDS.indexOf(footer.kind);
  const numbers = [footer.claim, footer.number, footer.settled, footer.sizeBytes];
  numbers.forEach((number, i) => setU64(view, 8 + 8 * i, number));
  view.setUint16(40, dropped.length, true);
  view.setUint16(42, held.length, true);
  [...dropped, ...held].forEach(({ cell, count }, i) => {
    setU48(view, FOOTER_HEAD_BYTES + i * RUN_BYTES, cell);
    view.setUint16(FOOTER_HEAD_BYTES + i * RUN_BYTES + 6, count, true);
  });
  return bytes;
}

/** Decodes the footer of an object of `cells` cells, the footer's own included. */
export function decodeFooter(bytes: Uint8Array, cells: number): ObjectFooter {
  const bad = () => unreadable("footer of an object");
  if (bytes.length !== SEALED_CELL_BYTES) throw bad();
  const view = viewOf(bytes);
  const kind = FOOTER_KINDS[bytes[4]];
  if (view.getUint32(0, true) !== FOOTER_MARKER || kind === undefined) throw bad();
  const [claim, number, settled, sizeBytes] = [8, 16, 24, 32].map((at) => getU64(view, at));
  const drops = view.getUint16(40, true);
  const holds = view.getUint16(42, true);
  const isNumeric = !Number.isNaN(claim + number + settled + sizeBytes);
  if (!isNumeric || drops + holds > FOOTER_RUNS_MAX) throw bad();
  const run = (i: number): CellRun => {
    const at = FOOTER_HEAD_BYTES + i * RUN_BYTES;
    return { cell: getU48(view, at), count: view.getUint16(at + 6, true) };
  };
  const dropped = Array.from({ length: drops }, (_, i) => run(i));
  const held = Array.from({ length: holds }, (_, i) => run(drops + i));
  if (held.reduce((sum, { count }) => sum + count, 0) > cells - 1) throw bad();
  const footer: ObjectFooter = { kind, claim, number, settled, sizeBytes, dropped, held };
  return exactly(footer, bytes, encodeFooter, bad);
}

/** An object that is of use. */
export interface CheckpointObject {
  /** 16 bytes. */
  readonly name: Uint8Array;
  readonly cells: number;
}

/** Cells that lie one behind another in an object. */
export interface CheckpointRun extends CellRun {
  /** Which of the checkpoint's objects. */
  readonly object: number;
  /** The first of them inside the object. */
  readonly offset: number;
}

/** One cell of a checkpoint; together they are the whole state of a medium but for the objects that come after it. */
export interface CheckpointPart {
  /** Length of the medium, the same in all. */
  readonly sizeBytes: number;
  /** Names of fences, which stay although they hold nothing. */
  readonly fences: readonly Uint8Array[];
  readonly objects: readonly CheckpointObject[];
  /** Of objects that are in this part or one before it, counted from 0 over all parts. */
  readonly runs: readonly CheckpointRun[];
}

const CHECKPOINT_MARKER = 0x504356a3;
const CHECKPOINT_HEAD_BYTES = 24;
const CHECKPOINT_OBJECT_BYTES = 20;
const CHECKPOINT_RUN_BYTES = 16;
/** Entries of any sort that one part always has room for. */
export const CHECKPOINT_ENTRIES_MAX = Math.floor(
  (SEALED_CELL_BYTES - CHECKPOINT_HEAD_BYTES) / CHECKPOINT_OBJECT_BYTES,
);

/** Encodes a part of a checkpoint: at most {@linkcode CHECKPOINT_ENTRIES_MAX} entries. */
export function encodeCheckpointPart(part: CheckpointPart): Uint8Array<ArrayBuffer> {
  const { sizeBytes, fences, objects, runs } = part;
  const entries = fences.length + objects.length + runs.length;
  assert(entries <= CHECKPOINT_ENTRIES_MAX, "the entries fit a cell");
  const bytes = new Uint8Array(SEALED_CELL_BYTES);
  const view = viewOf(bytes);
  view.setUint32(0, CHECKPOINT_MARKER, true);
  [fences, objects, runs].forEach(({ length }, i) => view.setUint16(4 + 2 * i, length, true));
  setU64(view, 16, sizeBytes);
  let at = CHECKPOINT_HEAD_BYTES;
  for (const name of fences) {
    bytes.set(name, at);
    at += OBJECT_NAME_BYTES;
  }
  for (const { name, cells } of objects) {
    bytes.set(name, at);
    view.setUint16(at + 16, cells, true);
    at += CHECKPOINT_OBJECT_BYTES;
  }
  for (const { cell, count, object, offset } of runs) {
    setU48(view, at, cell);
    view.setUint16(at + 6, count, true);
    view.setUint32(at + 8, object, true);
    view.setUint16(at + 12, offset, true);
    at += CHECKPOINT_RUN_BYTES;
  }
  return bytes;
}

/** Decodes a part of a checkpoint. */
export function decodeCheckpointPart(bytes: Uint8Array): CheckpointPart {
  const bad = () => unreadable("checkpoint of the medium");
  if (bytes.length !== SEALED_CELL_BYTES) throw bad();
  const view = viewOf(bytes);
  if (view.getUint32(0, true) !== CHECKPOINT_MARKER) throw bad();
  const [fenceCount, objectCount, runCount] = [4, 6, 8].map((at) => view.getUint16(at, true));
  const sizeBytes = getU64(view, 16);
  const isTooMuch = fenceCount + objectCount + runCount > CHECKPOINT_ENTRIES_MAX;
  if (Number.isNaN(sizeBytes) || isTooMuch) throw bad();
  let at = CHECKPOINT_HEAD_BYTES;
  const take = (size: number) => (at += size) - size;
  const name = (from: number) => bytes.slice(from, from + OBJECT_NAME_BYTES);
  const fences = Array.from({ length: fenceCount }, () => name(take(OBJECT_NAME_BYTES)));
  const objects = Array.from({ length: objectCount }, () => {
    const from = take(CHECKPOINT_OBJECT_BYTES);
    return { name: name(from), cells: view.getUint16(from + 16, true) };
  });
  const runs = Array.from({ length: runCount }, () => {
    const from = take(CHECKPOINT_RUN_BYTES);
    const count = view.getUint16(from + 6, true);
    const offset = view.getUint16(from + 12, true);
    return { cell: getU48(view, from), count, object: view.getUint32(from + 8, true), offset };
  });
  if (objects.some(({ cells }) => cells === 0 || cells > OBJECT_CELLS_MAX)) throw bad();
  return exactly({ sizeBytes, fences, objects, runs }, bytes, encodeCheckpointPart, bad);
}

/** What a claim says: whose objects count from now on. */
export interface WriterClaim {
  /** 16 random bytes that the names of the era's objects are derived from. */
  readonly eraId: Uint8Array;
  /** Parts of the checkpoint, which is in the era's first objects. */
  readonly checkpointCells: number;
}

const CLAIM_MARKER = 0x4c4356a3;

/** Encodes a claim. */
export function encodeClaim(claim: WriterClaim): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(SEALED_CELL_BYTES);
  const view = viewOf(bytes);
  view.setUint32(0, CLAIM_MARKER, true);
  view.setUint32(8, claim.checkpointCells, true);
  bytes.set(claim.eraId, 16);
  return bytes;
}

/** Decodes a claim. */
export function decodeClaim(bytes: Uint8Array): WriterClaim {
  const view = viewOf(bytes);
  const bad = bytes.length !== SEALED_CELL_BYTES || view.getUint32(0, true) !== CLAIM_MARKER;
  if (bad) throw unreadable("writer's claim");
  const checkpointCells = view.getUint32(8, true);
  const claim = { eraId: bytes.slice(16, 16 + ERA_ID_BYTES), checkpointCells };
  return exactly(claim, bytes, encodeClaim, () => unreadable("writer's claim"));
}

/** Cells of the smallest object that takes `cells` cells. */
export function ladderCells(cells: number): number {
  assert(cells <= OBJECT_CELLS_MAX, "an object has its limit");
  let size = OBJECT_CELLS_MIN;
  while (size < cells) size *= 2;
  return size;
}

function unreadable(what: string): VaultError {
  return new VaultError("corrupt", `Cannot read ${what}: it is malformed`);
}
