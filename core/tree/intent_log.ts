import { allocateChunk } from "../block/log_chunk.ts";
import { LogSealer } from "../block/log_seal.ts";
import type { SealContext } from "../block/seal_context.ts";
import type { Space } from "../block/space.ts";
import { compare } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { NODE_SEAL_BYTES } from "../format/node.ts";
import {
  LOG_CHUNK_CELLS,
  type LogChunk,
  type LogHead,
  logHeadBytes,
  readLogHead,
  writeLogHead,
} from "../format/log_record.ts";
import { memberOf } from "../format/place.ts";
import { packRun } from "../format/space_record.ts";
import { CELL_BYTES } from "../limits.ts";
import type { JoinedMedia } from "../storage/joined_media.ts";

/** Where the log of one root begins. */
export interface LogStart {
  readonly id: Uint8Array;
  readonly chunk: LogChunk;
  /** The root's sequence. */
  readonly base: number;
}

/** What a log holds that was acknowledged. */
export interface ReadLog {
  /** Mutations of whole transactions, in order. */
  readonly transactions: readonly Uint8Array[];
  /** All chunks that were named. */
  readonly chunks: readonly LogChunk[];
  /**
   * The last records that were surely acknowledged, because a later transaction follows them, two at most: for each, which members
   * have a copy of it, and which lack theirs.
   */
  readonly acknowledged: readonly RecordCopies[];
}

/** Members that should have a copy of a record. */
export interface RecordCopies {
  readonly there: readonly number[];
  readonly lacking: readonly number[];
}

/** Transactions of which the last ones are looked at. */
const ENDS = 3;

/** The intent log (FORMAT.md §11): what `fsync` promises between two roots. */
export class IntentLog {
  private readonly space: Space;
  private readonly isAway: (cell: number) => boolean;
  private readonly sealer: LogSealer;
  private start: LogStart;
  private readonly copies: number;
  private chunk: LogChunk;
  private next: LogChunk | null = null;
  private at = 0;
  private sequence = 0;
  private previousTags: readonly Uint8Array[];
  private chunks: LogChunk[];

  constructor(
    parts: { context: SealContext; media: JoinedMedia; space: Space },
    start: LogStart,
  ) {
    this.space = parts.space;
    this.isAway = parts.context.isAway;
    this.sealer = new LogSealer(parts.context, parts.media);
    this.start = start;
    this.copies = start.chunk.firsts.length;
    this.chunk = start.chunk;
    this.previousTags = firstTags(start);
    this.chunks = [start.chunk];
  }

  /** True where records were written since the root. */
  get used(): boolean {
    return this.sequence > 0;
  }

  /** Every chunk that this log took. */
  takenChunks(): readonly LogChunk[] {
    return this.chunks;
  }

  /** Runs of cells that it has taken and not written yet: what lay there before does still. */
  *unwritten(): Generator<number> {
    const { chunk, at, next } = this;
    if (at < chunk.cells) {
      for (const first of chunk.firsts) yield packRun(first + at, chunk.cells - at);
    }
    for (const first of next?.firsts ?? []) yield packRun(first, next!.cells);
  }

  /** Goes on after a new root, in a chunk of its own. */
  restart(start: LogStart): void {
    this.start = start;
    this.chunk = start.chunk;
    this.chunks = [start.chunk];
    this.next = null;
    this.at = 0;
    this.sequence = 0;
    this.previousTags = firstTags(start);
  }

  /** Takes over the chunks that a log named before a crash, so that the next root gives them up. */
  adopt(chunks: readonly LogChunk[]): void {
    this.chunks = [...chunks];
  }

  /** Cells that a transaction of this many bytes may still take. */
  cellsFor(bytes: number): number {
    const room = CELL_BYTES - NODE_SEAL_BYTES - logHeadBytes(this.copies);
    return this.copies * (Math.ceil(bytes / room) + 2 * LOG_CHUNK_CELLS);
  }

  /** Writes one transaction. It is acknowledged when the medium has synced. */
  write(mutations: Uint8Array): void {
    const head = logHeadBytes(this.copies);
    for (let from = 0; from < mutations.length;) {
      if (this.at === this.chunk.cells) this.nextChunk();
      this.next ??= this.takeChunk();
      const room = this.chunk.cells - this.at;
      const wanted = head + NODE_SEAL_BYTES + mutations.length - from;
      const cells = Math.min(room, Math.ceil(wanted / CELL_BYTES));
      const part = mutations.subarray(from, from + cells * CELL_BYTES - NODE_SEAL_BYTES - head);
      from += part.length;
      this.writeRecord(cells, this.next, { part, ends: from === mutations.length });
    }
  }

  private writeRecord(
    cells: number,
    nextChunk: LogChunk,
    { part, ends }: { part: Uint8Array; ends: boolean },
  ): void {
    const plaintext = new Uint8Array(cells * CELL_BYTES - NODE_SEAL_BYTES);
    const { previousTags, sequence, chunk, start: { base, id } } = this;
    const mutationBytes = part.length;
    writeLogHead(plaintext, { cells, ends, base, previousTags, nextChunk, mutationBytes });
    plaintext.set(part, logHeadBytes(this.copies));
    this.previousTags = chunk.firsts.map((first) =>
      this.sealer.write({ logId: id, sequence, cell: first + this.at }, plaintext)
    );
    this.sequence++;
    this.at += cells;
  }

  private takeChunk(): LogChunk {
    const chunk = allocateChunk(this.space, this.copies, "logged");
    this.chunks.push(chunk);
    return chunk;
  }

  private nextChunk(): void {
    this.chunk = this.next!;
    this.next = null;
    this.at = 0;
  }

  /** Reads what a log holds, up to its first break. `isPlace` tells which cells there are. */
  read(isPlace: (cell: number, count: number) => boolean): ReadLog {
    const transactions: Uint8Array[] = [];
    const chunks = [this.start.chunk];
    const seen = new Set(chunks.map(({ firsts }) => firsts[0]));
    let parts: Uint8Array[] = [];
    // Where the last transactions end.
    const ends: Cursor[] = [];
    const found = () => {
      const acknowledged = ends.slice(0, -1).map((end) => this.copiesOf(end));
      return { transactions, chunks, acknowledged };
    };
    const cursor: Cursor = { chunk: this.start.chunk, at: 0, sequence: 0, before: null };
    for (;;) {
      if (cursor.at === cursor.chunk.cells) {
        Object.assign(cursor, { chunk: cursor.before!.head.nextChunk, at: 0 });
      }
      // A second time before it counts as the end: a bit may be wrong on the way.
      const record = this.readRecord(cursor) ?? this.readRecord(cursor);
      if (record === null) return found();
      const { head, mutations } = record;
      if (!seen.has(head.nextChunk.firsts[0])) {
        const { cells, firsts } = head.nextChunk;
        if (!firsts.every((first) => isPlace(first, cells))) return found();
        seen.add(firsts[0]);
        chunks.push(head.nextChunk);
      }
      parts.push(mutations);
      if (head.ends) {
        transactions.push(join(parts));
        parts = [];
        ends.push({ ...cursor });
        if (ends.length > ENDS) ends.shift();
      }
      cursor.at += head.cells;
      cursor.sequence++;
      cursor.before = record;
    }
  }

  private copiesOf(cursor: Cursor): RecordCopies {
    const [there, lacking]: number[][] = [[], []];
    cursor.chunk.firsts.forEach((first, copy) => {
      if (this.isAway(first)) return;
      try {
        const record = this.readCopy(cursor, copy) ?? this.readCopy(cursor, copy);
        (record === null ? lacking : there).push(memberOf(first));
      } catch (error) {
        if (!(error instanceof VaultError)) throw error; // what cannot be read may be there
      }
    });
    return { there, lacking };
  }

  /** The record at the cursor, from the first copy that opens, or null at the log's end. */
  private readRecord(cursor: Cursor): ReadRecord | null {
    // Acknowledged was what all copies held: one that is there and does not go on is the end.
    let failure = cursor.chunk.firsts.every(this.isAway) ? missingLog() : null;
    for (let copy = 0; copy < this.copies; copy++) {
      try {
        const record = this.readCopy(cursor, copy);
        if (record !== null) return { ...record, copy };
      } catch (error) {
        if (!(error instanceof VaultError)) throw error;
        failure ??= error;
      }
    }
    // Something may be there that was acknowledged: what cannot be read is no end.
    if (failure !== null) throw failure;
    return null;
  }

  /** One copy of the record, whatever its length; null where it does not open or does not go on from the one before. */
  private readCopy(
    cursor: Cursor,
    copy: number,
  ): Omit<ReadRecord, "copy"> | null {
    const headBytes = logHeadBytes(this.copies);
    for (let cells = 1; cells <= cursor.chunk.cells - cursor.at; cells++) {
      const { sequence, chunk, at, before } = cursor;
      const place = { logId: this.start.id, sequence, cell: chunk.firsts[copy] + at };
      const opened = this.sealer.read(place, cells);
      if (opened === null) continue;
      const { plaintext, tag } = opened;
      const head = readLogHead(plaintext);
      if (head === null || head.cells !== cells || head.base !== this.start.base) return null;
      if (head.nextChunk.firsts.length !== this.copies) return null;
      const link = head.previousTags[before?.copy ?? 0];
      if (compare(link, before?.tag ?? this.start.id) !== 0) return null;
      if (headBytes + head.mutationBytes > plaintext.length) return null;
      const mutations = plaintext.subarray(headBytes, headBytes + head.mutationBytes);
      return { head, mutations, tag };
    }
    return null;
  }
}

function missingLog(): VaultError {
  return new VaultError(
    "unavailable",
    "Cannot open vault: its intent log lies on members that are missing",
    { operation: "open vault" },
  );
}

interface ReadRecord {
  readonly head: LogHead;
  readonly mutations: Uint8Array;
  /** Which copy was read, and its tag: the next record names it. */
  readonly copy: number;
  readonly tag: Uint8Array;
}

interface Cursor {
  chunk: LogChunk;
  at: number;
  sequence: number;
  before: ReadRecord | null;
}

/** What the first record has in place of the tags of one before. */
function firstTags({ id, chunk }: LogStart): Uint8Array[] {
  return chunk.firsts.map(() => id);
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
