import { DESCRIPTOR } from "../crypto/kernel.ts";
import { LOG_AAD_BYTES, LOG_CHUNK_CELLS } from "../format/log_record.ts";
import { NODE_SEAL_BYTES } from "../format/node.ts";
import { AAD_BYTES, KIND } from "../format/seal_aad.ts";
import { CELL_BYTES, NONCE_BYTES } from "../limits.ts";
import type { JoinedMedia } from "../storage/joined_media.ts";
import { storedSeal } from "./node_io.ts";
import { reserveDescriptors, type SealContext } from "./seal_context.ts";

/** Which record of which log, and where. */
export interface LogPlace {
  readonly logId: Uint8Array;
  /** Place in the log's order, from 0. */
  readonly sequence: number;
  readonly cell: number;
}

/** Seals and opens the records of the intent log (FORMAT.md §11). */
export class LogSealer {
  private readonly context: SealContext;
  private readonly media: JoinedMedia;
  private readonly descriptor: number;
  private readonly buffer: number;

  constructor(context: SealContext, media: JoinedMedia) {
    this.context = context;
    this.media = media;
    this.descriptor = reserveDescriptors(context.kernel, 1);
    this.buffer = context.kernel.reserve(LOG_CHUNK_CELLS * CELL_BYTES);
  }

  /** Writes a record and returns its tag. */
  write(place: LogPlace, plaintext: Uint8Array): Uint8Array<ArrayBuffer> {
    const { kernel, nonces } = this.context;
    const address = this.buffer + NONCE_BYTES;
    const stored = plaintext.length + NODE_SEAL_BYTES;
    kernel.bytes.set(plaintext, address);
    this.describe(place, this.context.epoch, plaintext.length);
    nonces.take(this.context.nonceOf(this.descriptor), 0);
    kernel.sealMany(this.descriptor, 1);
    kernel.bytes.set(this.context.nonceOf(this.descriptor), this.buffer);
    const tag = this.context.tagOf(this.descriptor).slice();
    kernel.bytes.set(tag, address + plaintext.length);
    this.media.write(
      place.cell * CELL_BYTES,
      kernel.bytes.subarray(this.buffer, this.buffer + stored),
    );
    return tag;
  }

  /** Opens the record of so many cells at a place; null where there is none. */
  read(
    place: LogPlace,
    cells: number,
  ): { plaintext: Uint8Array<ArrayBuffer>; tag: Uint8Array<ArrayBuffer> } | null {
    const { kernel, epoch } = this.context;
    const stored = new Uint8Array(cells * CELL_BYTES);
    if (!this.media.reaches(place.cell * CELL_BYTES, stored.length)) return null;
    this.media.read(place.cell * CELL_BYTES, stored);
    const length = stored.length - NODE_SEAL_BYTES;
    const address = this.buffer + NONCE_BYTES;
    kernel.bytes.set(stored, this.buffer);
    this.describe(place, epoch, length);
    const { nonce, tag } = storedSeal(stored);
    this.context.nonceOf(this.descriptor).set(nonce);
    this.context.tagOf(this.descriptor).set(tag);
    if (kernel.openMany(this.descriptor, 1) !== 0) return null;
    return { plaintext: kernel.bytes.slice(address, address + length), tag: tag.slice() };
  }

  private describe(place: LogPlace, epoch: number, length: number): void {
    const address = this.buffer + NONCE_BYTES;
    const subject = { kind: KIND.log, id: place.sequence, level: 0, epoch, length };
    this.context.describe(this.descriptor, { ...subject, address, sealedBytes: length });
    const { kernel } = this.context;
    kernel.bytes[this.descriptor + DESCRIPTOR.aadLength] = LOG_AAD_BYTES;
    kernel.bytes.set(place.logId, this.descriptor + DESCRIPTOR.aad + AAD_BYTES);
  }
}
