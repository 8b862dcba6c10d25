import type { Vault } from "./vault.ts";

/** Changes become durable after this many seconds without anybody asking. */
const COMMIT_SECONDS = 5;
/** A vault that nobody has changed for so long is tidied. */
const TIDY_SECONDS = 10;
/** Blocks of deleted files that one idle step frees. */
const RECLAIM_BLOCKS = 256;
/** Blocks of deleted volumes and snapshots that one idle step frees. */
const BLOCKS_PER_IDLE = 256;
/** What could not be freed is tried again after so long. */
const FREES_AGAIN_SECONDS = 60;
/** Roots until given-up cells can be used. */
const ROOTS_TO_REST = 3;

/**
 * What an open vault needs although nobody asks: what was deleted is freed, changes become durable, and when it is quiet,
 * free cells come to the end of their rest and go back to the storage below. Whoever keeps it open calls `tick` once a
 * second, and `idle` when nothing else is to be done.
 */
export class Upkeep {
  readonly #vault: Vault;
  #waited = 0;
  #quiet = 0;
  #tidy = true;
  #busy = false;
  /** Seconds in which nothing is freed. */
  #freesAfter = 0;

  constructor(vault: Vault) {
    this.#vault = vault;
  }

  /** A second has passed. Rejects with what a commit met. */
  async tick(): Promise<void> {
    const { views, readOnly, opened: { volume, memory } } = this.#vault;
    memory?.tick();
    if (this.#freesAfter > 0) this.#freesAfter--;
    if (readOnly || this.#busy || volume.inTransaction) return;
    if (views.hasUncommitted) {
      this.#quiet = 0;
      this.#tidy = false;
      if (++this.#waited >= COMMIT_SECONDS) await this.#alone(() => views.syncAll());
    } else if (!this.#tidy && ++this.#quiet >= TIDY_SECONDS) {
      this.#tidy = true;
      await this.#alone(() => this.#giveBack());
    }
  }

  /**
   * Frees some of what deleted files, volumes and snapshots held; true where more can be done. Inside a transaction it waits: what
   * undoing needs stays in memory. After a failure, which it throws, the rest waits for a minute.
   */
  idle(): boolean {
    const { views, opened: { volume, volumes } } = this.#vault;
    if (this.#freesAfter > 0 || this.#busy || volume.inTransaction) return false;
    try {
      const reclaims = views.fileSystems.some((fileSystem) => fileSystem.reclaim(RECLAIM_BLOCKS));
      return reclaims || volumes.destroyStep(BLOCKS_PER_IDLE);
    } catch (error) {
      this.#freesAfter = FREES_AGAIN_SECONDS;
      throw error;
    }
  }

  async #alone(work: () => void | Promise<void>): Promise<void> {
    this.#waited = 0;
    this.#busy = true;
    try {
      await work();
    } finally {
      this.#busy = false;
    }
  }

  #giveBack(): void {
    const { volume } = this.#vault.opened;
    for (let n = 0; n < ROOTS_TO_REST && volume.store.space.resting.cells > 0; n++) {
      volume.commitNow();
    }
    volume.engine.discardReleased();
  }
}
