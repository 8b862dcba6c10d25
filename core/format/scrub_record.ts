import { getU64, setU64, viewOf } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { exactly } from "./exact.ts";

/** FORMAT.md §12: how far the scrub of a vault is, and what the last one found. */
export interface ScrubRecord {
  /** What the scrub that is under way looks at next; null where none is. */
  readonly cursor: ScrubCursor | null;
  /** Milliseconds since 1970; 0: never. */
  readonly started: number;
  /** When the last one came to its end. */
  readonly finished: number;
  /** Of the scrub that began last. */
  readonly counts: ScrubCounts;
}

/** What a scrub has seen so far. */
export interface ScrubCounts {
  /** Shards and copies that were read. */
  readonly places: number;
  readonly cells: number;
  /** Shards and copies that did not open, of what was written anew. */
  readonly bad: number;
  /** Blocks and nodes that cannot be read. */
  readonly lost: number;
}

/** Where a scrub goes on: trees 1 block map, 2 space, 3 catalog from a key; 4 blocks from an id (u64 big-endian). */
export interface ScrubCursor {
  readonly part: 1 | 2 | 3 | 4;
  readonly key: Uint8Array;
}

const HEAD_BYTES = 64;
const KEY_BYTES_MAX = 64;

/** Encodes the record. */
export function encodeScrub(record: ScrubRecord): Uint8Array<ArrayBuffer> {
  const { cursor, started, finished, counts } = record;
  const key = cursor?.key ?? new Uint8Array(0);
  const bytes = new Uint8Array(HEAD_BYTES + key.length);
  const view = viewOf(bytes);
  bytes[0] = cursor?.part ?? 0;
  bytes[1] = key.length;
  const numbers = [started, finished, counts.places, counts.cells, counts.bad, counts.lost];
  numbers.forEach((number, i) => setU64(view, 8 + 8 * i, number));
  bytes.set(key, HEAD_BYTES);
  return bytes;
}

/** Decodes the record. */
export function decodeScrub(bytes: Uint8Array): ScrubRecord {
  if (bytes.length < HEAD_BYTES) throw corrupt();
  const view = viewOf(bytes);
  const [part, keyBytes] = bytes;
  if (part > 4 || keyBytes > KEY_BYTES_MAX || (part === 4 && keyBytes !== 8)) throw corrupt();
  if (bytes.length !== HEAD_BYTES + keyBytes) throw corrupt();
  const number = (at: number) => {
    const value = getU64(view, at);
    if (Number.isNaN(value)) throw corrupt();
    return value;
  };
  const [started, finished, places, cells, bad, lost] = [8, 16, 24, 32, 40, 48].map(number);
  const record: ScrubRecord = {
    cursor: part === 0 ? null : { part: part as ScrubCursor["part"], key: bytes.slice(HEAD_BYTES) },
    started,
    finished,
    counts: { places, cells, bad, lost },
  };
  return exactly(record, bytes, encodeScrub, corrupt);
}

function corrupt(): VaultError {
  return new VaultError("corrupt", "Cannot read scrub record: it is damaged");
}
