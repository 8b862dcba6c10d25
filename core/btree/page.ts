import { assert } from "../assert.ts";
import { readU32BE } from "../bytes.ts";
import {
  KEY_BYTES_MAX,
  NODE_BYTES_MAX,
  NODE_HEADER_BYTES,
  NODE_SEAL_BYTES,
  RECORD_HEADER_BYTES,
} from "../format/node.ts";
import { CELL_BYTES } from "../limits.ts";

/** The whole words of the key that is searched, big-endian: a comparison takes four bytes at once. */
const WORDS = new Uint32Array(KEY_BYTES_MAX / 4);

/**
 * One node in memory: the node's plaintext (FORMAT.md §6), searched and changed in place. A clean page is as long as it was
 * stored; a writable one has room for the largest node.
 */
export class Page {
  /** The node's plaintext. */
  bytes: Uint8Array<ArrayBuffer>;
  view: DataView<ArrayBuffer>;
  /** Number by which parents and the cache name this page. */
  ref: number;
  readonly level: number;
  /** Changed since it was stored: not evictable, and its ref is of the root under construction. */
  dirty: boolean;
  /** Used since the cache's hand last passed. */
  touched = true;
  count: number;
  /** Start of the lowest record. */
  private heap: number;
  /** Bytes of records that were removed or replaced and lie above `heap`. */
  private garbage = 0;

  constructor(bytes: Uint8Array<ArrayBuffer>, ref: number, level: number, dirty: boolean) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.ref = ref;
    this.level = level;
    this.dirty = dirty;
    this.count = this.view.getUint16(24, true);
    this.heap = bytes.length;
    for (let i = 0; i < this.count; i++) this.heap = Math.min(this.heap, this.offset(i));
  }

  /** A clean page with the same records, in memory of its own. */
  copy(): Page {
    return new Page(this.bytes.slice(), this.ref, this.level, false);
  }

  /** An empty writable page. */
  static empty(ref: number, level: number): Page {
    return new Page(new Uint8Array(NODE_BYTES_MAX), ref, level, true);
  }

  private offset(index: number): number {
    return this.view.getUint16(NODE_HEADER_BYTES + 2 * index, true);
  }

  private setCount(count: number): void {
    this.count = count;
    this.view.setUint16(24, count, true);
  }

  /** The index of `key`, or -(insertion point) - 1. */
  search(key: Uint8Array): number {
    for (let i = 0; i + 4 <= key.length; i += 4) WORDS[i >>> 2] = readU32BE(key, i);
    let low = 0;
    let high = this.count - 1;
    // Most inserts append: one comparison then does.
    let at = high;
    while (low <= high) {
      const order = this.compareAt(at, key);
      if (order === 0) return at;
      if (order < 0) low = at + 1;
      else high = at - 1;
      at = (low + high) >>> 1;
    }
    return -low - 1;
  }

  /** The child that holds `key`: the last record whose key is not above it, or the first. */
  childIndex(key: Uint8Array): number {
    const at = this.search(key);
    if (at >= 0) return at;
    return at === -1 ? 0 : -at - 2;
  }

  /** Compares the key of record `index` with `key`, whose words are in `WORDS`. */
  private compareAt(index: number, key: Uint8Array): number {
    const { bytes, view } = this;
    const at = view.getUint16(NODE_HEADER_BYTES + 2 * index, true);
    const length = bytes[at];
    const n = length < key.length ? length : key.length;
    const start = at + RECORD_HEADER_BYTES;
    let i = 0;
    for (; i + 4 <= n; i += 4) {
      const d = view.getUint32(start + i) - WORDS[i >>> 2];
      if (d !== 0) return d;
    }
    for (; i < n; i++) {
      const d = bytes[start + i] - key[i];
      if (d !== 0) return d;
    }
    return length - key.length;
  }

  /** A copy of a key that a descent meets this page on: the first of an inner page stands for "from the start". */
  innerKey(): Uint8Array<ArrayBuffer> {
    if (this.count === 0) return new Uint8Array(0);
    return this.key(this.level > 0 && this.count > 1 ? 1 : 0).slice();
  }

  /** A view of the key of record `index`. */
  key(index: number): Uint8Array<ArrayBuffer> {
    const at = this.offset(index);
    return this.bytes.subarray(
      at + RECORD_HEADER_BYTES,
      at + RECORD_HEADER_BYTES + this.bytes[at],
    );
  }

  /** A view of the value of record `index`. */
  value(index: number): Uint8Array<ArrayBuffer> {
    const at = this.valueOffset(index);
    return this.bytes.subarray(at, at + this.valueLength(index));
  }

  /** Where the value of record `index` starts in `bytes`. */
  valueOffset(index: number): number {
    const at = this.offset(index);
    return at + RECORD_HEADER_BYTES + this.bytes[at];
  }

  private valueLength(index: number): number {
    return this.view.getUint16(this.offset(index) + 1, true);
  }

  private recordBytes(index: number): number {
    const at = this.offset(index);
    return RECORD_HEADER_BYTES + this.bytes[at] + this.view.getUint16(at + 1, true);
  }

  /** Bytes that header, table and live records take. */
  usedBytes(): number {
    return NODE_HEADER_BYTES + 2 * this.count + (this.bytes.length - this.heap) - this.garbage;
  }

  /** True when a record of this size can be inserted. */
  fits(keyLength: number, valueLength: number): boolean {
    return this.usedBytes() + 2 + RECORD_HEADER_BYTES + keyLength + valueLength <=
      this.bytes.length;
  }

  /** True when the value of record `index` can be replaced by one of this size. */
  fitsValue(index: number, valueLength: number): boolean {
    return this.usedBytes() - this.valueLength(index) + valueLength <= this.bytes.length;
  }

  /** Inserts at `index`; the caller has checked that it fits and belongs there. */
  insert(index: number, key: Uint8Array, value: Uint8Array): void {
    assert(this.dirty, "only dirty pages change");
    const size = RECORD_HEADER_BYTES + key.length + value.length;
    if (this.heap - (NODE_HEADER_BYTES + 2 * this.count) < size + 2) this.compact();
    const table = NODE_HEADER_BYTES + 2 * index;
    this.bytes.copyWithin(table + 2, table, NODE_HEADER_BYTES + 2 * this.count);
    this.heap -= size;
    this.view.setUint16(table, this.heap, true);
    this.writeRecord(this.heap, key, value);
    this.setCount(this.count + 1);
  }

  private writeRecord(at: number, key: Uint8Array, value: Uint8Array): void {
    this.bytes[at] = key.length;
    this.view.setUint16(at + 1, value.length, true);
    this.bytes.set(key, at + RECORD_HEADER_BYTES);
    this.bytes.set(value, at + RECORD_HEADER_BYTES + key.length);
  }

  /** Replaces the value of record `index`; the caller has checked that it fits. */
  replace(index: number, value: Uint8Array): void {
    assert(this.dirty, "only dirty pages change");
    if (this.valueLength(index) === value.length) {
      this.bytes.set(value, this.valueOffset(index));
      return;
    }
    const key = this.key(index).slice();
    this.remove(index);
    this.insert(index, key, value);
  }

  /** Puts other bytes of the same length in place of the value of record `index`, in a clean page too: whoever does it stores it. */
  overwrite(index: number, value: Uint8Array): void {
    assert(this.valueLength(index) === value.length, "what is overwritten keeps its length");
    this.bytes.set(value, this.valueOffset(index));
  }

  /** Removes record `index`. */
  remove(index: number): void {
    assert(this.dirty, "only dirty pages change");
    this.garbage += this.recordBytes(index);
    const table = NODE_HEADER_BYTES + 2 * index;
    this.bytes.copyWithin(table, table + 2, NODE_HEADER_BYTES + 2 * this.count);
    this.setCount(this.count - 1);
    if (this.count === 0) {
      this.heap = this.bytes.length;
      this.garbage = 0;
    }
  }

  /** Rewrites the page without garbage, into a buffer of `length` bytes. */
  compact(length = this.bytes.length): void {
    const bytes = new Uint8Array(length);
    const view = new DataView(bytes.buffer);
    bytes.set(this.bytes.subarray(0, NODE_HEADER_BYTES));
    let heap = length;
    for (let i = 0; i < this.count; i++) {
      const at = this.offset(i);
      const size = this.recordBytes(i);
      heap -= size;
      bytes.set(this.bytes.subarray(at, at + size), heap);
      view.setUint16(NODE_HEADER_BYTES + 2 * i, heap, true);
    }
    this.bytes = bytes;
    this.view = view;
    this.heap = heap;
    this.garbage = 0;
  }

  /** Gives the page room for the largest node, ready to be changed. */
  makeWritable(ref: number): void {
    this.ref = ref;
    this.dirty = true;
    if (this.bytes.length < NODE_BYTES_MAX) this.compact(NODE_BYTES_MAX);
  }

  /** Cells that the stored node takes. */
  cells(): number {
    return Math.ceil((this.usedBytes() + NODE_SEAL_BYTES) / CELL_BYTES);
  }

  /** Shrinks to whole cells and zeroes what removed records left, ready to be sealed. */
  pack(): void {
    const length = this.cells() * CELL_BYTES - NODE_SEAL_BYTES;
    if (this.garbage > 0 || length < this.bytes.length) this.compact(length);
  }

  /** Moves records from `index` on into `right`, which is empty. */
  splitInto(right: Page, index: number): void {
    for (let i = index; i < this.count; i++) right.insert(i - index, this.key(i), this.value(i));
    for (let i = index; i < this.count; i++) this.garbage += this.recordBytes(i);
    this.setCount(index);
    this.compact();
  }

  /** True when, cut at `cut`, the left or right half has room for a record of `size` key and value bytes. */
  halfFits(cut: number, right: boolean, size: number): boolean {
    let bytes = NODE_HEADER_BYTES + 2 + RECORD_HEADER_BYTES + size;
    const end = right ? this.count : cut;
    for (let i = right ? cut : 0; i < end; i++) bytes += 2 + this.recordBytes(i);
    return bytes <= this.bytes.length;
  }

  /** The index at which half of the bytes lie on each side; at least 1, below count. */
  middle(): number {
    const half = (this.bytes.length - this.heap - this.garbage) / 2;
    let bytes = 0;
    let index = 0;
    while (index < this.count - 1 && bytes < half) bytes += this.recordBytes(index++);
    return Math.max(1, index);
  }
}
