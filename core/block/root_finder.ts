import { DESCRIPTOR, DESCRIPTOR_BYTES } from "../crypto/kernel.ts";
import { getU64, viewOf } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { cellsFor } from "../format/map_entry.ts";
import { NODE_SEAL_BYTES } from "../format/node.ts";
import {
  decodeRootRecord,
  ROOT_BYTES_MAX,
  ROOT_HEAD_BYTES,
  type RootRecord,
  rootRecordBytes,
} from "../format/root_record.ts";
import type { SealedPlace } from "../format/place.ts";
import { KIND } from "../format/seal_aad.ts";
import { CELL_BYTES, NONCE_BYTES, TAG_BYTES } from "../limits.ts";
import type { DirectAccess } from "../storage/storage_backend.ts";
import { storedSeal } from "./node_io.ts";
import { reserveDescriptors, type SealContext } from "./seal_context.ts";

/** A root record that was found without its superblock. */
export interface FoundRoot {
  readonly record: RootRecord;
  /** Bytes without padding. */
  readonly rootBytes: number;
  readonly epoch: number;
  /** Where the copy lies that was opened, and what opens it. */
  readonly place: SealedPlace;
}

/** Opens root records by the cell that they begin at: how long they are stands in them. */
export class RootFinder {
  private readonly context: SealContext;
  private readonly medium: DirectAccess;
  private readonly buffer: number;
  private readonly descriptor: number;

  /** Sets aside kernel memory for the longest record. */
  constructor(context: SealContext, medium: DirectAccess) {
    this.context = context;
    this.medium = medium;
    this.buffer = context.kernel.reserve(ROOT_BYTES_MAX + CELL_BYTES);
    this.descriptor = reserveDescriptors(context.kernel, 1);
  }

  /** The sequence that a record at this cell claims; NaN where it can be none. */
  sequenceAt(cell: number, epoch: number): number {
    const head = this.head(cell, epoch);
    return head === null ? NaN : getU64(viewOf(head), 8);
  }

  /** The record at a cell; null where none opens. */
  at(cell: number, epoch: number): FoundRoot | null {
    const head = this.head(cell, epoch);
    const rootBytes = head === null ? 0 : lengthOf(head);
    if (rootBytes === 0 || rootBytes > ROOT_BYTES_MAX) return null;
    const stored = this.readAt(cell, cellsFor(rootBytes + NODE_SEAL_BYTES) * CELL_BYTES);
    if (stored === null) return null;
    const { nonce, tag } = storedSeal(stored);
    const plaintext = this.open(stored, epoch);
    if (plaintext === null) return null;
    try {
      const record = decodeRootRecord(plaintext);
      const place = { cell, nonce: nonce.slice(), tag: tag.slice() };
      return { record, rootBytes, epoch, place };
    } catch (error) {
      if (error instanceof VaultError && error.kind === "corrupt") return null;
      throw error;
    }
  }

  private readAt(cell: number, length: number): Uint8Array | null {
    const bytes = new Uint8Array(length);
    if (cell * CELL_BYTES + length > this.medium.size()) return null;
    try {
      this.medium.read(cell * CELL_BYTES, bytes);
      return bytes;
    } catch (error) {
      if (error instanceof VaultError) return null;
      throw error;
    }
  }

  /** Zeros, sealed under the nonce that stands in the cell, are its key stream. Nothing is verified yet. */
  private head(cell: number, epoch: number): Uint8Array | null {
    const stored = this.readAt(cell, CELL_BYTES);
    if (stored === null) return null;
    const { kernel } = this.context;
    kernel.bytes.fill(0, this.buffer, this.buffer + ROOT_HEAD_BYTES);
    this.describe(epoch, ROOT_HEAD_BYTES);
    this.context.nonceOf(this.descriptor).set(stored.subarray(0, NONCE_BYTES));
    kernel.sealMany(this.descriptor, 1);
    const stream = kernel.bytes.subarray(this.buffer, this.buffer + ROOT_HEAD_BYTES);
    return Uint8Array.from(stream, (byte, i) => byte ^ stored[NONCE_BYTES + i]);
  }

  private open(stored: Uint8Array, epoch: number): Uint8Array | null {
    const { kernel } = this.context;
    const length = stored.length - NODE_SEAL_BYTES;
    kernel.bytes.set(stored.subarray(NONCE_BYTES, stored.length - TAG_BYTES), this.buffer);
    this.describe(epoch, length);
    const { nonce, tag } = storedSeal(stored);
    this.context.nonceOf(this.descriptor).set(nonce);
    this.context.tagOf(this.descriptor).set(tag);
    if (kernel.openMany(this.descriptor, 1) !== 0) return null;
    const plaintext = kernel.bytes.slice(this.buffer, this.buffer + length);
    kernel.wipe(this.buffer, length);
    return plaintext;
  }

  private describe(epoch: number, length: number): void {
    const { kernel, kernel: { words } } = this.context;
    kernel.bytes.fill(0, this.descriptor, this.descriptor + DESCRIPTOR_BYTES);
    const { buffer: address } = this;
    const subject = { kind: KIND.root, id: 0, level: 0, epoch, length, address };
    this.context.describe(this.descriptor, { ...subject, sealedBytes: length });
    words[(this.descriptor + DESCRIPTOR.status) / 4] = 0;
  }
}

/** Bytes of the record whose head this is, before its lists are read; 0 where it cannot be one. */
function lengthOf(head: Uint8Array): number {
  const view = viewOf(head);
  const runs = view.getUint32(128, true) + view.getUint32(132, true);
  const [members, copies] = [head[116], head[114] + 1];
  if (members === 0 || runs > ROOT_BYTES_MAX / 8) return 0;
  return rootRecordBytes({ members, copies, runs });
}
