import type { KernelCache, Outdated } from "../core/fs/kernel_cache.ts";
import type { PageRange } from "./libfuse3/exchange.ts";
import type { OpenHandles } from "./libfuse3/open_handles.ts";
import type { ForgetOrder } from "./mount_messages.ts";

/** Rounds of 64 requests after which those have been served that waited: the kernel hands them out in order. */
const ROUNDS_MAX = 32;

/** The kernel's cache as the serving thread reaches it: another thread tells the kernel, because this one must go on serving. */
export class PostedKernelCache implements KernelCache {
  /** The node ids of a file and of its images in snapshots, as far as the kernel may know them. */
  imagesOf: (ino: number) => number[] = (ino) => [ino];
  readonly #handles: OpenHandles;
  readonly #post: (order: ForgetOrder) => void;
  readonly #waiting = new Map<number, () => void>();
  #told: (() => void)[] = [];
  #rounds = 0;
  #over = false;
  #orders = 0;

  constructor(handles: OpenHandles, post: (order: ForgetOrder) => void) {
    this.#handles = handles;
    this.#post = post;
  }

  takeIn(): Promise<void> {
    // Forgetting an inode writes its changed pages to us first.
    return this.#forget({ inodes: this.#handles.mappable, names: [] });
  }

  /** The same for a part of a file only, in which somebody looks for data. */
  takeInPages(pages: PageRange): Promise<void> {
    return this.#order({ inodes: [], names: [], pages });
  }

  async drop({ inodes, names, stale }: Outdated): Promise<void> {
    this.#handles.rolledBack(stale);
    await this.#forget({ inodes: [...inodes], names });
    this.#handles.pagesAreGone();
  }

  async dropContent(ino: number): Promise<void> {
    await this.#forget({ inodes: this.imagesOf(ino), names: [] });
  }

  /** The order with this number has been carried out. */
  forgotten(id: number): void {
    const resolve = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (resolve === undefined) return;
    this.#told.push(resolve);
    this.#rounds = 0;
    if (this.#over) this.#resolveTold();
  }

  /**
   * Some requests were served; `empty`: all that there were. Before Linux 6.16, what the kernel was writing already when it was told
   * to forget it is written from a copy, and may still have been waiting to be served.
   */
  served(empty: boolean): void {
    if (this.#told.length === 0) return;
    if (empty || ++this.#rounds > ROUNDS_MAX) this.#resolveTold();
  }

  /** Nothing is served any more. */
  end(): void {
    this.#over = true;
    this.#resolveTold();
  }

  #resolveTold(): void {
    const told = this.#told;
    this.#told = [];
    for (const resolve of told) resolve();
  }

  #forget(what: Omit<ForgetOrder, "id">): Promise<void> {
    if (what.inodes.length === 0 && what.names.length === 0) return Promise.resolve();
    return this.#order(what);
  }

  #order(what: Omit<ForgetOrder, "id">): Promise<void> {
    const id = ++this.#orders;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.set(id, resolve);
    this.#post({ ...what, id });
    return promise;
  }
}
