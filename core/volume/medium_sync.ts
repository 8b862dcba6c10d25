import type { Runtime } from "../runtime.ts";
import type { DirectAccess } from "../storage/storage_backend.ts";

/** A sync that takes longer than this goes aside: about what going aside costs. */
const ASIDE_MS = 0.3;
/** One that went aside and still took no longer than this could as well have been waited for. */
const BACK_MS = 1;
/** Share of the newest duration in the average. */
const NEWEST_SHARE = 0.25;

/** Syncs the media: on this thread where that takes no time, aside where this thread would stand still for it. */
export class MediumSync {
  private readonly medium: Pick<DirectAccess, "sync" | "syncLater">;
  private readonly runtime: Runtime;
  private averageMs = 0;

  constructor(medium: Pick<DirectAccess, "sync" | "syncLater">, runtime: Runtime) {
    this.medium = medium;
    this.runtime = runtime;
  }

  /** True where waiting is worth going aside for. */
  get goesAside(): boolean {
    return this.averageMs > ASIDE_MS && this.medium.syncLater !== undefined;
  }

  /** Waits on this thread until what was written is durable. */
  now(): void {
    const start = this.runtime.now();
    this.medium.sync();
    this.note(this.runtime.now() - start);
  }

  /** Resolves when what was written before the call is durable. */
  async later(): Promise<void> {
    if (this.medium.syncLater === undefined) return this.now();
    const start = this.runtime.now();
    await this.medium.syncLater();
    const tookMs = this.runtime.now() - start;
    this.note(tookMs < BACK_MS ? 0 : tookMs);
  }

  private note(tookMs: number): void {
    this.averageMs += NEWEST_SHARE * (tookMs - this.averageMs);
  }
}
