import { LogSealer } from "../block/log_seal.ts";
import type { SealContext } from "../block/seal_context.ts";
import type { Space } from "../block/space.ts";
import { NODE_SEAL_BYTES } from "../format/node.ts";
import {
  LOG_CHUNK_CELLS,
  LOG_HEAD_BYTES,
  type LogHead,
  readLogHead,
  writeLogHead,
} from "../format/log_record.ts";
import { runCell, runCount } from "../format/space_record.ts";
import { CELL_BYTES } from "../limits.ts";
import type { DirectAccess } from "../storage/storage_backend.ts";

/** Where the log of one root begins. */
export interface LogStart {
  readonly id: Uint8Array;
  /** Packed run. */
  readonly chunk: number;
  /** The root's sequence. */
  readonly base: number;
}

/** What a log holds that was acknowledged. */
export interface ReadLog {
  /** Mutations of whole transactions, in order. */
  readonly transactions: readonly Uint8Array[];
  /** Packed runs of all chunks that were named. */
  readonly chunks: readonly number[];
}

/** The intent log (FORMAT.md §11): what `fsync` promises between two roots. */
export class IntentLog {
  private readonly space: Space;
  private readonly sealer: LogSealer;
  private start: LogStart;
  private chunk: number;
  private next = 0;
  private at = 0;
  private sequence = 0;
  private previousTag: Uint8Array;
  private chunks: number[];

  constructor(
    parts: { context: SealContext; medium: DirectAccess; space: Space },
    start: LogStart,
  ) {
    this.space = parts.space;
    this.sealer = new LogSealer(parts.context, parts.medium);
    this.start = start;
    this.chunk = start.chunk;
    this.previousTag = start.id;
    this.chunks = [start.chunk];
  }

  /** True where records were written since the root. */
  get used(): boolean {
    return this.sequence > 0;
  }

  /** Packed runs of every chunk that this log took. */
  takenChunks(): readonly number[] {
    return this.chunks;
  }

  /** Goes on after a new root, in a chunk of its own. */
  restart(start: LogStart): void {
    this.start = start;
    this.chunk = start.chunk;
    this.chunks = [start.chunk];
    this.next = 0;
    this.at = 0;
    this.sequence = 0;
    this.previousTag = start.id;
  }

  /** Takes over the chunks that a log named before a crash, so that the next root gives them up. */
  adopt(chunks: readonly number[]): void {
    this.chunks = [...chunks];
  }

  /** Cells that a transaction of this many bytes may still take. */
  cellsFor(bytes: number): number {
    return Math.ceil(bytes / CELL_BYTES) + 2 * LOG_CHUNK_CELLS;
  }

  /** Writes one transaction. It is acknowledged when the medium has synced. */
  write(mutations: Uint8Array): void {
    for (let from = 0; from < mutations.length;) {
      if (this.at === runCount(this.chunk)) this.nextChunk();
      if (this.next === 0) this.next = this.takeChunk();
      const room = runCount(this.chunk) - this.at;
      const wanted = LOG_HEAD_BYTES + NODE_SEAL_BYTES + mutations.length - from;
      const cells = Math.min(room, Math.ceil(wanted / CELL_BYTES));
      const part = mutations.subarray(
        from,
        from + cells * CELL_BYTES - NODE_SEAL_BYTES - LOG_HEAD_BYTES,
      );
      from += part.length;
      this.writeRecord(cells, part, from === mutations.length);
    }
  }

  private writeRecord(cells: number, part: Uint8Array, ends: boolean): void {
    const plaintext = new Uint8Array(cells * CELL_BYTES - NODE_SEAL_BYTES);
    const { previousTag, next: nextChunk, start: { base } } = this;
    writeLogHead(plaintext, {
      cells,
      ends,
      base,
      previousTag,
      nextChunk,
      mutationBytes: part.length,
    });
    plaintext.set(part, LOG_HEAD_BYTES);
    const { sequence, start: { id } } = this;
    this.previousTag = this.sealer.write(
      { logId: id, sequence, cell: runCell(this.chunk) + this.at },
      plaintext,
    );
    this.sequence++;
    this.at += cells;
  }

  private takeChunk(): number {
    const chunk = this.space.allocateUpTo(LOG_CHUNK_CELLS, "logged");
    this.chunks.push(chunk);
    return chunk;
  }

  private nextChunk(): void {
    this.chunk = this.next;
    this.next = 0;
    this.at = 0;
  }

  /** Reads what a log holds, up to its first break. `cellsMax` bounds the places that it may name. */
  read(cellsMax: number): ReadLog {
    const transactions: Uint8Array[] = [];
    const chunks = [this.start.chunk];
    const seen = new Set(chunks);
    let parts: Uint8Array[] = [];
    const cursor = { chunk: this.start.chunk, at: 0, sequence: 0, tag: this.start.id, next: 0 };
    for (;;) {
      if (cursor.at === runCount(cursor.chunk)) {
        Object.assign(cursor, { chunk: cursor.next, at: 0 });
      }
      const record = this.readRecord(cursor);
      if (record === null) return { transactions, chunks };
      const { head, mutations } = record;
      if (!seen.has(head.nextChunk)) {
        const end = runCell(head.nextChunk) + runCount(head.nextChunk);
        if (end > cellsMax) return { transactions, chunks };
        seen.add(head.nextChunk);
        chunks.push(head.nextChunk);
      }
      parts.push(mutations);
      if (head.ends) {
        transactions.push(join(parts));
        parts = [];
      }
      cursor.next = head.nextChunk;
      cursor.at += head.cells;
      cursor.sequence++;
      cursor.tag = record.tag;
    }
  }

  /** The record at the cursor, whatever its length, or null at the log's end. */
  private readRecord(
    cursor: Cursor,
  ): { head: LogHead; mutations: Uint8Array; tag: Uint8Array } | null {
    for (let cells = 1; cells <= runCount(cursor.chunk) - cursor.at; cells++) {
      const place = {
        logId: this.start.id,
        sequence: cursor.sequence,
        cell: runCell(cursor.chunk) + cursor.at,
      };
      const opened = this.sealer.read(place, cells);
      if (opened === null) continue;
      const head = readLogHead(opened.plaintext);
      if (head === null || head.cells !== cells || head.base !== this.start.base) return null;
      if (head.previousTag.some((byte, i) => byte !== cursor.tag[i])) return null;
      if (LOG_HEAD_BYTES + head.mutationBytes > opened.plaintext.length) return null;
      const mutations = opened.plaintext.subarray(
        LOG_HEAD_BYTES,
        LOG_HEAD_BYTES + head.mutationBytes,
      );
      return { head, mutations, tag: opened.tag };
    }
    return null;
  }
}

interface Cursor {
  chunk: number;
  at: number;
  sequence: number;
  tag: Uint8Array;
  next: number;
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0];
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
