import type { NodeStat } from "./file_tree.ts";

/** Where each thing with several names was copied to, so that its other names become links to that. */
export class CopiedLinks {
  readonly #paths = new Map<string, string>();
  readonly #identities = new Map<string, string>();

  /** The path of its copy, where there is one. */
  find({ links, identity }: NodeStat): string | undefined {
    return links > 1 ? this.#paths.get(identity) : undefined;
  }

  /** It was copied to `path`. */
  note({ links, identity }: NodeStat, path: string): void {
    if (links <= 1 || identity === "") return;
    this.#paths.set(identity, path);
    this.#identities.set(path, identity);
  }

  /** Something is about to be written at `path`: two sources may have one name. */
  replacing(path: string): void {
    const identity = this.#identities.get(path);
    if (identity === undefined) return;
    this.#identities.delete(path);
    if (this.#paths.get(identity) === path) this.#paths.delete(identity);
  }
}
