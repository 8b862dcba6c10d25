import type { PlacedBlock } from "../block/medium_inspector.ts";
import { VaultError } from "../errors.ts";
import { type MapEntry, placeCells } from "../format/map_entry.ts";
import { KIND } from "../format/seal_aad.ts";
import type { Engine } from "./engine.ts";

/** What one step of a scrub looked at. */
export interface ScrubStep {
  /** Where the next step begins; null where this was the last block. */
  readonly next: number | null;
  /** Blocks and nodes. */
  readonly blocks: number;
  /** Their shards and copies, each of which was read. */
  readonly places: number;
  /** Cells of those. */
  readonly cells: number;
  /** Shards and copies that did not open although their members are there, of what can be read all the same: it was written anew. */
  readonly bad: number;
  /** Blocks that cannot be read, with the members that there are, by their ids. */
  readonly lost: readonly number[];
}

/** How much one step looks at. */
interface ScrubReach {
  readonly blocks: number;
  /** When their places have so many cells, it is enough. */
  readonly cells?: number;
  /** From this id on the block map cannot be read. */
  readonly holeAt?: number;
}

/** Reads every place of blocks with ids of `from` or more, past every cache, and writes anew what has bad ones. */
export function scrubBlocks(
  engine: Engine,
  from: number,
  { blocks: most, cells: enoughCells = Infinity, holeAt }: ScrubReach,
): ScrubStep {
  const { store } = engine;
  const found = store.blocks.entriesFrom(from, most, { holeAt, enoughCells });
  const data = found.filter(({ entry }) => entry.kind === KIND.data);
  const badOf = store.badPlaces(data);
  const lost: number[] = [];
  let bad = 0;
  for (const { id, entry } of found) {
    const count = entry.kind === KIND.data ? badOf.get(id) ?? 0 : badCopies(engine, { id, entry });
    const damaged = count - store.placesAway(entry);
    if (count > entry.m) lost.push(id);
    else if (damaged > 0) {
      bad += damaged;
      store.damage.foundBlock(id, damaged);
    }
  }
  engine.repairFound();
  const places = found.reduce((sum, { entry }) => sum + entry.places.length, 0);
  const cells = found.reduce((sum, { entry }) => sum + entry.places.length * placeCells(entry), 0);
  const isAll = found.length < most && cells < enoughCells;
  const next = isAll ? null : found[found.length - 1].id + 1;
  return { next, blocks: found.length, places, cells, bad, lost };
}

function badCopies(engine: Engine, block: PlacedBlock & { entry: MapEntry }): number {
  let bad = 0;
  try {
    engine.store.inspector().volumeNode(block, { degraded: (count) => bad = count });
    return bad + engine.store.placesAway(block.entry);
  } catch (error) {
    if (!(error instanceof VaultError)) throw error;
    return block.entry.places.length;
  }
}
