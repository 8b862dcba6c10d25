import type { KernelMemory } from "../crypto/kernel.ts";
import { VaultError } from "../errors.ts";
import { KIB } from "../limits.ts";
import type { FileReader } from "./file_read.ts";
import type { ReadSpans } from "./file_system.ts";
import type { Node } from "./node.ts";

/** Bytes copied at a time. */
const PIECE_BYTES = 128 * KIB;

/** Copies ranges between files by way of a piece of kernel memory. */
export class FileCopier {
  readonly #kernel: KernelMemory;
  readonly #reader: FileReader;
  readonly #address: number;
  readonly #spans: ReadSpans = { total: 0, count: 0, addresses: [], lengths: [] };

  constructor(kernel: KernelMemory, reader: FileReader) {
    this.#kernel = kernel;
    this.#reader = reader;
    this.#address = kernel.reserve(PIECE_BYTES);
  }

  /** Reads up to `length` bytes and gives them to `write`, a piece at a time; returns how many there were. */
  copy(
    from: Node,
    range: { offset: number; length: number },
    write: (address: number, at: number, length: number) => void,
  ): number {
    let done = 0;
    while (done < range.length) {
      const want = Math.min(PIECE_BYTES, range.length - done);
      this.#reader.read(from, range.offset + done, want, this.#spans);
      const { total } = this.#spans;
      if (total === 0) break;
      this.#gather();
      try {
        write(this.#address, done, total);
      } catch (error) {
        // As in Linux: what was copied counts, and the next call meets the error again.
        if (done === 0 || !(error instanceof VaultError)) throw error;
        return done;
      }
      done += total;
    }
    return done;
  }

  #gather(): void {
    const { count, addresses, lengths } = this.#spans;
    let to = this.#address;
    for (let i = 0; i < count; i++) {
      this.#kernel.bytes.copyWithin(to, addresses[i], addresses[i] + lengths[i]);
      to += lengths[i];
    }
  }
}
