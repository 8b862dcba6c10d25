import { VaultError } from "../errors.ts";
import { CELL_BYTES, NONCE_BYTES, TAG_BYTES } from "../limits.ts";
import { getU64, setU64, viewOf } from "../bytes.ts";

/**
 * FORMAT.md §6: a tree node. Stored as nonce (24) | ciphertext | tag (16) in 1 to 4 whole cells.
 * Plaintext: header of 32 bytes, offset table (u16 per record, in key order), free space, records. An
 * offset is counted from the start of the plaintext. A record is key length u8, value length u16, key,
 * value.
 */
export const NODE_CELLS_MAX = 4;
/** Bytes that nonce and tag take of a stored node. */
export const NODE_SEAL_BYTES = NONCE_BYTES + TAG_BYTES;
/** Plaintext bytes of the largest node. */
export const NODE_BYTES_MAX = NODE_CELLS_MAX * CELL_BYTES - NODE_SEAL_BYTES;
export const NODE_HEADER_BYTES = 32;
/** Bytes of a record before its key. */
export const RECORD_HEADER_BYTES = 3;
export const KEY_BYTES_MAX = 64;
export const VALUE_BYTES_MAX = 4096;
/** Higher than any tree that fits into 2^53 records. */
export const NODE_LEVEL_MAX = 22;

/** What a scan looks for in the first plaintext block of a node ("ΣVND"). */
export const NODE_MARKER = 0x444e56a3;

/** Which tree a node belongs to. */
export const TREE = { volume: 1, map: 2, space: 3, keyTable: 4, catalog: 5 } as const;
export type TreeKind = typeof TREE[keyof typeof TREE];

/** Header of a node's plaintext. */
export interface NodeHeader {
  readonly tree: TreeKind;
  /** 0 is a leaf. */
  readonly level: number;
  /** Cells of the stored node. */
  readonly cells: number;
  /** Block id; 0 for nodes that are named by place. */
  readonly id: number;
  /** Sequence of the root that this node was written for. */
  readonly birth: number;
  /** Records. */
  readonly count: number;
}

/** Writes marker and header fields at the start of a node's plaintext; the count stays as it is. */
export function writeNodeHeader(bytes: Uint8Array, header: Omit<NodeHeader, "count">): void {
  const view = viewOf(bytes);
  view.setUint32(0, NODE_MARKER, true);
  bytes[4] = header.tree;
  bytes[5] = header.level;
  bytes[6] = header.cells;
  bytes[7] = 0;
  setU64(view, 8, header.id);
  setU64(view, 16, header.birth);
  view.setUint32(28, 0, true);
}

/** Reads the header; `corrupt` unless it is one. */
export function readNodeHeader(bytes: Uint8Array): NodeHeader {
  if (bytes.length < NODE_HEADER_BYTES) throw badNode("too short");
  const view = viewOf(bytes);
  if (view.getUint32(0, true) !== NODE_MARKER) throw badNode("no marker");
  const tree = bytes[4];
  const cells = bytes[6];
  const isKnown = tree >= 1 && tree <= TREE.catalog && cells >= 1 && cells <= NODE_CELLS_MAX;
  const isPadded = bytes[7] === 0 && view.getUint16(26, true) === 0 &&
    view.getUint32(28, true) === 0;
  if (!isKnown || !isPadded) throw badNode("bad header");
  const header: NodeHeader = {
    tree: tree as TreeKind,
    level: bytes[5],
    cells,
    id: getU64(view, 8),
    birth: getU64(view, 16),
    count: view.getUint16(24, true),
  };
  if (Number.isNaN(header.id) || Number.isNaN(header.birth)) throw badNode("number out of range");
  return header;
}

/**
 * Checks every offset and length of a node's plaintext and the order of its keys, so that
 * searching it in place can trust them.
 */
export function checkNode(bytes: Uint8Array): void {
  const { count } = readNodeHeader(bytes);
  const view = viewOf(bytes);
  const tableEnd = NODE_HEADER_BYTES + 2 * count;
  if (tableEnd > bytes.length) throw badNode("too many records");
  let previous = 0;
  for (let i = 0; i < count; i++) {
    const at = view.getUint16(NODE_HEADER_BYTES + 2 * i, true);
    if (at < tableEnd || at + RECORD_HEADER_BYTES > bytes.length) throw badNode("bad offset");
    const keyLength = bytes[at];
    const end = at + RECORD_HEADER_BYTES + keyLength + view.getUint16(at + 1, true);
    if (keyLength > KEY_BYTES_MAX || end > bytes.length) throw badNode("bad record");
    if (i > 0 && !ascends(bytes, previous, at)) throw badNode("keys out of order");
    previous = at;
  }
}

/** Checks that a node above the leaves, whose offsets are good, leads to children by pointers of `pointerBytes` each. */
export function checkInnerNode(bytes: Uint8Array, pointerBytes: number): void {
  const { level, count } = readNodeHeader(bytes);
  if (level === 0) return;
  if (level > NODE_LEVEL_MAX || count === 0) throw badNode("bad level");
  const view = viewOf(bytes);
  for (let i = 0; i < count; i++) {
    const at = view.getUint16(NODE_HEADER_BYTES + 2 * i, true);
    if (view.getUint16(at + 1, true) !== pointerBytes) throw badNode("bad pointer");
  }
}

/** True when the key of the record at `a` is below that of the record at `b`. */
function ascends(bytes: Uint8Array, a: number, b: number): boolean {
  const n = Math.min(bytes[a], bytes[b]);
  for (let i = RECORD_HEADER_BYTES; i < RECORD_HEADER_BYTES + n; i++) {
    const d = bytes[a + i] - bytes[b + i];
    if (d !== 0) return d < 0;
  }
  return bytes[a] < bytes[b];
}

function badNode(why: string): VaultError {
  return new VaultError("corrupt", `Cannot read tree node: ${why}`);
}
