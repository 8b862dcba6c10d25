import { putU32, putU32BE, putU64, readU32, readU32BE, readU64 } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { CELL_BYTES, NONCE_BYTES, TAG_BYTES } from "../limits.ts";
import { NODE_SEAL_BYTES } from "./node.ts";
import { PLACE_BYTES, readPlace, type SealedPlace, writePlace } from "./place.ts";
import { isRedundancy } from "./redundancy.ts";
import { KIND } from "./seal_aad.ts";

/**
 * FORMAT.md §5: an entry of the block map: the coordinate of one block. Key: block id, u64 big-endian. Value: 24 bytes,
 * a section of 8 where the block is compressed, one of 48 where it is sealed under a file secret too, then 48 for each place.
 *
 * | offset | size | meaning |
 * |---|---|---|
 * | 0 | 1 | kind |
 * | 1 | 1 | level |
 * | 2 | 1 | codec: 0 raw, 1 zstd |
 * | 3 | 1 | k: data shards; 1 where each place holds the whole block |
 * | 4 | 1 | m: parity shards, or further copies |
 * | 5 | 1 | places that follow |
 * | 6 | 1 | flags: 1 sealed under a file secret, inside |
 * | 7 | 1 | zero |
 * | 8 | 4 | plaintext bytes |
 * | 12 | 4 | key epoch |
 * | 16 | 8 | birth: sequence of the first root that had this block |
 *
 * Where the codec is not 0: compressed bytes u32le, 4 zero. With flag 1: secret id (8), nonce (24) and tag (16) of the inner
 * seal. Each place:
 *
 * | offset | size | meaning |
 * |---|---|---|
 * | 0 | 1 | member |
 * | 1 | 1 | 1 where this place is missing |
 * | 2 | 6 | first cell |
 * | 8 | 24 | nonce |
 * | 32 | 16 | tag |
 */
export const ENTRY_HEAD_BYTES = 24;
export const MAP_KEY_BYTES = 8;
/** Bytes of the section that a compressed block's entry has. */
const CODEC_SECTION_BYTES = 8;
/** Bytes of the section of a block that is sealed under a file secret as well. */
const INNER_SECTION_BYTES = 8 + NONCE_BYTES + TAG_BYTES;
const FLAGS_AT = 6;
const SEALED_TWICE = 1;
/** How the bytes of a data block are stored. */
export const CODEC = { raw: 0, zstd: 1 } as const;
/** Bytes of the largest data block. */
export const BLOCK_BYTES_MAX = 1 << 20;

/** Where one shard or copy of a block lies, and how it was sealed. */
export interface BlockPlace extends SealedPlace {
  /** Nothing is there: it is lost, and known to be. */
  readonly missing: boolean;
}

/** How the bytes of a block are sealed under the secret of a file, inside the seals of its places. */
export interface InnerSeal {
  readonly secretId: number;
  readonly nonce: Uint8Array;
  readonly tag: Uint8Array;
}

/** A decoded entry. */
export interface MapEntry {
  readonly kind: number;
  readonly level: number;
  readonly codec: number;
  readonly k: number;
  readonly m: number;
  /** Bytes of the content. */
  readonly length: number;
  /** Bytes that are sealed before padding: fewer where it is compressed. */
  readonly stored: number;
  readonly epoch: number;
  readonly birth: number;
  /** Null where the vault's keys alone open it. */
  readonly inner: InnerSeal | null;
  readonly places: readonly BlockPlace[];
}

/** Writes the map key of a block id (big-endian, so that ids are in order). */
export function writeMapKey(key: Uint8Array, id: number): void {
  putU32BE(key, 0, Math.floor(id / 4294967296));
  putU32BE(key, 4, id);
}

/** Reads a map key. */
export function readMapKey(key: Uint8Array): number {
  if (key.length !== MAP_KEY_BYTES) throw badEntry("key length");
  const id = readU32BE(key, 0) * 4294967296 + readU32BE(key, 4);
  if (!Number.isSafeInteger(id)) throw badEntry("key");
  return id;
}

/** What is encoded: places are there unless they say otherwise. */
export interface EncodedEntry extends Omit<MapEntry, "places"> {
  readonly places: readonly (SealedPlace & Partial<Pick<BlockPlace, "missing">>)[];
}

/** Encodes an entry, into `used` where that is as long as the entry is. */
export function encodeMapEntry(
  entry: EncodedEntry,
  used?: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  const { codec, inner, places } = entry;
  const innerAt = innerFrom(codec);
  const placesAt = innerAt + (inner === null ? 0 : INNER_SECTION_BYTES);
  const size = placesAt + PLACE_BYTES * places.length;
  const bytes = used?.length === size ? used : new Uint8Array(size);
  bytes[0] = entry.kind;
  bytes[1] = entry.level;
  bytes[2] = codec;
  bytes[3] = entry.k;
  bytes[4] = entry.m;
  bytes[5] = places.length;
  bytes[FLAGS_AT] = inner === null ? 0 : SEALED_TWICE;
  bytes[FLAGS_AT + 1] = 0;
  putU32(bytes, 8, entry.length);
  putU32(bytes, 12, entry.epoch);
  putU64(bytes, 16, entry.birth);
  if (codec !== CODEC.raw) putU64(bytes, ENTRY_HEAD_BYTES, entry.stored);
  if (inner !== null) {
    putU64(bytes, innerAt, inner.secretId);
    bytes.set(inner.nonce, innerAt + 8);
    bytes.set(inner.tag, innerAt + 8 + NONCE_BYTES);
  }
  for (let i = 0; i < places.length; i++) {
    const at = placesAt + PLACE_BYTES * i;
    writePlace(bytes, at, places[i]);
    bytes[at + 1] = places[i].missing === true ? 1 : 0;
  }
  return bytes;
}

/** Decodes and checks an entry. */
export function decodeMapEntry(bytes: Uint8Array): MapEntry {
  if (bytes.length < ENTRY_HEAD_BYTES + PLACE_BYTES) throw badEntry("too short");
  const [kind, level, codec] = [bytes[0], bytes[1], bytes[2]];
  const [k, m, count] = [bytes[3], bytes[4], bytes[5]];
  const length = readU32(bytes, 8);
  const birth = readU64(bytes, 16);
  if (codec > CODEC.zstd || !isRedundancy({ k, m }) || count !== k + m) throw badEntry("code");
  const flags = bytes[FLAGS_AT];
  if (flags > SEALED_TWICE || bytes[FLAGS_AT + 1] !== 0) throw badEntry("flags");
  const innerAt = innerFrom(codec);
  const placesAt = innerAt + (flags === 0 ? 0 : INNER_SECTION_BYTES);
  if (bytes.length !== placesAt + PLACE_BYTES * count) throw badEntry("length");
  if (kind === KIND.data ? level !== 0 : kind !== KIND.volumeNode || flags !== 0) {
    throw badEntry("kind");
  }
  if (length === 0 || length > BLOCK_BYTES_MAX || Number.isNaN(birth)) throw badEntry("number");
  const stored = codec === CODEC.raw ? length : readU64(bytes, ENTRY_HEAD_BYTES);
  if (codec !== CODEC.raw && (kind !== KIND.data || !savesCells(stored, length))) {
    throw badEntry("compression");
  }
  if (k > 1 && (kind !== KIND.data || cellsFor(stored) < k)) throw badEntry("code");
  const places: BlockPlace[] = [];
  for (let i = 0; i < count; i++) {
    const at = placesAt + PLACE_BYTES * i;
    const { cell, nonce, tag } = readPlace(bytes, at);
    if (bytes[at + 1] > 1) throw badEntry("place");
    places.push({ cell, nonce, tag, missing: bytes[at + 1] === 1 });
  }
  const epoch = readU32(bytes, 12);
  const inner = flags === 0 ? null : readInner(bytes, innerAt);
  return { kind, level, codec, k, m, length, stored, epoch, birth, inner, places };
}

function readInner(bytes: Uint8Array, at: number): InnerSeal {
  const secretId = readU64(bytes, at);
  if (Number.isNaN(secretId)) throw badEntry("secret");
  const [nonceAt, tagAt] = [at + 8, at + 8 + NONCE_BYTES];
  const tag = bytes.slice(tagAt, tagAt + TAG_BYTES);
  return { secretId, nonce: bytes.slice(nonceAt, tagAt), tag };
}

/** Where what follows the codec's section begins. */
function innerFrom(codec: number): number {
  return codec === CODEC.raw ? ENTRY_HEAD_BYTES : ENTRY_HEAD_BYTES + CODEC_SECTION_BYTES;
}

/** True where bytes that were compressed take fewer cells than they did: else they are stored as they are. */
export function savesCells(stored: number, length: number): boolean {
  return stored > 0 && cellsFor(stored) < cellsFor(length);
}

/** Cells of a block's content as it is stored, parity left out: what volumes and snapshots are counted by. */
export function contentCells(entry: Pick<MapEntry, "kind" | "stored">): number {
  const { kind, stored } = entry;
  return cellsFor(kind === KIND.volumeNode ? stored + NODE_SEAL_BYTES : stored);
}

/** Cells that each place of a block takes: of all of it, or of one shard. */
export function placeCells(entry: Pick<MapEntry, "kind" | "stored" | "k">): number {
  return Math.ceil(contentCells(entry) / entry.k);
}

/** Cells that `length` sealed bytes take. */
export function cellsFor(length: number): number {
  return Math.ceil(length / CELL_BYTES);
}

function badEntry(why: string): VaultError {
  return new VaultError("corrupt", `Cannot read block map entry: bad ${why}`);
}
