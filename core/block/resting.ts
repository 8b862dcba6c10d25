import type { Tree } from "../btree/tree.ts";
import {
  decodeRuns,
  encodeRuns,
  readRestingKey,
  restingKey,
  runCount,
  RUNS_PER_RECORD,
  SPACE_KEY,
} from "../format/space_record.ts";

/** Roots that must be durable after cells were given up before they are used again. */
const ROOTS_TO_REST = 3;

/** What one root gave up. */
interface Batch {
  readonly sequence: number;
  readonly runs: number[];
  /** Runs that are in the space tree, in records of RUNS_PER_RECORD. */
  written: number;
}

/**
 * Cells that were given up and still rest. Those of the root of sequence f are used again when the roots f, f + 1 and
 * f + 2 are durable: opening can fall back to any root whose superblock may still be read.
 */
export class Resting {
  private readonly tree: Tree;
  private batches: Batch[] = [];
  /** Given up for the root under construction. */
  private current: number[] = [];
  /** Cells at rest. */
  cells = 0;

  constructor(tree: Tree) {
    this.tree = tree;
    tree.scan(new Uint8Array([SPACE_KEY.resting]), (key, value) => {
      if (key[0] !== SPACE_KEY.resting) return false;
      const { sequence } = readRestingKey(key);
      const runs = decodeRuns(value);
      const batch = this.batch(sequence);
      batch.runs.push(...runs);
      batch.written = batch.runs.length;
      this.count(runs);
      return true;
    });
  }

  private count(runs: readonly number[]): void {
    for (const run of runs) this.cells += runCount(run);
  }

  private batch(sequence: number): Batch {
    const last = this.batches.at(-1);
    if (last?.sequence === sequence) return last;
    const batch: Batch = { sequence, runs: [], written: 0 };
    this.batches.push(batch);
    return batch;
  }

  /** Gives a run up for the root under construction. */
  add(run: number): void {
    this.current.push(run);
    this.cells += runCount(run);
  }

  /** Runs that a root gave up while it was written, known from its record. */
  addLate(sequence: number, runs: readonly number[]): void {
    this.batch(sequence).runs.push(...runs);
    this.count(runs);
  }

  /** Every run at rest. */
  *runs(): Generator<number> {
    for (const batch of this.batches) yield* batch.runs;
    yield* this.current;
  }

  /** Records what the root of `sequence` gives up, and what earlier ones gave up late. */
  write(sequence: number): void {
    if (this.current.length > 0) {
      const batch = this.batch(sequence);
      for (const run of this.current) batch.runs.push(run);
      this.current = [];
    }
    for (const batch of this.batches) this.writeBatch(batch);
  }

  private writeBatch(batch: Batch): void {
    if (batch.written === batch.runs.length) return;
    let part = Math.floor(batch.written / RUNS_PER_RECORD);
    for (; part * RUNS_PER_RECORD < batch.runs.length; part++) {
      const at = part * RUNS_PER_RECORD;
      const runs = encodeRuns(batch.runs.slice(at, at + RUNS_PER_RECORD));
      this.tree.put(restingKey(batch.sequence, part), runs);
    }
    batch.written = batch.runs.length;
  }

  /** Runs given up since `write`: only nodes of map and space, which go into the root record. */
  late(): readonly number[] {
    return this.current;
  }

  /** The root of this sequence is written: what it gave up late rests like the rest of it. */
  keepLate(sequence: number): void {
    if (this.current.length === 0) return;
    const { runs } = this.batch(sequence);
    for (const run of this.current) runs.push(run);
    this.current = [];
  }

  /** Takes out the runs whose rest is over when the root of this sequence is durable. */
  due(sequence: number): number[] {
    const due: number[] = [];
    while (this.batches.length > 0 && this.batches[0].sequence + ROOTS_TO_REST - 1 <= sequence) {
      const batch = this.batches.shift()!;
      for (let part = 0; part * RUNS_PER_RECORD < batch.written; part++) {
        this.tree.delete(restingKey(batch.sequence, part));
      }
      for (const run of batch.runs) {
        due.push(run);
        this.cells -= runCount(run);
      }
    }
    return due;
  }
}
