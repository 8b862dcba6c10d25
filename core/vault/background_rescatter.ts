import { type RescatterStep, rescatterSteps } from "./rescatter.ts";
import type { PassSteps } from "./pass_driver.ts";
import type { Vault } from "./vault.ts";
import { nextTurn } from "../turn.ts";

/** Seconds from the end of one pass to the next. */
const REST_SECONDS = 60;

/** What re-scattering in the background is told about its surroundings. */
export interface BackgroundRescatterOptions {
  /** Bytes written in a second at most. */
  readonly rateBytes: number;
  /** A number that is another one whenever somebody has used the vault. */
  used(): number;
  /** True while somebody else goes through the vault: it gives up its place and takes it up again later. */
  isTaken?(): boolean;
}

/**
 * Re-scatters an open vault for ever, a little in each second in which nobody uses it. Whoever keeps it open calls `tick` once
 * a second.
 */
export class BackgroundRescatter {
  readonly #vault: Vault;
  readonly #options: BackgroundRescatterOptions;
  #steps: PassSteps<RescatterStep> | null = null;
  #used = -1;
  /** Bytes that may be written; a step that wrote more is made up for by the next seconds. */
  #budget = 0;
  #rest = 0;
  #running = false;

  constructor(vault: Vault, options: BackgroundRescatterOptions) {
    this.#vault = vault;
    this.#options = options;
  }

  /** A second has passed. Rejects with what a step met; the next tick begins a pass where that one was. */
  async tick(): Promise<void> {
    if (this.#running) return;
    const { rateBytes } = this.#options;
    this.#budget = Math.min(rateBytes, this.#budget + rateBytes);
    if (this.#rest > 0) this.#rest--;
    else if (this.#mayRun()) await this.#run();
    this.#used = this.#options.used();
  }

  #mayRun(): boolean {
    if (this.#options.isTaken?.() === true) this.#steps = null;
    return this.#options.isTaken?.() !== true && this.#isQuiet();
  }

  #isQuiet(): boolean {
    const { readOnly, opened: { volume } } = this.#vault;
    const isUsed = this.#options.used() !== this.#used;
    return !isUsed && !readOnly && !volume.inTransaction && volume.store.space.holds === 0;
  }

  async #run(): Promise<void> {
    this.#running = true;
    try {
      while (this.#budget > 0 && this.#isQuiet()) {
        this.#steps ??= rescatterSteps(this.#vault, true);
        const { done, value } = await this.#steps.next();
        if (done === true) {
          this.#rest = REST_SECONDS;
          this.#steps = null;
          return;
        }
        this.#budget -= value.writtenBytes;
        // Only then requests are served, and it shows whether there are any.
        await nextTurn();
      }
    } catch (error) {
      this.#steps = null;
      throw error;
    } finally {
      this.#running = false;
    }
  }
}
