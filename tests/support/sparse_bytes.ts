const PAGE_BYTES = 4096;

/** Bytes of a file with holes, in pages of 4 KiB. Bytes past `size` are always zero. */
export class SparseBytes {
  size = 0;
  readonly #pages = new Map<number, Uint8Array<ArrayBuffer>>();

  /** Pages that are not holes. */
  get pageCount(): number {
    return this.#pages.size;
  }

  /** Fills `into` from `offset` on; what lies past the end reads as zeros. */
  read(offset: number, into: Uint8Array): void {
    for (let done = 0; done < into.length;) {
      const at = (offset + done) % PAGE_BYTES;
      const length = Math.min(PAGE_BYTES - at, into.length - done);
      const page = this.#pages.get(Math.floor((offset + done) / PAGE_BYTES));
      if (page === undefined) into.fill(0, done, done + length);
      else into.set(page.subarray(at, at + length), done);
      done += length;
    }
  }

  /** Writes and grows. */
  write(offset: number, data: Uint8Array): void {
    for (let done = 0; done < data.length;) {
      const at = (offset + done) % PAGE_BYTES;
      const index = Math.floor((offset + done) / PAGE_BYTES);
      const length = Math.min(PAGE_BYTES - at, data.length - done);
      let page = this.#pages.get(index);
      if (page === undefined) this.#pages.set(index, page = new Uint8Array(PAGE_BYTES));
      page.set(data.subarray(done, done + length), at);
      done += length;
    }
    if (data.length > 0) this.size = Math.max(this.size, offset + data.length);
  }

  truncate(size: number): void {
    if (size < this.size) this.punch(size, this.size - size);
    this.size = size;
  }

  /** Makes bytes zero, whole pages a hole; the size stays. */
  punch(offset: number, length: number): void {
    const end = offset + length;
    for (const [index, page] of this.#pages) {
      const start = index * PAGE_BYTES;
      const from = Math.max(offset - start, 0);
      const to = Math.min(end - start, PAGE_BYTES);
      if (from >= to) continue;
      if (from === 0 && (to === PAGE_BYTES || start + to >= this.size)) {
        this.#pages.delete(index);
      } else page.fill(0, from, to);
    }
  }

  /** The first offset from `offset` on that holds data (or is a hole); `null` where there is none. */
  seek(offset: number, what: "data" | "hole"): number | null {
    for (let at = offset; at < this.size;) {
      const index = Math.floor(at / PAGE_BYTES);
      if (this.#pages.has(index) === (what === "data")) return at;
      if (what === "data" && !this.#hasPageFrom(index)) return null;
      at = (index + 1) * PAGE_BYTES;
    }
    return what === "hole" ? this.size : null;
  }

  #hasPageFrom(index: number): boolean {
    for (const page of this.#pages.keys()) if (page >= index) return true;
    return false;
  }
}
