import type { FileSystem } from "../fs/file_system.ts";
import { fail } from "../fs/errno.ts";
import type { Joint, View } from "../fs/view.ts";

/** Views that are open at once: each takes about 5 MiB of kernel memory. */
const VIEWS_MAX = 7;
/** A view that nobody has used for so many seconds is closed. */
const IDLE_SECONDS_MAX = 60;

/** The files of a view, opened. */
export interface OpenFiles {
  readonly fileSystem: FileSystem;
  close(): void;
}

/** The views that are open: the one that has not been used for longest goes when there are too many. */
export class ViewCache {
  readonly #open = new Set<LazyView>();
  #uses = 0;

  /** Numbers the uses of all views. */
  use(): number {
    return ++this.#uses;
  }

  /** Makes room for one more. */
  enter(view: LazyView): void {
    if (this.#open.size >= VIEWS_MAX) this.#closeOldest();
    this.#open.add(view);
  }

  /** One was closed. */
  leave(view: LazyView): void {
    this.#open.delete(view);
  }

  #closeOldest(): void {
    let oldest: LazyView | null = null;
    for (const view of this.#open) {
      if (!view.isPinned && (oldest === null || view.lastUse < oldest.lastUse)) oldest = view;
    }
    if (oldest === null) fail("EMFILE");
    oldest.close();
  }

  /** A second has passed. */
  tick(): void {
    for (const view of [...this.#open]) {
      if (++view.idleSeconds > IDLE_SECONDS_MAX && !view.isPinned) view.close();
    }
  }

  /** Closes all, whoever uses them. */
  closeAll(): void {
    for (const view of [...this.#open]) view.close();
  }

  /** Views that are open. */
  get size(): number {
    return this.#open.size;
  }
}

/** A view that is opened when it is needed, and closed when it is not. */
export class LazyView implements View {
  readonly up: View;
  readonly changing = false;
  readonly isLive = false;
  /** When it was used last, as a number of its cache. */
  lastUse = 0;
  idleSeconds = 0;
  readonly #cache: ViewCache;
  readonly #make: (view: LazyView) => OpenFiles;
  #files: OpenFiles | null = null;
  #pins = 0;
  #isGone = false;

  constructor(up: View, cache: ViewCache, make: (view: LazyView) => OpenFiles) {
    this.up = up;
    this.#cache = cache;
    this.#make = make;
  }

  get fileSystem(): FileSystem {
    this.lastUse = this.#cache.use();
    this.idleSeconds = 0;
    return (this.#files ?? this.#open()).fileSystem;
  }

  #open(): OpenFiles {
    if (this.#isGone) fail("ESTALE");
    this.#cache.enter(this);
    try {
      return this.#files = this.#make(this);
    } catch (error) {
      this.#cache.leave(this);
      throw error;
    }
  }

  joint(_name: Uint8Array): View | null {
    return null;
  }

  joints(): Iterable<Joint> {
    return [];
  }

  pin(): void {
    this.#pins++;
  }

  unpin(): void {
    this.#pins--;
  }

  /** True while a file of it is open. */
  get isPinned(): boolean {
    return this.#pins > 0;
  }

  /** Gives its memory back; it opens again when it is used. */
  close(): void {
    const files = this.#files;
    this.#files = null;
    this.#cache.leave(this);
    files?.close();
  }

  /** Closes it for good: what it showed is about to be deleted. Whoever has a file of it open gets ESTALE. */
  revoke(): void {
    this.#isGone = true;
    this.close();
  }
}
