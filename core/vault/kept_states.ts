import { AutoSnapshots } from "../volume/auto_snapshots.ts";
import { parseRetention } from "../volume/retention.ts";
import { UndoHistory } from "../volume/undo_history.ts";
import type { Vault } from "./vault.ts";

/** What a mount keeps of its volume by itself: the undo history, and snapshots by a rule of retention where there is one. */
export class KeptStates {
  readonly #history: UndoHistory;
  readonly #snapshots: AutoSnapshots | null;

  constructor({ opened: { volume: { engine, id }, volumes } }: Vault, rule: string | undefined) {
    this.#history = new UndoHistory(engine, volumes, id);
    const parts = { engine, volumes, volume: id };
    this.#snapshots = rule === undefined ? null : new AutoSnapshots(parts, parseRetention(rule));
  }

  /** A second has passed. Throws what a commit met. */
  tick(): void {
    this.#history.tick();
    this.#snapshots?.tick();
  }
}
