/**
 * Temporal variance: everything is sealed anew elsewhere, so that two images of a vault do not tell what has been the same.
 *
 * @module
 */
import { CELL_BYTES, RING_CELLS, SEGMENT_CELLS } from "../limits.ts";
import { movePass, rewritePass, writeRoot } from "../volume/passes.ts";
import { type DriveOptions, drivePass, type PassSteps } from "./pass_driver.ts";
import type { Vault } from "./vault.ts";

/** How to re-scatter. */
export interface RescatterOptions extends DriveOptions {
  /** Begin anew, although a pass before did not come to its end. */
  readonly restart?: boolean;
  /** Told how many bytes of content of how many it came past. */
  readonly progress?: (doneBytes: number, totalBytes: number) => void;
}

/** What a pass did. */
export interface RescatterReport {
  readonly movedBlocks: number;
  readonly writtenBytes: number;
  /** True where it went on from where one before had stopped. */
  readonly resumed: boolean;
}

/** What a step of a pass did. */
export interface RescatterStep {
  readonly movedBlocks: number;
  readonly writtenBytes: number;
  readonly doneBytes: number;
}

/**
 * Moves every block and every node that were there when it began, with all roots that name them. The vault may be used
 * meanwhile. What stops it leaves a vault as good as any; the next pass goes on from there.
 */
export async function rescatterVault(
  vault: Vault,
  options: RescatterOptions = {},
): Promise<RescatterReport> {
  const { restart = false, progress } = options;
  const { store: { catalog, space } } = vault.opened.volume;
  const resumed = !restart && (catalog.rescatter()?.next ?? 0) > 0;
  let [movedBlocks, writtenBytes] = [0, 0];
  const told = (step: RescatterStep) => {
    movedBlocks += step.movedBlocks;
    writtenBytes += step.writtenBytes;
    const used = (space.segments * SEGMENT_CELLS - space.freeCells) * CELL_BYTES;
    progress?.(Math.min(step.doneBytes, used), used);
  };
  await drivePass(vault, rescatterSteps(vault, resumed), { ...options, told });
  return { movedBlocks, writtenBytes, resumed };
}

/** A pass, or the rest of one where `resumed` and one was stopped. */
export async function* rescatterSteps(vault: Vault, resumed: boolean): PassSteps<RescatterStep> {
  const { opened: { volume: { engine } }, header: { runtime } } = vault;
  const { catalog, blocks } = engine.store;
  const before = catalog.rescatter();
  const finished = before?.finished ?? 0;
  const fresh = { next: 1, until: blocks.nextId, started: Math.floor(runtime.now()), seenBytes: 0 };
  const begun = resumed && before !== null ? before : fresh;
  let doneBytes = begun.seenBytes;
  const note = (next: number) => {
    catalog.putRescatter({ ...begun, next, finished, seenBytes: doneBytes });
  };
  engine.checkWritable();
  note(begun.next);
  const order = { from: begun.next, end: begun.until, chooses: () => true, passed: note };
  for await (const step of movePass(engine, order)) {
    doneBytes += step.seenBytes;
    yield { ...step, doneBytes };
  }
  for await (const step of rewritePass(engine)) yield { ...step, doneBytes };
  // Superblocks are rewritten by their ring coming round.
  for (let i = 0; i < RING_CELLS; i++) {
    if (i === RING_CELLS - 1) {
      const now = Math.floor(runtime.now());
      catalog.putRescatter({ ...begun, next: 0, finished: now, seenBytes: doneBytes });
    }
    await writeRoot(engine);
    yield { movedBlocks: 0, writtenBytes: 2 * CELL_BYTES, doneBytes };
  }
}
