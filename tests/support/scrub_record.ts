import { decodeRescatter, encodeRescatter } from "../../core/format/rescatter_record.ts";
import { decodeScrub, encodeScrub, type ScrubRecord } from "../../core/format/scrub_record.ts";

/** A scrub that is under way. */
export const someScrub: ScrubRecord = {
  cursor: { part: 4, key: new Uint8Array([0, 0, 0, 0, 0, 0, 1, 7]) },
  started: 1_700_000_000_000,
  finished: 1_600_000_000_000,
  counts: { places: 12, cells: 40, bad: 2, lost: 1 },
};

/** Decoders of what is noted about passes, with what they decode. */
export const scrubDecoder = {
  decodeRescatter: {
    decode: decodeRescatter,
    valid: () => encodeRescatter({ next: 7, until: 90, started: 1, finished: 0, seenBytes: 4096 }),
  },
  decodeScrub: { decode: decodeScrub, valid: () => encodeScrub(someScrub) },
};
