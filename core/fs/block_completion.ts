import { VaultError } from "../errors.ts";
import type { PendingGet } from "../volume/volume_store.ts";
import type { BlockBuffer } from "./block_pool.ts";
import type { Node } from "./node.ts";
import type { StoredData } from "./stored_data.ts";

/** Memory for stored blocks on their way, and how many there may be: each call in the background takes a place of the reader's. */
const SPARE_BYTES = 128 * 1024;
const SPARES_MAX = 8;
/** Fewer are read at once: handing them over costs more. */
const LATER_MIN = 4;

/** A stored block on its way into a spare, for the dirty one that lacks the rest of it. */
interface Coming {
  readonly buffer: BlockBuffer;
  readonly spare: number;
  readonly pending: PendingGet;
}

/** Adds to dirty buffers what the file has stored around the bytes that were written. */
export class BlockCompletion {
  readonly #stored: StoredData;
  readonly #spares: readonly number[];

  constructor(stored: StoredData) {
    const { blockBytes, memory, store } = stored;
    this.#stored = stored;
    const count = Math.max(1, Math.min(SPARES_MAX, Math.floor(SPARE_BYTES / blockBytes)));
    const base = memory.reserve(count * blockBytes);
    this.#spares = Array.from({ length: count }, (_, i) => base + i * blockBytes);
    store.wipers?.push(() => store.kernel.bytes.fill(0, base, base + count * blockBytes));
  }

  /** Makes every byte of a dirty buffer the file's. */
  one(node: Node, buffer: BlockBuffer): void {
    const id = this.#fillUnread(node, buffer);
    if (id === null) return;
    if (buffer.from === buffer.to) {
      this.#stored.open(id, 1, buffer.address);
      return becomesWhole(buffer);
    }
    this.#stored.open(id, 1, this.#spares[0]);
    this.#fillFrom(this.#spares[0], buffer);
  }

  /** The same for many; `failed` is told of those whose stored bytes cannot be read. Crypto workers open several at a time. */
  all(
    node: Node,
    buffers: readonly BlockBuffer[],
    failed: (buffer: BlockBuffer, error: VaultError) => void,
  ): void {
    const free = [...this.#spares];
    const coming: Coming[] = [];
    const attempt = (buffer: BlockBuffer, run: () => void) => {
      try {
        run();
      } catch (error) {
        if (!(error instanceof VaultError)) throw error;
        failed(buffer, error);
      }
    };
    const takeOldest = () => {
      const { buffer, spare, pending } = coming.shift()!;
      free.push(spare);
      attempt(buffer, () => {
        pending.finish();
        this.#fillFrom(spare, buffer);
      });
    };
    for (const buffer of buffers) {
      attempt(buffer, () => {
        const id = this.#fillUnread(node, buffer);
        if (id === null) return;
        if (free.length === 0) takeOldest();
        const spare = free[free.length - 1];
        const pending = buffers.length < LATER_MIN ? null : this.#stored.openLater(id, spare);
        if (pending === null) {
          this.#stored.open(id, 1, spare);
          return this.#fillFrom(spare, buffer);
        }
        free.pop();
        coming.push({ buffer, spare, pending });
      });
    }
    while (coming.length > 0) takeOldest();
  }

  /** Fills what can be filled from memory; else returns the id of the stored block. */
  #fillUnread(node: Node, buffer: BlockBuffer): number | null {
    if (buffer.whole) return null;
    const { extents, pool } = this.#stored;
    const inline = buffer.block === 0 ? this.#stored.inline(node) : null;
    if (inline !== null) return fillAround(buffer, inline);
    const range = extents.find(node, buffer.block);
    if (range.state !== "written") return fillAround(buffer, EMPTY);
    const id = range.firstId + buffer.block - range.first;
    const cached = pool.find(id);
    return cached === undefined ? id : fillAround(buffer, cached.bytes);
  }

  #fillFrom(address: number, buffer: BlockBuffer): void {
    const { store, blockBytes } = this.#stored;
    fillAround(buffer, store.kernel.bytes.subarray(address, address + blockBytes));
  }
}

const EMPTY = new Uint8Array(0);

/** Copies `stored`, and zeros behind it, around the bytes that are the file's already. */
function fillAround(buffer: BlockBuffer, stored: Uint8Array): null {
  const { bytes, from, to } = buffer;
  const head = Math.min(from, stored.length);
  bytes.set(stored.subarray(0, head));
  bytes.fill(0, head, from);
  const tail = Math.max(to, stored.length);
  if (stored.length > to) bytes.set(stored.subarray(to), to);
  bytes.fill(0, tail);
  becomesWhole(buffer);
  return null;
}

/** Every byte is the file's. */
function becomesWhole(buffer: BlockBuffer): void {
  buffer.whole = true;
  buffer.from = 0;
  buffer.to = buffer.bytes.length;
}
