import { getU64, putU32BE, putU64BE, readU32BE, readU64BE, setU64, viewOf } from "../bytes.ts";
import { badCatalog, CATALOG_KEY, inRange } from "./catalog_record.ts";
import { KEY_BYTES_MAX } from "./node.ts";
import { exactly } from "./exact.ts";

/** FORMAT.md §12: records of the catalog about blocks that wait: dead runs, and what is being freed. */
const DEAD_RUN_BYTES = 8;
/** Bytes of a pending tree before its cursor. */
const PENDING_TREE_HEAD_BYTES = 40;
const PENDING_RUNS_BYTES = 40;

/** Where a dead run stands in the catalog. */
export interface DeadRunKey {
  readonly branch: number;
  /** Sequence of the root from which on the branch does not have the blocks. */
  readonly death: number;
  readonly birth: number;
  readonly firstId: number;
}

/** Blocks with consecutive ids and one birth that a branch's head gave up while a snapshot has them. */
export interface DeadRun extends DeadRunKey {
  readonly count: number;
  readonly cells: number;
}

/** What is left to be freed of a tree that nothing else leads to. */
export interface PendingTree {
  readonly kind: "tree";
  readonly root: number;
  /** Only nodes born after this root are freed, and only blocks with this id or a higher one. */
  readonly bornAfter: number;
  readonly firstId: number;
  /** Records before this key are done, and so many blocks of the record at it. */
  readonly cursor: Uint8Array;
  readonly skip: number;
}

/** Dead runs to go, with their blocks (`free`) or without them (`discard`). */
export interface PendingRuns {
  readonly kind: "free" | "discard";
  readonly branch: number;
  /** Deaths above `from` up to and with `to`. */
  readonly from: number;
  readonly to: number;
  /** Births above `bornAfter` up to and with `bornUntil`. */
  readonly bornAfter: number;
  readonly bornUntil: number;
}

/** Work that goes on in the background. */
export type Pending = PendingTree | PendingRuns;

/** Key of a dead run. */
export function deadRunKey(run: DeadRunKey): Uint8Array<ArrayBuffer> {
  const key = new Uint8Array(29);
  key[0] = CATALOG_KEY.deadRun;
  putU32BE(key, 1, run.branch);
  putU64BE(key, 5, run.death);
  putU64BE(key, 13, run.birth);
  putU64BE(key, 21, run.firstId);
  return key;
}

/** Key of pending work. */
export function pendingKey(number: number): Uint8Array<ArrayBuffer> {
  const key = new Uint8Array(9);
  key[0] = CATALOG_KEY.pending;
  putU64BE(key, 1, number);
  return key;
}

/** The number of pending work. */
export function readPendingKey(key: Uint8Array): number {
  if (key.length !== 9) throw badCatalog("key");
  return inRange(readU64BE(key, 1));
}

/** Encodes the value of a dead run. */
export function encodeDeadRun(run: DeadRun): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(DEAD_RUN_BYTES);
  const view = viewOf(bytes);
  view.setUint32(0, run.count, true);
  view.setUint32(4, run.cells, true);
  return bytes;
}

/** Decodes a dead run. */
export function decodeDeadRun(key: Uint8Array, bytes: Uint8Array): DeadRun {
  if (key.length !== 29 || bytes.length !== DEAD_RUN_BYTES) throw badCatalog("dead run");
  const view = viewOf(bytes);
  const run = {
    branch: readU32BE(key, 1),
    death: inRange(readU64BE(key, 5)),
    birth: inRange(readU64BE(key, 13)),
    firstId: inRange(readU64BE(key, 21)),
    count: view.getUint32(0, true),
    cells: view.getUint32(4, true),
  };
  if (run.count === 0 || !Number.isSafeInteger(run.firstId + run.count)) {
    throw badCatalog("dead run");
  }
  return run;
}

const PENDING_KINDS = ["tree", "free", "discard"] as const;

/** Encodes pending work. */
export function encodePending(pending: Pending): Uint8Array<ArrayBuffer> {
  const isTree = pending.kind === "tree";
  const cursor = isTree ? pending.cursor : new Uint8Array(0);
  const bytes = new Uint8Array(
    isTree ? PENDING_TREE_HEAD_BYTES + cursor.length : PENDING_RUNS_BYTES,
  );
  const view = viewOf(bytes);
  bytes[0] = 1 + PENDING_KINDS.indexOf(pending.kind);
  if (pending.kind === "tree") {
    setU64(view, 8, pending.root);
    setU64(view, 16, pending.bornAfter);
    setU64(view, 24, pending.firstId);
    view.setUint32(32, pending.skip, true);
    bytes.set(cursor, PENDING_TREE_HEAD_BYTES);
    return bytes;
  }
  view.setUint32(4, pending.branch, true);
  setU64(view, 8, pending.from);
  setU64(view, 16, pending.to);
  setU64(view, 24, pending.bornAfter);
  setU64(view, 32, pending.bornUntil);
  return bytes;
}

/** Decodes pending work. */
export function decodePending(bytes: Uint8Array): Pending {
  const kind = PENDING_KINDS[bytes[0] - 1];
  if (kind === undefined || bytes.length < PENDING_RUNS_BYTES) throw badCatalog("pending work");
  const view = viewOf(bytes);
  const [a, b, c] = [8, 16, 24].map((at) => inRange(getU64(view, at)));
  if (kind === "tree") {
    const cursor = bytes.slice(PENDING_TREE_HEAD_BYTES);
    if (cursor.length > KEY_BYTES_MAX) throw badCatalog("pending work");
    const skip = view.getUint32(32, true);
    return exactPending({ kind, root: a, bornAfter: b, firstId: c, cursor, skip }, bytes);
  }
  const branch = view.getUint32(4, true);
  const bornUntil = inRange(getU64(view, 32));
  return exactPending({ kind, branch, from: a, to: b, bornAfter: c, bornUntil }, bytes);
}

function exactPending(pending: Pending, bytes: Uint8Array): Pending {
  return exactly(pending, bytes, encodePending, () => badCatalog("pending work"));
}
