import { getU64, setU64, viewOf } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { CELL_BYTES } from "../limits.ts";
import { NODE_SEAL_BYTES } from "./node.ts";
import { PLACE_BYTES, readPlace, type SealedPlace, writePlace } from "./place.ts";
import { isRedundancy } from "./redundancy.ts";
import { KIND } from "./seal_aad.ts";

/**
 * FORMAT.md §5: an entry of the block map: the coordinate of one block. Key: block id, u64 big-endian. Value: 24 bytes,
 * a section of 8 where the block is compressed, then 48 for each place.
 *
 * | offset | size | meaning |
 * |---|---|---|
 * | 0 | 1 | kind |
 * | 1 | 1 | level |
 * | 2 | 1 | codec: 0 raw, 1 zstd |
 * | 3 | 1 | k: data shards; 1 where each place holds the whole block |
 * | 4 | 1 | m: parity shards, or further copies |
 * | 5 | 1 | places that follow |
 * | 6 | 2 | zero |
 * | 8 | 4 | plaintext bytes |
 * | 12 | 4 | key epoch |
 * | 16 | 8 | birth: sequence of the first root that had this block |
 *
 * Where the codec is not 0: compressed bytes u32le, 4 zero. Each place:
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
/** How the bytes of a data block are stored. */
export const CODEC = { raw: 0, zstd: 1 } as const;
/** Bytes of the largest data block. */
export const BLOCK_BYTES_MAX = 1 << 20;

/** Where one shard or copy of a block lies, and how it was sealed. */
export interface BlockPlace extends SealedPlace {
  /** Nothing is there: it is lost, and known to be. */
  readonly missing: boolean;
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
  readonly places: readonly BlockPlace[];
}

/** Writes the map key of a block id (big-endian, so that ids are in order). */
export function writeMapKey(key: Uint8Array, id: number): void {
  const view = viewOf(key);
  view.setUint32(0, Math.floor(id / 4294967296));
  view.setUint32(4, id >>> 0);
}

/** Reads a map key. */
export function readMapKey(key: Uint8Array): number {
  if (key.length !== MAP_KEY_BYTES) throw badEntry("key length");
  const view = viewOf(key);
  return view.getUint32(0) * 4294967296 + view.getUint32(4);
}

/** Encodes an entry. */
export function encodeMapEntry(entry: MapEntry): Uint8Array<ArrayBuffer> {
  const placesAt = placesFrom(entry.codec);
  const bytes = new Uint8Array(placesAt + PLACE_BYTES * entry.places.length);
  const view = viewOf(bytes);
  bytes.set([entry.kind, entry.level, entry.codec, entry.k, entry.m, entry.places.length]);
  view.setUint32(8, entry.length, true);
  view.setUint32(12, entry.epoch, true);
  setU64(view, 16, entry.birth);
  if (entry.codec !== CODEC.raw) view.setUint32(ENTRY_HEAD_BYTES, entry.stored, true);
  entry.places.forEach((place, i) => {
    const at = placesAt + PLACE_BYTES * i;
    writePlace(bytes, at, place);
    bytes[at + 1] = place.missing ? 1 : 0;
  });
  return bytes;
}

/** Decodes and checks an entry. */
export function decodeMapEntry(bytes: Uint8Array): MapEntry {
  if (bytes.length < ENTRY_HEAD_BYTES + PLACE_BYTES) throw badEntry("too short");
  const view = viewOf(bytes);
  const [kind, level, codec, k, m, count] = bytes;
  const length = view.getUint32(8, true);
  const birth = getU64(view, 16);
  if (codec > CODEC.zstd || !isRedundancy({ k, m }) || count !== k + m) throw badEntry("code");
  const placesAt = placesFrom(codec);
  if (bytes.length !== placesAt + PLACE_BYTES * count) throw badEntry("length");
  if (kind !== KIND.data && kind !== KIND.volumeNode) throw badEntry("kind");
  if (length === 0 || length > BLOCK_BYTES_MAX || Number.isNaN(birth)) throw badEntry("number");
  const stored = codec === CODEC.raw ? length : view.getUint32(ENTRY_HEAD_BYTES, true);
  if (codec !== CODEC.raw && (kind !== KIND.data || !savesCells(stored, length))) {
    throw badEntry("compression");
  }
  if (k > 1 && (kind !== KIND.data || cellsFor(stored) < k)) throw badEntry("code");
  const places: BlockPlace[] = [];
  for (let i = 0; i < count; i++) {
    const at = placesAt + PLACE_BYTES * i;
    places.push({ ...readPlace(bytes, at), missing: bytes[at + 1] !== 0 });
  }
  const epoch = view.getUint32(12, true);
  return { kind, level, codec, k, m, length, stored, epoch, birth, places };
}

/** Where an entry's places begin. */
function placesFrom(codec: number): number {
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
