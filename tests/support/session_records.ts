import { concat } from "../../core/bytes.ts";
import { decodeRootMemory, encodeRootMemory } from "../../core/format/root_memory.ts";
import { decodeSession, encodeSession, sessionKey } from "../../core/format/session_record.ts";

const id = new Uint8Array(16).fill(3);
const hash = new Uint8Array(32).fill(5);

/** Decoders of what says who wrote which roots, with bytes that they take. */
export const sessionDecoders = {
  decodeSession: {
    decode: (bytes: Uint8Array) => decodeSession(bytes.subarray(0, 9), bytes.subarray(9)),
    valid: () =>
      concat(sessionKey(8), encodeSession({ first: 8, number: 2, base: 7, id, baseHash: hash })),
  },
  decodeRootMemory: {
    decode: decodeRootMemory,
    valid: () => encodeRootMemory({ sequence: 9, session: id, hash, seen: 1_700_000_000_000 }),
  },
};
