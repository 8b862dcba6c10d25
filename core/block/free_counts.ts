import type { Tree } from "../btree/tree.ts";
import { viewOf } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { COUNTS_PER_CHUNK, encodeU16, SPACE_KEY, spaceKey } from "../format/space_record.ts";
import { SEGMENT_CELLS } from "../limits.ts";

/** How many cells of each segment are free: 2 bytes for each 4 MiB, all in memory. */
export class FreeCounts {
  /** Free cells of all segments. */
  total = 0;
  private readonly tree: Tree;
  private counts: Uint16Array<ArrayBuffer>;
  private readonly changed = new Set<number>();

  constructor(tree: Tree, segments: number) {
    this.tree = tree;
    this.counts = new Uint16Array(0);
    this.extend(segments);
    this.changed.clear();
    for (let chunk = 0; chunk * COUNTS_PER_CHUNK < segments; chunk++) this.load(chunk);
    this.total = this.counts.reduce((sum, count) => sum + count, 0);
  }

  private load(chunk: number): void {
    const stored = this.tree.get(spaceKey(SPACE_KEY.freeCounts, chunk));
    if (stored === null) return;
    const view = viewOf(stored);
    const first = chunk * COUNTS_PER_CHUNK;
    for (let i = 0; 2 * i + 1 < stored.length && first + i < this.counts.length; i++) {
      const count = view.getUint16(2 * i, true);
      if (count > SEGMENT_CELLS) {
        throw new VaultError("corrupt", "Cannot read space record: bad free count");
      }
      this.counts[first + i] = count;
    }
  }

  /** Free cells of a segment. */
  of(segment: number): number {
    return this.counts[segment];
  }

  /** Adds to a segment's count. */
  add(segment: number, cells: number): void {
    this.counts[segment] += cells;
    this.total += cells;
    this.changed.add(Math.floor(segment / COUNTS_PER_CHUNK));
  }

  /** More segments, wholly free. */
  extend(segments: number): void {
    const from = this.counts.length;
    const counts = new Uint16Array(segments).fill(SEGMENT_CELLS, from);
    counts.set(this.counts);
    this.counts = counts;
    this.total += (segments - from) * SEGMENT_CELLS;
    for (let segment = from; segment < segments; segment += COUNTS_PER_CHUNK) {
      this.changed.add(Math.floor(segment / COUNTS_PER_CHUNK));
    }
    if (segments > 0) this.changed.add(Math.floor((segments - 1) / COUNTS_PER_CHUNK));
  }

  /** Fewer segments. */
  shrink(segments: number): void {
    for (let s = segments; s < this.counts.length; s++) this.total -= this.counts[s];
    const last = Math.floor(Math.max(0, segments - 1) / COUNTS_PER_CHUNK);
    for (const chunk of this.changed) if (chunk > last) this.changed.delete(chunk);
    const chunks = Math.ceil(this.counts.length / COUNTS_PER_CHUNK);
    for (let chunk = last + 1; chunk < chunks; chunk++) {
      this.tree.delete(spaceKey(SPACE_KEY.freeCounts, chunk));
    }
    this.counts = this.counts.slice(0, segments);
    this.changed.add(last);
  }

  /** Puts changed chunks into the space tree. */
  write(): void {
    for (const chunk of this.changed) {
      const first = chunk * COUNTS_PER_CHUNK;
      const counts = this.counts.subarray(first, first + COUNTS_PER_CHUNK);
      this.tree.put(spaceKey(SPACE_KEY.freeCounts, chunk), encodeU16(counts));
    }
    this.changed.clear();
  }
}
