import type { KernelCache, Outdated } from "../core/fs/kernel_cache.ts";
import type { OpenHandles } from "./libfuse3/open_handles.ts";
import { ServedRounds } from "./libfuse3/served_rounds.ts";
import type { ForgetOrder } from "./mount_messages.ts";

/** The kernel's cache as the serving thread reaches it: another thread tells the kernel, because this one must go on serving. */
export class PostedKernelCache implements KernelCache {
  /** The node ids of a file and of its images in snapshots, as far as the kernel may know them. */
  imagesOf: (ino: number) => number[] = (ino) => [ino];
  readonly #handles: OpenHandles;
  readonly #post: (order: ForgetOrder) => void;
  readonly #waiting = new Map<number, () => void>();
  readonly #rounds = new ServedRounds();
  #orders = 0;

  constructor(handles: OpenHandles, post: (order: ForgetOrder) => void) {
    this.#handles = handles;
    this.#post = post;
  }

  takeIn(): Promise<void> {
    // Forgetting an inode writes its changed pages to us first.
    return this.#forget({ inodes: this.#handles.mappable, names: [] });
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
    if (resolve !== undefined) void this.#rounds.wait().then(resolve);
  }

  /** Some requests were served; `empty`: all that there were. */
  served(empty: boolean): void {
    this.#rounds.served(empty);
  }

  /** Nothing is served any more. */
  end(): void {
    this.#rounds.end();
  }

  #forget(what: Omit<ForgetOrder, "id">): Promise<void> {
    if (what.inodes.length === 0 && what.names.length === 0) return Promise.resolve();
    const id = ++this.#orders;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.set(id, resolve);
    this.#post({ ...what, id });
    return promise;
  }
}
