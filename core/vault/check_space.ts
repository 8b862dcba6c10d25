import { VaultError } from "../errors.ts";
import type { RootRecord } from "../format/root_record.ts";
import {
  COUNTS_PER_CHUNK,
  decodeBitmap,
  decodeRuns,
  runCell,
  runCount,
  SPACE_KEY,
} from "../format/space_record.ts";
import { readU48BE, viewOf } from "../bytes.ts";
import { MEMBER_SEGMENTS_MAX, SEGMENT_CELLS, SEGMENT_SLOTS } from "../limits.ts";
import { countFree, eachSlot } from "../block/segment_bitmap.ts";
import type { Problems } from "./check_report.ts";

/** Segments compared before others get a turn. */
export const SEGMENTS_PER_TURN = 4096;

/** The records of the space tree, as they lie on the medium, with what the root record adds to them. */
export class SpaceRecords {
  /** Every run at rest. */
  readonly resting: number[] = [];
  private readonly bitmaps = new Map<number, Uint16Array>();
  private readonly freeCells = new Map<number, number>();

  /** Takes a record in. */
  add(key: Uint8Array, value: Uint8Array, problems: Problems): void {
    try {
      if (key[0] === SPACE_KEY.bitmap) this.bitmaps.set(readU48BE(key, 1), decodeBitmap(value));
      else if (key[0] === SPACE_KEY.freeCounts) this.addCounts(readU48BE(key, 1), value);
      else if (key[0] === SPACE_KEY.resting) {
        for (const run of decodeRuns(value)) this.resting.push(run);
      } else throw new VaultError("corrupt", "Cannot read space record: unknown type");
    } catch (error) {
      if (!(error instanceof VaultError)) throw error;
      problems.add("space", error.message);
    }
  }

  private addCounts(chunk: number, value: Uint8Array): void {
    const view = viewOf(value);
    for (let i = 0; 2 * i + 1 < value.length; i++) {
      this.freeCells.set(chunk * COUNTS_PER_CHUNK + i, view.getUint16(2 * i, true));
    }
  }

  /** Compares the counts with the bitmaps, in pieces; then adds what was taken and given up while the root was written. */
  *settle(record: RootRecord, problems: Problems): Generator<void> {
    let turn = 0;
    let perhapsAdded: string[] = [];
    for (const segment of segmentsOf(record)) {
      if (turn++ % SEGMENTS_PER_TURN === 0) yield;
      if (segment % MEMBER_SEGMENTS_MAX === 0) perhapsAdded = [];
      const free = countFree(this.bitmap(segment));
      const counted = this.freeCells.get(segment) ?? 0;
      const problem = `segment ${segment}: ${counted} cells counted as free, not ${free}`;
      if (counted === 0 && !this.bitmaps.has(segment)) {
        // Right at the end of a member: it became longer while the root was written.
        perhapsAdded.push(problem);
        continue;
      }
      for (const wrong of perhapsAdded.splice(0)) problems.add("space", wrong);
      if (counted !== free) problems.add("space", problem);
    }
    for (const run of record.takenLate) this.take(run, problems);
    for (const run of record.givenUpLate) this.resting.push(run);
  }

  private take(run: number, problems: Problems): void {
    const segment = Math.floor(runCell(run) / SEGMENT_CELLS);
    const bitmap = this.bitmap(segment).slice();
    eachSlot(runCell(run) % SEGMENT_CELLS, runCount(run), (slot, mask) => {
      if ((bitmap[slot] & mask) !== 0) problems.add("space", "cells were taken twice");
      bitmap[slot] |= mask;
    });
    this.bitmaps.set(segment, bitmap);
  }

  /** The cells of a segment that are taken. */
  bitmap(segment: number): Uint16Array {
    return this.bitmaps.get(segment) ?? FREE;
  }
}

/** The segments of all members. */
export function* segmentsOf({ members }: RootRecord): Generator<number> {
  for (const { number, segments } of members) {
    for (let i = 0; i < segments; i++) yield number * MEMBER_SEGMENTS_MAX + i;
  }
}

const FREE = new Uint16Array(SEGMENT_SLOTS);
