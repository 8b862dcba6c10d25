import { isUnreadable, type LocatedBlock } from "../block/block_reader.ts";
import type { Engine } from "./engine.ts";
import { nextTurn } from "../turn.ts";
import { pause } from "./passes.ts";

/** Blocks looked at before a root makes durable what was moved, and lets its old cells rest. */
export const BLOCKS_PER_ROOT = 512;

/** What moving blocks did. */
export interface Relocation {
  readonly moved: number;
  /** Blocks that had to move and cannot be read. */
  readonly lost: number;
}

/** Moves every block that `matches`, a root at a time. Throws `unavailable` (ENOSPC) where there is no room for them. */
export async function moveBlocks(
  engine: Engine,
  matches: (block: LocatedBlock) => boolean,
  progress?: (blocks: number) => void,
): Promise<Relocation> {
  let [seen, moved, lost] = [0, 0, 0];
  for (let from = 0;; await nextTurn()) {
    while (engine.inTransaction) await pause(engine);
    const blocks = engine.store.blocks.entriesFrom(from, BLOCKS_PER_ROOT);
    for (const { id } of blocks.filter(matches)) {
      if (engine.store.blocks.entry(id) === null) continue; // freed by a root that made room
      if (move(engine, id)) moved++;
      else lost++;
    }
    engine.endGroup();
    engine.commitNow();
    progress?.(seen += blocks.length);
    if (blocks.length < BLOCKS_PER_ROOT) return { moved, lost };
    from = blocks[blocks.length - 1].id + 1;
  }
}

function move(engine: Engine, id: number): boolean {
  try {
    engine.move(id);
    return true;
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    return false;
  }
}
