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
const FOOTER_HEAD_BYTES = 32;
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
  setU64(view, 8, footer.settled);
  setU64(view, 16, footer.sizeBytes);
  view.setUint16(24, dropped.length, true);
  view.setUint16(26, held.length, true);
  [...dropped, ...held].forEach(({ cell, count }, i) => {
    setU48(view, FOOTER_HEAD_BYTES + i * RUN_BYTES, cell);
    view.setUint16(FOOTER_HEAD_BYTES + i * RUN_BYTES + 6, count, true);
  });
  return bytes;
}

/** Decodes the footer of an object of `cells` cells, the footer's own included. */
export function decodeFooter(bytes: Uint8Array, cells: number): ObjectFooter {
  const view = viewOf(bytes);
  const bad = bytes.length !== SEALED_CELL_BYTES || view.getUint32(0, true) !== FOOTER_MARKER;
  const kind = FOOTER_KINDS[bytes[4]];
  if (bad || kind === undefined) throw unreadable("footer of an object");
  const settled = getU64(view, 8);
  const sizeBytes = getU64(view, 16);
  const drops = view.getUint16(24, true);
  const holds = view.getUint16(26, true);
  if (Number.isNaN(settled + sizeBytes) || drops + holds > FOOTER_RUNS_MAX) {
    throw unreadable("footer of an object");
  }
  const run = (i: number): CellRun => {
    const at = FOOTER_HEAD_BYTES + i * RUN_BYTES;
    return { cell: getU48(view, at), count: view.getUint16(at + 6, true) };
  };
  const dropped = Array.from({ length: drops }, (_, i) => run(i));
  const held = Array.from({ length: holds }, (_, i) => run(drops + i));
  const total = held.reduce((sum, { count }) => sum + count, 0);
  if (total > cells - 1) throw unreadable("footer of an object");
  return { kind, settled, sizeBytes, dropped, held };
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

/** The whole state of a write-once medium but for the objects that come after it. */
export interface Checkpoint {
  readonly sizeBytes: number;
  readonly objects: readonly CheckpointObject[];
  readonly runs: readonly CheckpointRun[];
  /** Names of fences, which stay although they hold nothing. */
  readonly fences: readonly Uint8Array[];
}

const CHECKPOINT_MARKER = 0x504356a3;
const CHECKPOINT_HEAD_BYTES = 32;
const CHECKPOINT_OBJECT_BYTES = 20;
const CHECKPOINT_RUN_BYTES = 16;

/** Encodes a checkpoint. */
export function encodeCheckpoint(checkpoint: Checkpoint): Uint8Array<ArrayBuffer> {
  const { sizeBytes, objects, runs, fences } = checkpoint;
  const bytes = new Uint8Array(checkpointBytes(fences.length, objects.length, runs.length));
  const view = viewOf(bytes);
  view.setUint32(0, CHECKPOINT_MARKER, true);
  view.setUint32(4, fences.length, true);
  view.setUint32(8, objects.length, true);
  view.setUint32(12, runs.length, true);
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

function checkpointBytes(fences: number, objects: number, runs: number): number {
  return CHECKPOINT_HEAD_BYTES + fences * OBJECT_NAME_BYTES +
    objects * CHECKPOINT_OBJECT_BYTES + runs * CHECKPOINT_RUN_BYTES;
}

/** Decodes a checkpoint. */
export function decodeCheckpoint(bytes: Uint8Array): Checkpoint {
  const bad = () => unreadable("checkpoint of the medium");
  if (bytes.length < CHECKPOINT_HEAD_BYTES) throw bad();
  const view = viewOf(bytes);
  if (view.getUint32(0, true) !== CHECKPOINT_MARKER) throw bad();
  const [fenceCount, objectCount, runCount] = [4, 8, 12].map((at) => view.getUint32(at, true));
  const sizeBytes = getU64(view, 16);
  const whole = checkpointBytes(fenceCount, objectCount, runCount);
  if (Number.isNaN(sizeBytes) || bytes.length !== whole) throw bad();
  let at = CHECKPOINT_HEAD_BYTES;
  const name = () => bytes.slice(at, at + OBJECT_NAME_BYTES);
  const fences: Uint8Array[] = [];
  for (let i = 0; i < fenceCount; i++, at += OBJECT_NAME_BYTES) fences.push(name());
  const objects: CheckpointObject[] = [];
  for (let i = 0; i < objectCount; i++, at += CHECKPOINT_OBJECT_BYTES) {
    objects.push({ name: name(), cells: view.getUint16(at + 16, true) });
  }
  const runs: CheckpointRun[] = [];
  for (let i = 0; i < runCount; i++, at += CHECKPOINT_RUN_BYTES) {
    const run = {
      cell: getU48(view, at),
      count: view.getUint16(at + 6, true),
      object: view.getUint32(at + 8, true),
      offset: view.getUint16(at + 12, true),
    };
    const object = objects[run.object];
    if (object === undefined || run.offset + run.count > object.cells) throw bad();
    runs.push(run);
  }
  return { sizeBytes, objects, runs, fences };
}

/** What a claim says: whose objects count from now on. */
export interface WriterClaim {
  /** 16 random bytes that the names of the era's objects are derived from. */
  readonly eraId: Uint8Array;
  /** Bytes of the checkpoint, which is in the era's first objects. */
  readonly checkpointBytes: number;
}

const CLAIM_MARKER = 0x4c4356a3;

/** Encodes a claim. */
export function encodeClaim(claim: WriterClaim): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(SEALED_CELL_BYTES);
  const view = viewOf(bytes);
  view.setUint32(0, CLAIM_MARKER, true);
  setU64(view, 8, claim.checkpointBytes);
  bytes.set(claim.eraId, 16);
  return bytes;
}

/** Decodes a claim. */
export function decodeClaim(bytes: Uint8Array): WriterClaim {
  const view = viewOf(bytes);
  const bad = bytes.length !== SEALED_CELL_BYTES || view.getUint32(0, true) !== CLAIM_MARKER;
  const checkpointBytes = bad ? NaN : getU64(view, 8);
  if (Number.isNaN(checkpointBytes)) throw unreadable("writer's claim");
  return { eraId: bytes.slice(16, 16 + ERA_ID_BYTES), checkpointBytes };
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
