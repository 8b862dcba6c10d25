import { isFull } from "../errors.ts";
import type { NumberedVolume, PlacedSnapshot } from "../tree/catalog.ts";
import { forecastRemoval } from "../tree/removal_forecast.ts";
import type { Engine } from "./engine.ts";
import type { Volumes } from "./volumes.ts";

/** States lie at least so far apart. */
const STEP_MS_MIN = 60_000;
/** A history has this many states, and the one at its horizon. */
const STATES_MAX = 60;
/** States that one call lets go, at most. */
const DROPS_MAX = 8;

/**
 * The undo history of a volume: unnamed snapshots of it, made while it changes. It always has a state from before its horizon, if
 * the volume did not change since, so that everything younger can be undone. States go when they are too old, when they take
 * more than their share of the space, and when the vault would be full otherwise (`Volumes.giveWay`).
 */
export class UndoHistory {
  readonly #engine: Engine;
  readonly #volumes: Volumes;
  readonly #volume: number;
  /** When it last did something, in milliseconds since 1970. */
  #lastMs = -Infinity;
  /** Root node of the newest state. */
  #keptRoot: number | null = null;

  /** Of the volume with this number. */
  constructor(engine: Engine, volumes: Volumes, volume: number) {
    this.#engine = engine;
    this.#volumes = volumes;
    this.#volume = volume;
  }

  /** Keeps what the volume holds if it has changed, and lets go what need not stay. To be called every second or so. */
  tick(): void {
    const now = this.#engine.runtime.now();
    if (this.#engine.readOnly || this.#engine.inTransaction) return;
    const volume = this.#volumes.recordAt(this.#volume);
    const lengthMs = volume.historySeconds * 1000;
    const stepMs = Math.max(STEP_MS_MIN, lengthMs / STATES_MAX);
    // A clock that was set back must not stop it.
    if (now >= this.#lastMs && now < this.#lastMs + stepMs) return;
    this.#lastMs = now;
    if (lengthMs > 0 && this.#rootOf(volume) !== this.#newestRoot()) this.#keep(volume);
    this.#letGo(volume, now - lengthMs);
  }

  #rootOf({ branch }: NumberedVolume): number {
    return this.#engine.store.catalog.branch(branch).root;
  }

  #newestRoot(): number {
    return this.#keptRoot ??= this.#states().at(-1)?.root ?? 0;
  }

  #keep(volume: NumberedVolume): void {
    try {
      this.#volumes.snapshot(volume.name, null);
      this.#keptRoot = this.#rootOf(volume);
    } catch (error) {
      // In a full vault there is nothing to undo with; it is tried again at the next step.
      if (!isFull(error)) throw error;
    }
  }

  #states(): PlacedSnapshot[] {
    return this.#volumes.historyOf(this.#volume);
  }

  #letGo({ name, historySeconds, historyPercent }: NumberedVolume, horizonMs: number): void {
    for (let left = DROPS_MAX; left > 0; left--) {
      // Looked for each time: others may have given way to the one that went.
      const states = this.#states();
      if (states.length === 0) return;
      // The state that was there at the horizon is the newest one from before it.
      const isOutdated = historySeconds === 0 ||
        (states.length > 1 && states[1].time <= horizonMs);
      if (!isOutdated && !this.#isTooLarge(states, historyPercent)) return;
      this.#volumes.deleteSnapshot(name, states[0].sequence);
    }
  }

  #isTooLarge(states: readonly PlacedSnapshot[], percent: number): boolean {
    const share = this.#engine.space().totalCells * percent / 100;
    return forecastRemoval(this.#engine.store.catalog, states) > share;
  }
}
