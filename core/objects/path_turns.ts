/** Work on the same path, one after the other. */
export class PathTurns {
  readonly #last = new Map<string, Promise<void>>();

  /** True while there is work on a path. */
  has(path: string): boolean {
    return this.#last.has(path);
  }

  /** Runs work when all that was asked for before, on this path, has ended. */
  async run<T>(path: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.#last.get(path) ?? Promise.resolve()).then(work);
    const ended = turn.then(() => {}, () => {}).then(() => {
      if (this.#last.get(path) === ended) this.#last.delete(path);
    });
    this.#last.set(path, ended);
    return await turn;
  }
}
