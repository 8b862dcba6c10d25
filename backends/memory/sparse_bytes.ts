/** Bytes of one chunk: the unit of allocation and of copying. */
const CHUNK_BYTES_DEFAULT = 64 * 1024;

/**
 * A byte array with holes: chunks are allocated when first written, and a fork shares them until
 * one of the two writes. Knows nothing of limits, locks or names.
 */
export class SparseBytes {
  readonly #chunkBytes: number;
  readonly #chunks: Map<number, Uint8Array<ArrayBuffer>>;
  /** Chunks that no fork shares, so they may be written in place. */
  #owned = new Set<number>();
  #length: number;

  /** An empty array; `chunkBytes` is the unit of allocation. */
  constructor(chunkBytes: number = CHUNK_BYTES_DEFAULT) {
    this.#chunkBytes = chunkBytes;
    this.#chunks = new Map();
    this.#length = 0;
  }

  /** Bytes from the start to the end, holes included. */
  get length(): number {
    return this.#length;
  }

  /** Bytes that allocated chunks take. */
  get allocatedBytes(): number {
    return this.#chunks.size * this.#chunkBytes;
  }

  /** Bytes that writing `size` bytes at `offset` would allocate. */
  bytesToAllocate(offset: number, size: number): number {
    if (size === 0) return 0;
    const last = Math.floor((offset + size - 1) / this.#chunkBytes);
    let missing = 0;
    for (let index = Math.floor(offset / this.#chunkBytes); index <= last; index++) {
      if (!this.#chunks.has(index)) missing++;
    }
    return missing * this.#chunkBytes;
  }

  /** A copy that shares every chunk until either side writes to it. */
  fork(): SparseBytes {
    const copy = new SparseBytes(this.#chunkBytes);
    for (const [index, chunk] of this.#chunks) copy.#chunks.set(index, chunk);
    copy.#length = this.#length;
    this.#owned = new Set();
    return copy;
  }

  /** Fills `into` from `offset`; holes and everything past the end read as zeros. */
  read(offset: number, into: Uint8Array): void {
    for (let done = 0; done < into.length;) {
      const [index, within] = this.#locate(offset + done);
      const size = Math.min(into.length - done, this.#chunkBytes - within);
      const chunk = this.#chunks.get(index);
      if (chunk === undefined) into.fill(0, done, done + size);
      else into.set(chunk.subarray(within, within + size), done);
      done += size;
    }
  }

  /** Copies `from` to `offset`, growing as needed. */
  write(offset: number, from: Uint8Array): void {
    for (let done = 0; done < from.length;) {
      const [index, within] = this.#locate(offset + done);
      const size = Math.min(from.length - done, this.#chunkBytes - within);
      this.#writable(index).set(from.subarray(done, done + size), within);
      done += size;
    }
    this.#length = Math.max(this.#length, offset + from.length);
  }

  /** Sets the length; what lies past the end of a shrink is gone, what a growth adds is a hole. */
  truncate(size: number): void {
    if (size < this.#length) this.clear(size, this.#length - size);
    this.#length = size;
  }

  /** Zeroes a range and frees the chunks that lie wholly inside it. */
  clear(offset: number, size: number): void {
    const end = Math.min(offset + size, this.#length);
    if (end <= offset) return;
    const first = Math.floor(offset / this.#chunkBytes);
    const last = Math.floor((end - 1) / this.#chunkBytes);
    const indexes = last - first < this.#chunks.size
      ? Array.from({ length: last - first + 1 }, (_, i) => first + i)
      : [...this.#chunks.keys()].filter((index) => index >= first && index <= last);
    for (const index of indexes) this.#clearWithin(index, offset, end);
  }

  #clearWithin(index: number, offset: number, end: number): void {
    if (!this.#chunks.has(index)) return;
    const start = index * this.#chunkBytes;
    const whole = offset <= start && end >= Math.min(start + this.#chunkBytes, this.#length);
    if (whole) {
      this.#chunks.delete(index);
      this.#owned.delete(index);
    } else {
      this.#writable(index).fill(0, Math.max(0, offset - start), end - start);
    }
  }

  #locate(at: number): [index: number, within: number] {
    const index = Math.floor(at / this.#chunkBytes);
    return [index, at - index * this.#chunkBytes];
  }

  #writable(index: number): Uint8Array<ArrayBuffer> {
    const chunk = this.#chunks.get(index);
    if (chunk !== undefined && this.#owned.has(index)) return chunk;
    const own = chunk === undefined ? new Uint8Array(this.#chunkBytes) : chunk.slice();
    this.#chunks.set(index, own);
    this.#owned.add(index);
    return own;
  }
}
