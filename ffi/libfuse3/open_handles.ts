import type { PageRange } from "./exchange.ts";
import type { StaleNode } from "../../core/fs/kernel_cache.ts";

const O_ACCMODE = 3;
const O_RDWR = 2;

/** What was opened before a rollback that took the file away or changed it. */
interface Stale {
  /** Handles below this one were opened before. */
  readonly before: number;
  /** How many of them have not been released. */
  left: number;
}

/** An inode that is open for reading and writing. */
interface Mappable {
  /** How often. */
  opens: number;
  /** The kernel may have pages from here on, */
  from: number;
  /** up to here: both in bytes. */
  to: number;
}

/**
 * What programs have open. Requests name the inode, so a handle only says when it was opened: how many rollbacks had been
 * before. A handle of a file that a rollback changed is stale: what its owner knows of the file, and pages that it changed through
 * a memory map, belong to a state that is not there any more. (The kernel may still answer its reads from pages that somebody
 * else has read since: they then show the file as it is.)
 */
export class OpenHandles {
  #rollbacks = 0;
  readonly #writers = new Map<number, Mappable>();
  readonly #stale = new Map<number, Stale>();
  readonly #withPages = new Set<number>();

  /** The handle of what is opened now. */
  opened(ino: number, flags: number): number {
    if ((flags & O_ACCMODE) === O_RDWR) {
      const known = this.#writers.get(ino);
      if (known !== undefined) known.opens++;
      else this.#writers.set(ino, { opens: 1, from: 0, to: Infinity });
    }
    return this.#rollbacks;
  }

  /** A handle was closed: `flags` are those of its opening. */
  released(ino: number, flags: number, handle: number): void {
    if ((flags & O_ACCMODE) === O_RDWR) {
      const known = this.#writers.get(ino);
      if (known !== undefined && --known.opens <= 0) this.#writers.delete(ino);
    }
    const stale = this.#stale.get(ino);
    if (stale !== undefined && handle < stale.before && --stale.left <= 0) this.#stale.delete(ino);
  }

  /**
   * True for an inode whose pages in the kernel may be of a state that was rolled back. The kernel writes them through any handle, also
   * through one that was opened since.
   */
  hasPagesOfBefore(ino: number): boolean {
    return this.#withPages.has(ino);
  }

  /** The kernel has forgotten the pages of what was rolled back. */
  pagesAreGone(): void {
    this.#withPages.clear();
  }

  /** True while any handle is stale: only then they need to be looked at. */
  get anyStale(): boolean {
    return this.#stale.size > 0;
  }

  isStale(ino: number, handle: number): boolean {
    const stale = this.#stale.get(ino);
    return stale !== undefined && handle < stale.before;
  }

  /** True for an inode that may be mapped for writing. */
  isMappable(ino: number): boolean {
    return this.#writers.has(ino);
  }

  /** The kernel has read a part: from now on it may have pages there, which a program may change through a map. */
  read(ino: number, offset: number, length: number): void {
    const known = this.#writers.size === 0 ? undefined : this.#writers.get(ino);
    if (known === undefined) return;
    if (offset < known.from) known.from = offset;
    if (offset + length > known.to) known.to = offset + length;
  }

  /**
   * What has to be asked of the kernel so that nothing in `range` is known to it alone, which is taken as done; null where nothing
   * can be. A page can only be changed through a map once the kernel has read it.
   */
  takingIn({ ino, offset, length }: PageRange): PageRange | null {
    const known = this.#writers.get(ino);
    const end = offset + length;
    if (known === undefined || end <= known.from || offset >= known.to) return null;
    let until = end;
    if (offset > known.from) {
      // Whoever walks on meets nothing more behind it.
      [until, known.to] = [Math.max(end, known.to), offset];
    } else if (end < known.to) known.from = end;
    else [known.from, known.to] = [Infinity, 0];
    return { ino, offset, length: until - offset };
  }

  /** Inodes that may be mapped for writing: that takes an opening for reading and writing, and a map keeps it open. */
  get mappable(): number[] {
    return [...this.#writers.keys()];
  }

  /** A rollback has happened: what these inodes were opened by before is stale. */
  rolledBack(nodes: readonly StaleNode[]): void {
    this.#rollbacks++;
    for (const { ino, opens } of nodes) {
      this.#stale.set(ino, { before: this.#rollbacks, left: opens });
      this.#withPages.add(ino);
    }
  }
}
