import { VaultError } from "../errors.ts";
import { systemRuntime } from "../runtime.ts";
import { within } from "../storage/time_limit.ts";
import { waitMs } from "./byte_rate.ts";

/** Tells a CDN that it shall forget what it has of these URLs; throws where it does not. Called with the same ones again then. */
export type Invalidate = (
  urls: readonly string[],
  options: { readonly signal: AbortSignal },
) => Promise<unknown>;

/** How URLs are told. */
export interface InvalidationSettings {
  /** URLs of one call; 30 unless given: what every CDN takes. */
  readonly batch?: number;
  /** Milliseconds in which URLs gather; 100 unless given. */
  readonly gatherMs?: number;
  /** Calls for the same URLs, the first one included; 5 unless given. */
  readonly attempts?: number;
  /** Milliseconds before the second call; each wait is twice the one before; 500 unless given. */
  readonly delayMs?: number;
  /** Milliseconds until a call is given up; 10,000 unless given. */
  readonly callMs?: number;
  /** Milliseconds that closing waits for what is left; 10,000 unless given. */
  readonly closeMs?: number;
  /** URLs that wait at most; those beyond are not told; 100,000 unless given. */
  readonly waitingMax?: number;
}

const DEFAULTS: Required<InvalidationSettings> = {
  batch: 30,
  gatherMs: 100,
  attempts: 5,
  delayMs: 500,
  callMs: 10_000,
  closeMs: 10_000,
  waitingMax: 100_000,
};

/**
 * URLs whose content has changed, on their way to whoever keeps copies. They are told later and together; storage does not wait
 * for it and never fails by it. One that changes while it is being told is told again.
 */
export class Invalidations {
  readonly #invalidate: Invalidate;
  readonly #warn: (warning: VaultError) => void;
  readonly #settings: Required<InvalidationSettings>;
  readonly #waiting = new Set<string>();
  /** Ends waits when all is to be told now. */
  readonly #closing = new AbortController();
  /** Ends everything. */
  readonly #ending = new AbortController();
  #running: Promise<void> | null = null;
  #dropped = 0;

  /** `warn` hears of what could not be told. */
  constructor(
    invalidate: Invalidate,
    warn: (warning: VaultError) => void,
    settings: InvalidationSettings = {},
  ) {
    this.#invalidate = invalidate;
    this.#warn = warn;
    this.#settings = { ...DEFAULTS, ...settings };
  }

  /** What is at this URL is not what it was. */
  changed(url: string): void {
    if (this.#waiting.size >= this.#settings.waitingMax && !this.#waiting.has(url)) {
      this.#dropped++;
      return;
    }
    this.#waiting.add(url);
    this.#running ??= this.#run();
  }

  /** Tells what waits, for as long as closing may take. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort();
    const timer = setTimeout(() => this.#ending.abort(), this.#settings.closeMs);
    try {
      await this.#running;
    } finally {
      clearTimeout(timer);
    }
  }

  async #run(): Promise<void> {
    await waited(this.#settings.gatherMs, this.#closing.signal);
    while (this.#waiting.size > 0 && !this.#ending.signal.aborted) {
      const batch = [...this.#waiting.values().take(this.#settings.batch)];
      for (const url of batch) this.#waiting.delete(url);
      await this.#tell(batch);
    }
    this.#lost(this.#waiting.size + this.#dropped, "there was no time or room for more");
    this.#waiting.clear();
    this.#dropped = 0;
    this.#running = null;
  }

  async #tell(batch: readonly string[]): Promise<void> {
    const { attempts, delayMs, callMs } = this.#settings;
    const { signal } = this.#ending;
    for (let tries = 1;; tries++) {
      try {
        await within({ milliseconds: callMs, signal }, async (signal) => {
          await this.#invalidate(batch, { signal });
        });
        return;
      } catch (error) {
        if (tries >= attempts || signal.aborted) {
          const why = error instanceof Error ? error.message : "it failed";
          return this.#lost(batch.length, signal.aborted ? "closing took too long" : why, error);
        }
      }
      await waited(byChance(delayMs * 2 ** (tries - 1)), this.#ending.signal);
    }
  }

  #lost(count: number, why: string, cause?: unknown): void {
    if (count === 0) return;
    const message = `Cannot invalidate ${count} URLs, which may show older files: ${why}`;
    this.#warn(new VaultError("unavailable", message, { operation: "invalidate", cause }));
  }
}

/** Half of it to all of it, so that many do not come at once. */
function byChance(milliseconds: number): number {
  const random = new Uint8Array(1);
  systemRuntime.random(random);
  return milliseconds * (0.5 + random[0] / 512);
}

/** Waits so long, or until the signal. */
async function waited(milliseconds: number, signal: AbortSignal): Promise<void> {
  await waitMs(milliseconds, signal).catch(() => {}); // only the signal ends it early
}
