import { VaultError } from "../../errors.ts";
import { CELL_BYTES } from "../../limits.ts";
import { type EraContext, readFooter } from "./era_objects.ts";
import { StoredState } from "./stored_state.ts";

/** An object whose footer opens, and where it belongs. */
export interface FoundObject {
  readonly name: string;
  readonly size: number;
  readonly claim: number;
  readonly number: number;
}

/**
 * The state as footers alone tell it, in the order of claims and numbers: for readers of a medium whose claim, checkpoint
 * or newest objects are damaged. What a crash left of a group counts too; it overwrites nothing that a root names, because
 * an engine writes to free cells only. Reads every footer twice, so that not all are in memory.
 */
export function rebuildState(
  context: EraContext,
  sizes: ReadonlyMap<string, number>,
): StoredState | null {
  const found: FoundObject[] = [];
  for (const [name, size] of sizes) {
    const object = footerPlace(context, name, size);
    if (object !== null) found.push(object);
  }
  found.sort((a, b) => a.claim - b.claim || a.number - b.number);
  const state = new StoredState();
  for (const { name, size } of found) {
    state.apply(name, size / CELL_BYTES, readFooter(context, name, size));
  }
  return found.length > 0 ? state : null;
}

/** Where an object belongs; null for parts of checkpoints, fences, and what is damaged. */
export function footerPlace(context: EraContext, name: string, size: number): FoundObject | null {
  try {
    const { kind, claim, number } = readFooter(context, name, size);
    return kind === "fence" ? null : { name, size, claim, number };
  } catch (error) {
    if (error instanceof VaultError && error.kind === "corrupt") return null;
    throw error;
  }
}
