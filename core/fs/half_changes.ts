import type { VolumeStore } from "../volume/volume_store.ts";
import type { DirtyData } from "./dirty_data.ts";
import { asPosixError, ERRNO } from "./errno.ts";
import { PosixError } from "./file_system.ts";
import type { LeftWork } from "./left_work.ts";
import { forgetExtents, type Node } from "./node.ts";

/** What changes of files in memory are seen by. */
interface MemoryParts {
  readonly store: VolumeStore;
  readonly dirty: DirtyData;
}

/**
 * Sees to it that no half of a change becomes durable. The medium may fail at any record that a change has to read, also when it has
 * changed others already; the store then takes no more changes, and what is durable is as it was before.
 */
export class HalfChanges {
  readonly #store: VolumeStore;
  readonly #dirty: DirtyData;
  /** Mutations when the change began that is under way, or whose work is left. */
  #begun = 0;

  constructor(store: VolumeStore, { dirty, left }: { dirty: DirtyData; left: LeftWork }) {
    this.#store = store;
    this.#dirty = dirty;
    left.onFailure = (error) => this.failed(error);
  }

  /** A change begins; what the one before has left is done. */
  begin(): void {
    this.#begun = this.#applied;
  }

  /** The change has failed, or what it left. */
  failed(error: unknown): void {
    this.#failedSince(this.#begun, error);
  }

  /** Runs what changes something and is no change of a caller's. */
  whole<T>(run: () => T): T {
    const begun = this.#applied;
    try {
      return run();
    } catch (error) {
      this.#failedSince(begun, error);
      throw asPosixError(error);
    }
  }

  /**
   * Runs a change of a file that changes it in memory first. Where it fails before anything of it is in the tree, the file is as it
   * was; but data that was given up does not come back.
   */
  static ofFile({ store, dirty }: MemoryParts, node: Node, change: () => void): void {
    const [inode, size, discarded] = [{ ...node.inode }, node.size, dirty.discarded];
    const applied = () => (store.applied ?? 0) - dirty.aside;
    const begun = applied();
    try {
      change();
    } catch (error) {
      if (applied() === begun) {
        Object.assign(node.inode, inode);
        node.size = size;
        forgetExtents(node);
        if (dirty.discarded !== discarded) store.giveUp?.(error);
      }
      throw error;
    }
  }

  /** Whoever refuses something does so before he changes anything, or with what stands for itself. */
  #failedSince(begun: number, error: unknown): void {
    const answer = asPosixError(error);
    const isRefused = answer instanceof PosixError && answer.errno !== ERRNO.EIO;
    if (!isRefused && this.#applied !== begun) this.#store.giveUp?.(error);
  }

  /** Mutations but those that made room in memory. */
  get #applied(): number {
    return (this.#store.applied ?? 0) - this.#dirty.aside;
  }
}
