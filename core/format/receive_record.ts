import { assert } from "../assert.ts";
import { getU64, setU64, viewOf } from "../bytes.ts";
import { badCatalog, GUID_BYTES, inRange, NAME_BYTES_MAX, nameAt } from "./catalog_record.ts";
import { POSITION_BYTES_MAX } from "./stream_position.ts";
import { exactly } from "./exact.ts";

const HEAD_BYTES = 64;

/**
 * FORMAT.md §12: a snapshot that is being received on a branch of no volume. Key: type u8, branch u32 big-endian. Value:
 *
 * | offset | size | meaning |
 * |---|---|---|
 * | 0 | 16 | guid of the snapshot |
 * | 16 | 16 | guid of the snapshot that it is a difference to; zeros: it is whole |
 * | 32 | 4 | volume that gets the snapshot; 0: one is made |
 * | 36 | 2 | bytes of the position |
 * | 38 | 2 | zero |
 * | 40 | 8 | bytes of file content received |
 * | 48 | 8 | when it began, milliseconds since 1970 |
 * | 56 | 8 | zero |
 * | 64 | | position, then the name of the volume that is made |
 */
export interface ReceiveRecord {
  readonly guid: Uint8Array;
  readonly base: Uint8Array;
  readonly volume: number;
  /** Empty where the volume is there already. */
  readonly name: string;
  /** Where the sender goes on; empty: from the start. */
  readonly position: Uint8Array;
  readonly contentBytes: number;
  readonly began: number;
}

/** Encodes the value. */
export function encodeReceive(record: ReceiveRecord): Uint8Array<ArrayBuffer> {
  const { guid, base, position } = record;
  const name = new TextEncoder().encode(record.name);
  assert(name.length <= NAME_BYTES_MAX, "a name has its limit");
  assert(position.length <= POSITION_BYTES_MAX, "a position has its limit");
  const bytes = new Uint8Array(HEAD_BYTES + position.length + name.length);
  const view = viewOf(bytes);
  bytes.set(guid);
  bytes.set(base, GUID_BYTES);
  view.setUint32(32, record.volume, true);
  view.setUint16(36, position.length, true);
  setU64(view, 40, record.contentBytes);
  setU64(view, 48, record.began);
  bytes.set(position, HEAD_BYTES);
  bytes.set(name, HEAD_BYTES + position.length);
  return bytes;
}

/** Decodes the value. */
export function decodeReceive(bytes: Uint8Array): ReceiveRecord {
  if (bytes.length < HEAD_BYTES) throw badCatalog("receive");
  const view = viewOf(bytes);
  const positionBytes = view.getUint16(36, true);
  if (positionBytes > POSITION_BYTES_MAX) throw badCatalog("receive");
  const record: ReceiveRecord = {
    guid: bytes.slice(0, GUID_BYTES),
    base: bytes.slice(GUID_BYTES, 2 * GUID_BYTES),
    volume: view.getUint32(32, true),
    name: nameAt(bytes, HEAD_BYTES + positionBytes),
    position: bytes.slice(HEAD_BYTES, HEAD_BYTES + positionBytes),
    contentBytes: inRange(getU64(view, 40)),
    began: inRange(getU64(view, 48)),
  };
  return exactly(record, bytes, encodeReceive, () => badCatalog("receive"));
}
