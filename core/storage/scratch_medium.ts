import { CELL_BYTES } from "../limits.ts";
import { beyondEnd, checkRange } from "./medium_errors.ts";
import type { MediumSeal } from "./medium_seal.ts";
import type { DirectAccess, StorageBackend, StorageCapabilities } from "./storage_backend.ts";

/**
 * A medium that can be written although the one below is not: what is written stays in memory, and is gone when it is
 * closed. So a vault that was not closed can be looked at as opening it for writing would leave it.
 */
export class ScratchMedium implements StorageBackend {
  readonly name: string;
  readonly supportsSparse: boolean;
  readonly capabilities: StorageCapabilities;
  readonly direct: DirectAccess;
  private readonly base: StorageBackend;
  private readonly below: DirectAccess;
  /** Cells that were written, by their number. */
  private readonly cells = new Map<number, Uint8Array>();
  /** Up to here, what was not written is read from below; behind it are zeros. */
  private belowEnd: number;
  private end: number;

  /** Over a medium that answers at once. Closing it closes `base`. */
  constructor(base: StorageBackend, below: DirectAccess) {
    this.base = base;
    this.below = below;
    this.name = base.name;
    this.supportsSparse = base.supportsSparse;
    this.capabilities = { ...base.capabilities, writable: true, discard: false };
    this.belowEnd = this.end = below.size();
    this.direct = {
      read: (offset, into) => this.readNow(offset, into),
      write: (offset, from) => this.writeNow(offset, from),
      size: () => this.end,
      sync: () => {},
      truncate: (size) => this.truncateNow(size),
      discard: () => {},
    };
  }

  private readNow(offset: number, into: Uint8Array): void {
    if (offset + into.length > this.end) {
      throw beyondEnd(this.name, { offset, size: into.length }, this.end);
    }
    const fromBelow = Math.max(0, Math.min(into.length, this.belowEnd - offset));
    if (fromBelow > 0) this.below.read(offset, into.subarray(0, fromBelow));
    into.fill(0, fromBelow);
    this.eachCell(offset, into.length, (number, { start, from, to }) => {
      const cell = this.cells.get(number);
      if (cell !== undefined) into.set(cell.subarray(start, start + to - from), from);
    });
  }

  private writeNow(offset: number, bytes: Uint8Array): void {
    this.end = Math.max(this.end, offset + bytes.length);
    this.eachCell(offset, bytes.length, (number, { start, from, to }) => {
      const cell = this.cells.get(number) ?? this.original(number);
      cell.set(bytes.subarray(from, to), start);
      this.cells.set(number, cell);
    });
  }

  /** A cell as it was before anything was written there. */
  private original(number: number): Uint8Array {
    const cell = new Uint8Array(CELL_BYTES);
    const size = Math.min(CELL_BYTES, this.belowEnd - number * CELL_BYTES);
    if (size > 0) this.below.read(number * CELL_BYTES, cell.subarray(0, size));
    return cell;
  }

  /** Cuts a range at the ends of cells: bytes `from` to `to` of it begin at `start` in the cell. */
  private eachCell(
    offset: number,
    length: number,
    visit: (number: number, part: { start: number; from: number; to: number }) => void,
  ): void {
    for (let from = 0; from < length;) {
      const start = (offset + from) % CELL_BYTES;
      const to = Math.min(length, from + CELL_BYTES - start);
      visit((offset + from - start) / CELL_BYTES, { start, from, to });
      from = to;
    }
  }

  private truncateNow(size: number): void {
    if (size < this.end) {
      for (const [number, cell] of this.cells) {
        if (number * CELL_BYTES >= size) this.cells.delete(number);
        else cell.fill(0, Math.min(CELL_BYTES, size - number * CELL_BYTES));
      }
    }
    this.belowEnd = Math.min(this.belowEnd, size);
    this.end = size;
  }

  /** See {@linkcode StorageBackend.unlock}. */
  unlock(seal: MediumSeal, mode: "open" | "create"): string | null {
    const damage = this.base.unlock?.(seal, mode) ?? null;
    // Records of its own may tell how long the medium is.
    this.belowEnd = this.end = this.below.size();
    return damage;
  }

  /** See {@linkcode StorageBackend.read}. */
  // deno-lint-ignore require-await
  async read(offset: number, size: number): Promise<Uint8Array<ArrayBuffer>> {
    checkRange(this.name, offset, size);
    const bytes = new Uint8Array(size);
    this.readNow(offset, bytes);
    return bytes;
  }

  /** See {@linkcode StorageBackend.write}. */
  // deno-lint-ignore require-await
  async write(offset: number, data: Uint8Array): Promise<void> {
    checkRange(this.name, offset, data.length);
    this.writeNow(offset, data);
  }

  /** See {@linkcode StorageBackend.size}. */
  size(): Promise<number> {
    return Promise.resolve(this.end);
  }

  /** Nothing of it is ever durable. */
  sync(): Promise<void> {
    return Promise.resolve();
  }

  /** See {@linkcode StorageBackend.truncate}. */
  // deno-lint-ignore require-await
  async truncate(size: number): Promise<void> {
    checkRange(this.name, 0, size);
    this.truncateNow(size);
  }

  /** Nothing is given back. */
  discard(): Promise<void> {
    return Promise.resolve();
  }

  /** See {@linkcode StorageBackend.close}. */
  close(): Promise<void> {
    return this.base.close();
  }
}
