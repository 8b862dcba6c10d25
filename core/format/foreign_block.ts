import { getU64, setU64, viewOf } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { NONCE_BYTES, TAG_BYTES } from "../limits.ts";
import { type Compression, COMPRESSIONS, GUID_BYTES, nameAt, nameBytes } from "./catalog_record.ts";
import { BLOCK_BYTES_MAX, CODEC, savesCells } from "./map_entry.ts";
import { KIND } from "./seal_aad.ts";
import { KEY_TYPE, nodeKey } from "./volume_key.ts";
import { exactly } from "./exact.ts";

/** Bytes of the record of a foreign block. */
export const FOREIGN_BYTES = 64;
/** The largest node, which is a block of a foreign volume too: its blocks are so long at least. */
export const FOREIGN_BLOCK_BYTES_MIN = 16_384;
/** Inode that says what the volume holds; the blocks lie in those from the next on. */
export const ABOUT_INO = 16;
export const BLOCKS_INO = 17;
/** Blocks of one of these files, by the lower bits of their ids. */
export const BLOCKS_PER_FILE: number = 2 ** 20;
/** Ids beyond this are not sent so: inode numbers in streams are below 2^47. */
export const FOREIGN_ID_MAX: number = 2 ** 46;
const TAG_AT = NONCE_BYTES;
const LENGTH_AT = TAG_AT + TAG_BYTES;
const ABOUT_LAYOUT = 1;
const ABOUT_BYTES = 56;

/** How a foreign block is sealed, and what it is. Its ciphertext is a block of a file. */
export interface ForeignBlock {
  readonly nonce: Uint8Array;
  readonly tag: Uint8Array;
  readonly kind: typeof KIND.data | typeof KIND.volumeNode;
  readonly level: number;
  readonly codec: number;
  /** Bytes of the content. */
  readonly length: number;
  /** Bytes that are sealed: fewer where it is compressed. */
  readonly stored: number;
}

/** FORMAT.md §19: the key of a foreign block's record. */
export function foreignKey(id: number): Uint8Array {
  return nodeKey(KEY_TYPE.foreign, id);
}

/** Where the ciphertext of a block is. */
export function foreignPlace(id: number): { readonly ino: number; readonly block: number } {
  return {
    ino: BLOCKS_INO + Math.floor(id / BLOCKS_PER_FILE),
    block: id % BLOCKS_PER_FILE,
  };
}

/** Encodes a record. */
export function encodeForeign(block: ForeignBlock): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(FOREIGN_BYTES);
  bytes.set(block.nonce);
  bytes.set(block.tag, TAG_AT);
  viewOf(bytes).setUint32(LENGTH_AT, block.length, true);
  viewOf(bytes).setUint32(LENGTH_AT + 4, block.stored, true);
  bytes.set([block.kind, block.level, block.codec], LENGTH_AT + 8);
  return bytes;
}

/** Decodes a record. */
export function decodeForeign(bytes: Uint8Array): ForeignBlock {
  if (bytes.length !== FOREIGN_BYTES) throw badForeign("wrong length");
  const view = viewOf(bytes);
  const [length, stored] = [view.getUint32(LENGTH_AT, true), view.getUint32(LENGTH_AT + 4, true)];
  const [kind, level, codec] = bytes.subarray(LENGTH_AT + 8);
  if (kind !== KIND.data && kind !== KIND.volumeNode) throw badForeign("bad kind");
  const fits = codec === CODEC.raw
    ? stored === length
    : codec === CODEC.zstd && savesCells(stored, length);
  if (!fits || length === 0 || length > BLOCK_BYTES_MAX) throw badForeign("bad length");
  const [nonce, tag] = [bytes.slice(0, TAG_AT), bytes.slice(TAG_AT, LENGTH_AT)];
  const block: ForeignBlock = { nonce, tag, kind, level, codec, length, stored };
  return exactly(block, bytes, encodeForeign, () => badForeign("bad form"));
}

/** What the blocks of a foreign volume are, for whoever has their key. */
export interface ForeignAbout {
  readonly guid: Uint8Array;
  /** Block id of the snapshot's root node. */
  readonly root: number;
  /** Of a full data block. */
  readonly blockBytes: number;
  readonly compression: Compression;
  /** Of the snapshot, milliseconds since 1970. */
  readonly time: number;
  readonly referencedBytes: number;
  readonly name: string;
}

/** Encodes it. */
export function encodeAbout(about: ForeignAbout): Uint8Array<ArrayBuffer> {
  const name = new TextEncoder().encode(about.name);
  const bytes = new Uint8Array(ABOUT_BYTES + name.length);
  const view = viewOf(bytes);
  view.setUint32(0, ABOUT_LAYOUT, true);
  view.setUint32(4, about.blockBytes, true);
  setU64(view, 8, about.root);
  setU64(view, 16, about.time);
  setU64(view, 24, about.referencedBytes);
  bytes[32] = COMPRESSIONS.indexOf(about.compression);
  bytes.set(about.guid, 40);
  bytes.set(name, ABOUT_BYTES);
  return bytes;
}

/** Decodes it. */
export function decodeAbout(bytes: Uint8Array): ForeignAbout {
  if (bytes.length <= ABOUT_BYTES) throw badForeign("wrong length");
  const view = viewOf(bytes);
  const [root, time, referencedBytes] = [8, 16, 24].map((at) => getU64(view, at));
  const blockBytes = view.getUint32(4, true);
  const name = nameAt(bytes, ABOUT_BYTES);
  const compression = COMPRESSIONS[bytes[32]];
  const isKnown = view.getUint32(0, true) === ABOUT_LAYOUT && compression !== undefined;
  if (!isKnown || Number.isNaN(root + time + referencedBytes)) throw badForeign("bad number");
  if (nameBytes(name) === null || blockBytes > BLOCK_BYTES_MAX) throw badForeign("bad name");
  const guid = bytes.slice(40, 40 + GUID_BYTES);
  const about = { guid, root, blockBytes, compression, time, referencedBytes, name };
  return exactly(about, bytes, encodeAbout, () => badForeign("bad form"));
}

function badForeign(why: string): VaultError {
  return new VaultError("corrupt", `Cannot read a foreign block: ${why}`);
}
