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
    const [inode, size, puts] = [{ ...node.inode }, node.size, node.puts];
    const applied = () => (store.applied ?? 0) - dirty.aside;
    const begun = applied();
    try {
      change();
    } catch (error) {
      // What made room may have been data of this file: then it is not as it was.
      if (node.puts !== puts && !isRefusal(error)) store.giveUp?.(error);
      else if (node.puts === puts && applied() === begun) {
        Object.assign(node.inode, inode);
        node.size = size;
        forgetExtents(node);
      }
      throw error;
    }
  }

  #failedSince(begun: number, error: unknown): void {
    if (!isRefusal(error) && this.#applied !== begun) this.#store.giveUp?.(error);
  }

  /** Mutations but those that made room in memory, and data that was given up before it was put. */
  get #applied(): number {
    return (this.#store.applied ?? 0) - this.#dirty.aside + this.#dirty.discarded;
  }
}

/** Whoever refuses something does so before he changes anything, or with what stands for itself. */
function isRefusal(error: unknown): boolean {
  const answer = asPosixError(error);
  return answer instanceof PosixError && answer.errno !== ERRNO.EIO;
}
