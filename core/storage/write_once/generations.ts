import { VaultError } from "../../errors.ts";
import { listAll, type ObjectAccess } from "../object_access.ts";

/** Hexadecimal digits of a generation in a name. */
const DIGITS = 16;

/** Objects of which the newest counts, under names that say so: `header-…`, `writer-…` (FORMAT.md §16). */
export class Generations {
  readonly #access: ObjectAccess;
  readonly #prefix: string;

  constructor(access: ObjectAccess, prefix: "header-" | "writer-") {
    this.#access = access;
    this.#prefix = prefix;
  }

  /** Those that there are, in ascending order. */
  list(): number[] {
    const found: number[] = [];
    for (const { name } of listAll(this.#access, this.#prefix)) {
      const digits = name.slice(this.#prefix.length);
      if (/^[0-9a-f]{16}$/.test(digits) && Number.isSafeInteger(parseInt(digits, 16))) {
        found.push(parseInt(digits, 16));
      }
    }
    return found;
  }

  nameOf(generation: number): string {
    return this.#prefix + generation.toString(16).padStart(DIGITS, "0");
  }

  /**
   * Makes the generation that comes next. Throws `conflict` where another writer made it, or has made newer ones: the name
   * may be free again because older generations are deleted.
   */
  create(generation: number, bytes: Uint8Array): void {
    try {
      this.#access.create(this.nameOf(generation), bytes);
    } catch (error) {
      throw asFenced(this.#access, error);
    }
    if ((this.list().at(-1) ?? 0) <= generation) return;
    this.#access.delete(this.nameOf(generation));
    throw fenced(this.#access);
  }
}

/** The `conflict` of a name that is taken, in words that say what to do. */
export function asFenced(access: ObjectAccess, error: unknown): unknown {
  return error instanceof VaultError && error.kind === "conflict" ? fenced(access, error) : error;
}

function fenced({ name }: ObjectAccess, cause?: unknown): VaultError {
  return new VaultError(
    "conflict",
    `Cannot write "${name}": another writer has taken it over; close it and open it again`,
    { operation: "write", cause },
  );
}
