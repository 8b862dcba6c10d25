import { VaultError } from "../../errors.ts";
import { FIXED_BYTES, FIXED_CELLS, HEADER_COPIES, headerOffset } from "../../format/header.ts";
import { CELL_BYTES, SEGMENT_CELLS } from "../../limits.ts";
import type { ObjectAccess } from "../object_access.ts";
import { Generations } from "./generations.ts";

/**
 * The fixed cells of both header copies: what must be readable before any key is known. They change with key slots only, so
 * one object holds them all, and each sync that finds them changed makes the next generation.
 */
export class HeaderObjects {
  readonly #access: ObjectAccess;
  readonly #generations: Generations;
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(FIXED_BYTES * HEADER_COPIES.length);
  /** The newest generation known; 0 where there is none. */
  #newest = 0;
  #changed = false;

  constructor(access: ObjectAccess) {
    this.#access = access;
    this.#generations = new Generations(access, "header-");
  }

  /** Reads the newest generation. */
  load(): void {
    for (;;) {
      const newest = this.#generations.list().at(-1);
      if (newest === undefined) return;
      try {
        this.#access.read(this.#generations.nameOf(newest), 0, this.#bytes);
        this.#newest = newest;
        return;
      } catch (error) {
        // A writer deletes an older one as soon as the next is there, so look again.
        const isGone = error instanceof VaultError && error.kind === "missing";
        if (!isGone || this.#generations.list().at(-1) === newest) throw error;
      }
    }
  }

  /** True where there is a header. */
  get exists(): boolean {
    return this.#newest > 0;
  }

  /** The bytes of a fixed header cell to read; null for every other cell. */
  find(cell: number): Uint8Array | null {
    const copy = Math.floor(cell / SEGMENT_CELLS);
    if (copy >= HEADER_COPIES.length || cell % SEGMENT_CELLS >= FIXED_CELLS) return null;
    const at = (copy * FIXED_CELLS + cell % SEGMENT_CELLS) * CELL_BYTES;
    return this.#bytes.subarray(at, at + CELL_BYTES);
  }

  /** Zeroes what lies at `offset` and behind; true where there is any. */
  zeroFrom(offset: number): boolean {
    let isAny = false;
    for (const copy of HEADER_COPIES) {
      const from = Math.max(0, offset - headerOffset(copy));
      if (from >= FIXED_BYTES) continue;
      this.#bytes.fill(0, copy * FIXED_BYTES + from, (copy + 1) * FIXED_BYTES);
      isAny = true;
    }
    return isAny;
  }

  /** The bytes returned by `find` have been written to. */
  noteChange(): void {
    this.#changed = true;
  }

  /** True where the next `save` has something to do. */
  get isChanged(): boolean {
    return this.#changed;
  }

  /** Makes the next generation durable and removes the older ones: a removed key slot must not stay readable there. */
  save(): void {
    this.#generations.create(this.#newest + 1, this.#bytes);
    this.#newest++;
    this.#access.sync();
    this.#changed = false;
    for (const generation of this.#generations.list()) {
      if (generation < this.#newest) this.#access.delete(this.#generations.nameOf(generation));
    }
  }
}
