import { isoTime } from "../dates.ts";
import { isFull, VaultError } from "../errors.ts";
import type { PlacedSnapshot } from "../tree/catalog.ts";
import type { Engine } from "./engine.ts";
import { outdatedSnapshots, type Retention, shortestPeriodMs } from "./retention.ts";
import type { Volumes } from "./volumes.ts";

/** What the names of automatic snapshots begin with; a time in UTC follows. */
const PREFIX = "auto-";
const AUTO_NAME = /^auto-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ$/;

/** One that the medium failed is tried again after so long, also where the next period begins a month later. */
const RETRY_MS = 60_000;

/**
 * Snapshots that a mount makes by itself, as often as a rule of retention keeps them, and lets go by the same rule. They have
 * names, so they never give way; no other snapshot is touched.
 */
export class AutoSnapshots {
  readonly #engine: Engine;
  readonly #volumes: Volumes;
  readonly #volume: number;
  readonly #rule: Retention;
  #nextMs = -Infinity;

  /** Of the volume with a number. */
  constructor(
    parts: { readonly engine: Engine; readonly volumes: Volumes; readonly volume: number },
    rule: Retention,
  ) {
    this.#engine = parts.engine;
    this.#volumes = parts.volumes;
    this.#volume = parts.volume;
    this.#rule = rule;
  }

  /** Makes one where it is time and the volume has changed since the last; lets go what the rule does not keep. */
  tick(): void {
    const now = this.#engine.runtime.now();
    const periodMs = shortestPeriodMs(this.#rule);
    // A clock that was set back must not stop it.
    if (now < this.#nextMs && now >= this.#nextMs - periodMs) return;
    if (this.#engine.readOnly || this.#engine.inTransaction) return;
    this.#nextMs = (Math.floor(now / periodMs) + 1) * periodMs;
    const made = this.#made();
    if (this.#isDue(made.at(-1), now, periodMs)) this.#make(now);
    for (const { sequence } of outdatedSnapshots(this.#made(), this.#rule)) {
      this.#volumes.deleteSnapshot(this.#name, sequence);
    }
  }

  get #name(): string {
    return this.#volumes.nameOf(this.#volume);
  }

  #made(): PlacedSnapshot[] {
    return this.#volumes.snapshotsOf(this.#volume)
      .filter(({ hidden, name }) => !hidden && AUTO_NAME.test(name));
  }

  /** At once where there is none of this hour, day or year; not where nothing has changed. */
  #isDue(last: PlacedSnapshot | undefined, now: number, periodMs: number): boolean {
    if (last === undefined) return true;
    const { branch } = this.#volumes.recordAt(this.#volume);
    const hasChanged = this.#engine.store.catalog.branch(branch).root !== last.root;
    return hasChanged && Math.floor(last.time / periodMs) !== Math.floor(now / periodMs);
  }

  #make(now: number): void {
    const time = isoTime(now).slice(0, 19);
    try {
      this.#volumes.snapshot(this.#name, `${PREFIX}${time.replaceAll(":", "-")}Z`);
    } catch (error) {
      // A full vault, or a second one of the same second: the next period has another.
      const isTwice = error instanceof VaultError && error.kind === "conflict";
      if (isTwice || isFull(error)) return;
      this.#nextMs = Math.min(this.#nextMs, now + RETRY_MS);
      throw error;
    }
  }
}
