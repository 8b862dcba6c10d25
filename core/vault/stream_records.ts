import { wipe } from "../bytes.ts";
import { FRAME_PLAIN_BYTES } from "../format/stream_frame.ts";
import {
  badRecord,
  decodeRecordHead,
  PAYLOAD_BYTES_MAX,
  RECORD_HEAD_BYTES,
} from "../format/stream_record.ts";

/** A record that is not decoded yet. */
export interface RawRecord {
  readonly type: number;
  /** A view, valid until the next call. */
  readonly payload: Uint8Array;
}

/** Puts the records of a stream together, which begin and end anywhere in frames. Memory: the largest record, and a frame. */
export class RecordQueue {
  readonly #bytes = new Uint8Array(RECORD_HEAD_BYTES + PAYLOAD_BYTES_MAX + FRAME_PLAIN_BYTES);
  #from = 0;
  #to = 0;

  /** Adds the plaintext of a frame, after all whole records were taken. */
  add(plaintext: Uint8Array): void {
    this.#bytes.copyWithin(0, this.#from, this.#to);
    this.#to -= this.#from;
    this.#from = 0;
    this.#bytes.set(plaintext, this.#to);
    this.#to += plaintext.length;
  }

  /** The next record, or null where the rest of it is still to come. */
  take(): RawRecord | null {
    const payloadAt = this.#from + RECORD_HEAD_BYTES;
    if (payloadAt > this.#to) return null;
    const { type, length } = decodeRecordHead(this.#bytes.subarray(this.#from, payloadAt));
    if (payloadAt + length > this.#to) return null;
    this.#from = payloadAt + length;
    return { type, payload: this.#bytes.subarray(payloadAt, this.#from) };
  }

  /** Throws where a record is begun. */
  checkEmpty(): void {
    if (this.#from !== this.#to) throw badRecord("it goes on behind the end of the stream");
  }

  /** Overwrites what was received. */
  wipe(): void {
    wipe(this.#bytes);
  }
}
