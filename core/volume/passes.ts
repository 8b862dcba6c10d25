/**
 * Passes over everything that a vault holds, in bounded steps: each `yield` is a moment at which others may run, nothing is
 * half done, and the pass may be given up. Whoever runs one says how fast.
 *
 * @module
 */
import { longTurn } from "../turn.ts";
import { isFull } from "../errors.ts";
import { contentCells, type MapEntry, placeCells } from "../format/map_entry.ts";
import { CELL_BYTES } from "../limits.ts";
import { rewriteLeaves } from "../tree/physical_trees.ts";
import type { Engine } from "./engine.ts";

/** Blocks that one step looks at. */
const BLOCKS_PER_STEP = 16;
/** Moved cells until a root makes them durable and lets their old places rest. */
const CELLS_PER_ROOT = 2048;
/** Leaves of a physical tree that go with one root. */
const LEAVES_PER_ROOT = 256;
/** Roots until everything that rests has come free. */
export const ROOTS_TO_RELEASE = 4;

/** What a step did. */
export interface PassStep {
  /** Bytes of content that it came past. */
  readonly seenBytes: number;
  /** Bytes that it wrote. */
  readonly writtenBytes: number;
  readonly movedBlocks: number;
}

const NOTHING: PassStep = { seenBytes: 0, writtenBytes: 0, movedBlocks: 0 };

/** Where a pass begins and what it is about. */
export interface MoveOrder {
  /** The first block id. */
  readonly from: number;
  /** The id behind the last one; to the end unless given. */
  readonly end?: number;
  chooses(entry: MapEntry): boolean;
  /** Told of the id up to which all is done, as part of the next root. */
  passed?(id: number): void;
}

/** Moves every block that is chosen, in the order of their ids. Blocks that are put meanwhile have higher ones. */
export async function* movePass(engine: Engine, order: MoveOrder): AsyncGenerator<PassStep> {
  const { blocks } = engine.store;
  let waitingCells = 0;
  for (let from = order.from;;) {
    if (engine.inTransaction) {
      yield NOTHING;
      continue;
    }
    const all = blocks.entriesFrom(from, BLOCKS_PER_STEP);
    const found = all.filter(({ id }) => id < (order.end ?? Infinity));
    let [seen, written, movedBlocks] = [0, 0, 0];
    for (const { id, entry } of found) {
      seen += contentCells(entry);
      if (!order.chooses(entry)) continue;
      moveOne(engine, id);
      written += placeCells(entry) * entry.places.length;
      movedBlocks++;
    }
    const isLast = found.length < BLOCKS_PER_STEP;
    if (!isLast) from = found[found.length - 1].id + 1;
    order.passed?.(from);
    waitingCells += written;
    if (waitingCells >= CELLS_PER_ROOT || (isLast && waitingCells > 0)) {
      await writeRoot(engine);
      waitingCells = 0;
    }
    yield { seenBytes: seen * CELL_BYTES, writtenBytes: written * CELL_BYTES, movedBlocks };
    if (isLast) return;
  }
}

/** Moves a block, whose old places may have to come free first. */
function moveOne(engine: Engine, id: number): void {
  try {
    engine.move(id);
  } catch (error) {
    if (!isFull(error) || engine.durability.hasFailed) throw error;
    releaseResting(engine);
    engine.move(id);
  }
}

/** Writes every node of the trees that are named by place anew; those of the map go with the blocks that move. */
export async function* rewritePass(engine: Engine, mapToo = false): AsyncGenerator<PassStep> {
  for (const { name, tree } of engine.store.physical) {
    if (name === "block map" && !mapToo) continue;
    for (let from: Uint8Array | null = new Uint8Array(0); from !== null;) {
      if (engine.inTransaction) {
        yield NOTHING;
        continue;
      }
      from = rewriteLeaves(tree, from, LEAVES_PER_ROOT);
      const writtenBytes = engine.store.dirtyBytes;
      await writeRoot(engine);
      yield { seenBytes: 0, writtenBytes, movedBlocks: 0 };
    }
  }
}

/** Writes a root, whether anything has changed or not; a slow medium is waited for aside. Not inside a transaction. */
export async function writeRoot(engine: Engine): Promise<void> {
  if (engine.inTransaction) return;
  engine.markChanged();
  await engine.commit();
}

function writeRootNow(engine: Engine): void {
  engine.markChanged();
  engine.commitNow();
}

/** Nobody reads an older root, and no transaction is open: what is given up comes free a few roots later. */
export function isQuiet({ inTransaction, store: { space } }: Engine): boolean {
  return !inTransaction && space.holds === 0;
}

/** Waits for others, who may be followed by others still: whoever waited looks again. Throws where the vault has been given up meanwhile. */
export async function pause(engine: Engine): Promise<void> {
  engine.checkWritable();
  await longTurn();
}

/** Ends the rest of everything that has been given up by now. False where nothing would come free: roots would only fill the vault. */
export function releaseResting(engine: Engine): boolean {
  if (!isQuiet(engine)) return false;
  for (let i = 0; i < ROOTS_TO_RELEASE; i++) writeRootNow(engine);
  return true;
}

/** The same; false after a pause in which those who hold it could go on. */
export async function releaseOrWait(engine: Engine): Promise<boolean> {
  const isReleased = releaseResting(engine);
  if (!isReleased) await pause(engine);
  return isReleased;
}
