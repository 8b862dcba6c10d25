/** Lets work on one path happen in turns, among what this process does. */
export class PathTurns {
  readonly #last = new Map<string, Promise<void>>();

  /** True while there is work on a path. */
  has(path: string): boolean {
    return this.#last.has(path);
  }

  /** Does `work` when all that was to happen on any of `paths` has ended. */
  async take<T>(paths: readonly string[], work: () => Promise<T>): Promise<T> {
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    // Taken all at once, so that nobody waits in a circle.
    const before = paths.map((path) => this.#last.get(path));
    for (const path of paths) this.#last.set(path, ended);
    try {
      await Promise.all(before);
      return await work();
    } finally {
      for (const path of paths) if (this.#last.get(path) === ended) this.#last.delete(path);
      resolve();
    }
  }
}
