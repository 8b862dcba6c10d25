import { getU64, setU64, viewOf } from "../bytes.ts";
import { VaultError } from "../errors.ts";

/** FORMAT.md §12: how far the pass is that writes everything anew elsewhere, and when the last one ended. */
export interface RescatterRecord {
  /** Block id that it looks at next; 0: none is under way. */
  readonly next: number;
  /** Blocks from this id on were put after it began. */
  readonly until: number;
  /** Milliseconds since 1970; 0: never. */
  readonly started: number;
  /** When the last one came to its end. */
  readonly finished: number;
  /** Bytes of content that it came past. */
  readonly seenBytes: number;
}

const RECORD_BYTES = 40;

/** Encodes the record. */
export function encodeRescatter(record: RescatterRecord): Uint8Array<ArrayBuffer> {
  const { next, until, started, finished, seenBytes } = record;
  const bytes = new Uint8Array(RECORD_BYTES);
  const view = viewOf(bytes);
  [next, until, started, finished, seenBytes].forEach((number, i) => setU64(view, 8 * i, number));
  return bytes;
}

/** Decodes the record. */
export function decodeRescatter(bytes: Uint8Array): RescatterRecord {
  const isWhole = bytes.length === RECORD_BYTES;
  const numbers = isWhole ? [0, 1, 2, 3, 4].map((i) => getU64(viewOf(bytes), 8 * i)) : [NaN];
  if (numbers.some(Number.isNaN)) {
    throw new VaultError("corrupt", "Cannot read re-scatter record: it is none");
  }
  const [next, until, started, finished, seenBytes] = numbers;
  return { next, until, started, finished, seenBytes };
}
