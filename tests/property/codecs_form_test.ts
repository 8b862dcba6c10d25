/** No two forms of one value: each byte of a record is either seen or refused. */
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import * as logRecord from "../../core/format/log_record.ts";
import * as node from "../../core/format/node.ts";
import * as place from "../../core/format/place.ts";
import { type Decoder, decoders } from "../support/record_decoders.ts";

/** Of these, more bytes come behind, which other decoders read. */
const HEAD_BYTES: Record<string, number> = {
  readCell: place.CELL_NUMBER_BYTES,
  readLogHead: logRecord.logHeadBytes(1),
  readNodeHeader: node.NODE_HEADER_BYTES,
};
/** Bytes that the caller looks at: types in keys, lengths of payloads, and what stands between a member and its cell. */
const CALLERS_BYTES: Record<string, readonly number[]> = {
  decodeDeadRun: [0],
  decodeSession: [0],
  decodeStreamRecord: [1, 2, 3],
  readCell: [1],
  readLockKey: [0],
  readLockedInlineKey: [0],
  readNumberedKey: [0],
  readPendingKey: [0],
  readPlace: [1],
  readRestingKey: [0],
  readSecretKey: [0],
  readSnapshotKey: [0],
};

for (const [name, { decode, valid }] of Object.entries(decoders)) {
  if (name.startsWith("check")) continue; // they say only that nothing is wrong
  Deno.test(`codecs: ${name} sees each byte`, () => {
    const record = valid();
    const value = decode(record.slice());
    const bytes = HEAD_BYTES[name] ?? record.length;
    const step = Math.max(1, Math.floor(bytes / 1500));
    const unseen: number[] = [];
    for (let at = 0; at < bytes; at += step) {
      for (const bit of [1, 128]) {
        const changed = record.slice();
        changed[at] ^= bit;
        if (CALLERS_BYTES[name]?.includes(at)) continue;
        if (isDeepStrictEqual(outcome(decode, changed), value)) unseen.push(at);
      }
    }
    assert.equal([...new Set(unseen)].join().slice(0, 120), "");
  });
}

function outcome(decode: Decoder["decode"], bytes: Uint8Array): unknown {
  try {
    return decode(bytes);
  } catch (error) {
    return error;
  }
}
