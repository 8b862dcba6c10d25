import { VaultError } from "../errors.ts";
import type { Runtime } from "../runtime.ts";
import { type FileTree, joinPath, kindText, type NodeStat, parentOf } from "./file_tree.ts";

const RANDOM_BYTES = 8;

/** Makes things beside the name that they are to have, and moves them there when they are whole: until then, what has it stays. */
export class Replacement {
  readonly #tree: FileTree;
  readonly #runtime: Pick<Runtime, "random">;

  constructor(tree: FileTree, runtime: Pick<Runtime, "random">) {
    this.#tree = tree;
    this.#runtime = runtime;
  }

  /** `make` makes it at the path that it is given. `there` is what has the name now. */
  async put(
    path: string,
    there: NodeStat | null,
    make: (beside: string) => Promise<void>,
  ): Promise<void> {
    requireReplaceable(path, there);
    const beside = this.#beside(path);
    try {
      await make(beside);
      await this.#tree.rename(beside, path);
    } catch (error) {
      await this.#giveUp(beside);
      throw naming(error, beside, path);
    }
  }

  #beside(path: string): string {
    const random = new Uint8Array(RANDOM_BYTES);
    this.#runtime.random(random);
    return joinPath(parentOf(path), `.sigmavault-${random.toHex()}.part`);
  }

  async #giveUp(beside: string): Promise<void> {
    try {
      await this.#tree.remove(beside);
    } catch (error) {
      // What made it fail is what is to be said; and it may not have been begun.
      if (!(error instanceof VaultError)) throw error;
    }
  }
}

function requireReplaceable(path: string, there: NodeStat | null): void {
  if (there === null || ["file", "symlink", "fifo"].includes(there.kind)) return;
  const text = `Cannot copy to "${path}": it exists and is ${kindText(there.kind)}`;
  throw new VaultError("conflict", text);
}

/** The same error, about the path that somebody named. */
function naming(error: unknown, beside: string, path: string): unknown {
  if (!(error instanceof VaultError) || !error.message.includes(beside)) return error;
  const { kind, errno, message } = error;
  return new VaultError(kind, message.replaceAll(beside, path), { errno, cause: error });
}
