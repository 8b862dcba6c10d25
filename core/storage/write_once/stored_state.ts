import { assert } from "../../assert.ts";
import { VaultError } from "../../errors.ts";
import {
  CHECKPOINT_ENTRIES_MAX,
  type CheckpointObject,
  type CheckpointPart,
  type CheckpointRun,
  type ObjectFooter,
} from "../../format/write_once.ts";
import { CELL_BYTES } from "../../limits.ts";
import { full } from "../medium_errors.ts";
import { CellIndex, INDEXED_OBJECTS_MAX, type IndexedRun } from "./cell_index.ts";

/** Fences that are remembered: so many takeovers ago, a writer that still hangs is taken for dead. */
const FENCES_MAX = 64;

/** An object that holds cells of use. */
export interface StoredObject {
  /** 32 hexadecimal digits. */
  readonly name: string;
  /** Its size in cells, footer and padding included. */
  readonly cells: number;
  /** Cells of use in it. */
  live: number;
}

/** What the objects of a medium amount to: its length, and where each cell is. */
export class StoredState {
  sizeBytes = 0;
  readonly index = new CellIndex();
  readonly objects = new Map<number, StoredObject>();
  /** Objects that hold nothing of use any more, since somebody last took them. */
  #dead: StoredObject[] = [];
  /** Names of objects that only keep an older writer from going on. */
  fences: string[] = [];
  /** Numbers of objects that are no more, to be used again; then the next one. */
  readonly #unused: number[] = [];
  #nextObject = 0;
  #liveCells = 0;
  #objectCells = 0;

  readonly #release = (id: number, count: number): void => {
    const object = this.objects.get(id);
    assert(object !== undefined && object.live >= count, "live cells are counted");
    object.live -= count;
    this.#liveCells -= count;
    if (object.live === 0) this.#bury(id, object);
  };

  #bury(id: number, object: StoredObject): void {
    this.objects.delete(id);
    this.#unused.push(id);
    this.#objectCells -= object.cells;
    this.#dead.push(object);
  }

  /** Cells of use in objects. */
  get liveCells(): number {
    return this.#liveCells;
  }

  /** Cells that the objects of use take, padding and footers included. */
  get objectCells(): number {
    return this.#objectCells;
  }

  /** Throws `ENOSPC` where there are as many objects as the index can tell apart. */
  checkObjects(name: string): void {
    if (this.objects.size < INDEXED_OBJECTS_MAX - 1) return;
    throw full(name, "it has too many objects");
  }

  /** Applies what an object says; later objects win. */
  apply(name: string, cells: number, footer: ObjectFooter): void {
    for (const { cell, count } of footer.dropped) this.index.drop(cell, count, this.#release);
    const id = this.#add({ name, cells, live: 0 });
    let offset = 0;
    for (const { cell, count } of footer.held) {
      this.#hold({ cell, count, object: id, offset });
      offset += count;
    }
    this.resize(footer.sizeBytes);
    const object = this.objects.get(id);
    if (object?.live === 0) this.#bury(id, object);
  }

  #add(object: StoredObject): number {
    const id = this.#unused.pop() ?? this.#nextObject++;
    this.objects.set(id, object);
    this.#objectCells += object.cells;
    return id;
  }

  #hold(run: IndexedRun): void {
    this.objects.get(run.object)!.live += run.count;
    this.#liveCells += run.count;
    this.index.put(run, this.#release);
  }

  /** The medium is so long; what lies behind is gone. */
  resize(sizeBytes: number): void {
    if (sizeBytes < this.sizeBytes) {
      this.index.dropFrom(Math.ceil(sizeBytes / CELL_BYTES), this.#release);
    }
    this.sizeBytes = sizeBytes;
  }

  /** Cells are of no use any more. */
  drop(cell: number, count: number): void {
    this.index.drop(cell, count, this.#release);
  }

  /** The objects that died since the last call. */
  takeDead(): StoredObject[] {
    const dead = this.#dead;
    this.#dead = [];
    return dead;
  }

  /** Cells of objects that died since the last `takeDead`. */
  deadCells(): number {
    return this.#dead.reduce((sum, { cells }) => sum + cells, 0);
  }

  /** Remembers a fence. */
  addFence(name: string): void {
    this.fences = [...this.fences, name].slice(-FENCES_MAX);
  }

  /** Everything, in parts of a checkpoint. */
  *parts(): Generator<CheckpointPart> {
    const { sizeBytes } = this;
    const fences = this.fences.map((name) => Uint8Array.fromHex(name));
    yield { sizeBytes, fences, objects: [], runs: [] };
    for (const objects of inPieces(this.#listedObjects())) {
      yield { sizeBytes, fences: [], objects, runs: [] };
    }
    for (const runs of inPieces(this.#listedRuns())) {
      yield { sizeBytes, fences: [], objects: [], runs };
    }
  }

  *#listedObjects(): Generator<CheckpointObject> {
    for (const { name, cells } of this.objects.values()) {
      yield { name: Uint8Array.fromHex(name), cells };
    }
  }

  *#listedRuns(): Generator<CheckpointRun> {
    const numbers = new Map([...this.objects.keys()].map((id, number) => [id, number]));
    for (const run of this.index.runs()) yield { ...run, object: numbers.get(run.object)! };
  }

  /** Takes in a part of a checkpoint: into a state that nothing else was done to. */
  addPart({ sizeBytes, fences, objects, runs }: CheckpointPart): void {
    this.sizeBytes = sizeBytes;
    this.fences.push(...fences.map((name) => name.toHex()));
    for (const { name, cells } of objects) this.#add({ name: name.toHex(), cells, live: 0 });
    for (const run of runs) {
      const object = this.objects.get(run.object);
      if (object === undefined || run.count === 0 || run.offset + run.count > object.cells) {
        throw new VaultError("corrupt", "Cannot read checkpoint of the medium: it is malformed");
      }
      this.#hold(run);
    }
  }
}

function* inPieces<T>(entries: Iterable<T>): Generator<T[]> {
  let piece: T[] = [];
  for (const entry of entries) {
    piece.push(entry);
    if (piece.length < CHECKPOINT_ENTRIES_MAX) continue;
    yield piece;
    piece = [];
  }
  if (piece.length > 0) yield piece;
}
