import type { Vault } from "./vault.ts";

/** What could not be finished is tried again after this many milliseconds. */
const RETRY_MS = 3_600_000;

/** Scrubs an open vault now and then: when the last one is old enough, whoever ran it. Whoever keeps it open calls `tick` once a second. */
export class ScrubSchedule {
  readonly #vault: Vault;
  readonly #everyMs: number;
  readonly #run: () => Promise<void>;
  #running = false;
  #notBefore = 0;

  /** `run` scrubs; it says itself how that went. */
  constructor(vault: Vault, everyMs: number, run: () => Promise<void>) {
    this.#vault = vault;
    this.#everyMs = everyMs;
    this.#run = run;
  }

  /** A second has passed. */
  async tick(): Promise<void> {
    const { readOnly, header: { runtime } } = this.#vault;
    const now = runtime.now();
    if (this.#running || readOnly || now < this.#notBefore || !this.#isDue(now)) return;
    this.#running = true;
    this.#notBefore = now + Math.min(RETRY_MS, this.#everyMs);
    try {
      await this.#run();
    } finally {
      this.#running = false;
    }
  }

  #isDue(now: number): boolean {
    const last = this.#vault.opened.volume.store.catalog.scrub();
    return last === null || now - last.finished >= this.#everyMs;
  }
}
