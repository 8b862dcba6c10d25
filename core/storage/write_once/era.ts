import type { ObjectFooter, WriterClaim } from "../../format/write_once.ts";
import { CELL_BYTES } from "../../limits.ts";
import { checkpointObjects, readCheckpoint } from "./checkpoint.ts";
import { damaged, type EraContext, objectName, readFooter } from "./era_objects.ts";
import type { StoredState } from "./stored_state.ts";

/** Objects behind a gap that are looked for: more were hardly ever on their way at once. */
const PROBES_BEHIND_GAP = 1024;

/** An era as it was found. */
export interface LoadedEra {
  readonly eraId: Uint8Array;
  readonly state: StoredState;
  /** Number of the first object that is not there, or is a fence: whoever makes it ends the era. */
  readonly gap: number;
  /** True where somebody ended it and did not get any further. */
  readonly isFenced: boolean;
}

/** The state at the end of the era's last whole group. `sizes` is a listing made after the claim was found. */
export function loadEra(
  context: EraContext,
  claim: WriterClaim,
  sizes: ReadonlyMap<string, number>,
): LoadedEra {
  const { eraId } = claim;
  const state = readCheckpoint(context, claim);
  let waiting: [string, number, ObjectFooter][] = [];
  let gap = checkpointObjects(claim.checkpointCells);
  for (;; gap++) {
    const name = objectName(context.seal, eraId, gap);
    const size = sizes.get(name);
    if (size === undefined) break;
    const footer = readFooter(context, name, size);
    if (footer.kind === "fence") return { eraId, state, gap, isFenced: true };
    waiting.push([name, size / CELL_BYTES, footer]);
    if (footer.kind === "part") continue;
    for (const [object, cells, whole] of waiting) state.apply(object, cells, whole);
    waiting = [];
  }
  checkGap(context, { eraId, gap }, sizes);
  return { eraId, state, gap, isFenced: false };
}

/** A crash leaves gaps among objects that no sync had made durable; every other gap is damage. */
function checkGap(
  context: EraContext,
  { eraId, gap }: { eraId: Uint8Array; gap: number },
  sizes: ReadonlyMap<string, number>,
): void {
  for (let number = gap + 1; number <= gap + PROBES_BEHIND_GAP; number++) {
    const name = objectName(context.seal, eraId, number);
    const size = sizes.get(name);
    if (size === undefined || readFooter(context, name, size).settled <= gap) continue;
    const lost = objectName(context.seal, eraId, gap);
    throw damaged(context.access, `object "${lost}" is missing`);
  }
}
