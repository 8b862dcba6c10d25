import type { TreeStore } from "../tree/tree_store.ts";
import type { PreparedRoot } from "../tree/tree_store_parts.ts";
import type { MediumSync } from "./medium_sync.ts";

/** What a root on its way stands on. */
export interface RootWriteParts {
  readonly store: TreeStore;
  readonly sync: MediumSync;
  readonly prepared: PreparedRoot;
  /** Called with each run of cells that became usable when it is durable. */
  released(run: number): void;
  /** Called when it counts. */
  durable(): void;
}

/**
 * A root that is written and not durable yet: sync, superblock, sync. Changes go on meanwhile and belong to the
 * next root. It may be waited for aside and, when somebody cannot wait, be finished at once.
 */
export class RootWrite {
  private readonly parts: RootWriteParts;
  private step: "written" | "named" | "durable" = "written";
  private failure: unknown;

  constructor(parts: RootWriteParts) {
    this.parts = parts;
  }

  /** True when it counts. */
  get isDurable(): boolean {
    return this.step === "durable";
  }

  /** Makes it durable on this thread. */
  now(): void {
    const { sync } = this.parts;
    this.attempt(() => {
      if (this.step === "written") {
        sync.now();
        this.name();
      }
      if (this.step === "named") {
        sync.now();
        this.finish();
      }
    });
  }

  /** Resolves when it is durable. */
  async later(): Promise<void> {
    await this.syncAside();
    this.attempt(() => this.step === "written" && this.name());
    if (this.isDurable) return;
    await this.syncAside();
    this.attempt(() => this.step === "named" && this.finish());
  }

  private async syncAside(): Promise<void> {
    try {
      await this.parts.sync.later();
    } catch (error) {
      // Whoever could not wait may have made it durable meanwhile.
      if (!this.isDurable) this.attempt(() => fail(error));
    }
  }

  /** A root that failed once goes no further: what it should have made durable may be lost. */
  private attempt(step: () => void): void {
    if (this.failure !== undefined) throw this.failure;
    try {
      step();
    } catch (error) {
      this.failure = error;
      throw error;
    }
  }

  private name(): void {
    this.parts.store.publish(this.parts.prepared);
    this.step = "named";
  }

  private finish(): void {
    this.parts.store.finish(this.parts.prepared, this.parts.released);
    this.step = "durable";
    this.parts.durable();
  }
}

function fail(error: unknown): never {
  throw error;
}
