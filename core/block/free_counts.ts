import type { Tree } from "../btree/tree.ts";
import { viewOf } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { COUNTS_PER_CHUNK, encodeU16, SPACE_KEY, spaceKey } from "../format/space_record.ts";
import { MEMBER_SEGMENTS_MAX, SEGMENT_CELLS } from "../limits.ts";

/** How many cells of each segment are free: 2 bytes for each 4 MiB, all in memory. */
export class FreeCounts {
  /** Free cells of all segments. */
  total = 0;
  /** The same of each member. */
  private readonly totals = new Map<number, number>();
  private readonly tree: Tree;
  /** Counts by chunk; segments that there are not count zero. */
  private readonly chunks = new Map<number, Uint16Array<ArrayBuffer>>();
  private readonly changed = new Set<number>();
  private readonly countedIn: (segment: number) => number;

  /** `countedIn` counts the free cells of a segment from its bitmap. */
  constructor(tree: Tree, countedIn: (segment: number) => number) {
    this.tree = tree;
    this.countedIn = countedIn;
  }

  /** Reads the counts of stored segments `from` to `end`. */
  load(from: number, end: number): void {
    this.extend(from, end);
    for (let chunk = chunkOf(from); chunk <= chunkOf(end - 1); chunk++) {
      const isGood = this.loadChunk(chunk, end);
      if (isGood) this.changed.delete(chunk);
    }
    this.correctEnd(from, end);
  }

  /**
   * Writing a root may make the medium longer when its counts are written already; the segments that came then are the last ones, have
   * no bitmap yet, and are free.
   */
  private correctEnd(from: number, end: number): void {
    for (let segment = end - 1; segment >= from && this.of(segment) === 0; segment--) {
      if (this.tree.get(spaceKey(SPACE_KEY.bitmap, segment)) !== null) return;
      this.add(segment, SEGMENT_CELLS);
    }
  }

  /** False where a count was wrong: the next root stores it anew. */
  private loadChunk(chunk: number, end: number): boolean {
    // Copied: counting from a bitmap looks into the tree again.
    const record = this.tree.get(spaceKey(SPACE_KEY.freeCounts, chunk))?.slice();
    if (record === undefined) return true;
    let isGood = true;
    const view = viewOf(record);
    const counts = this.chunks.get(chunk)!;
    const first = chunk * COUNTS_PER_CHUNK;
    for (let i = 0; 2 * i + 1 < record.length && first + i < end && i < counts.length; i++) {
      const stored = view.getUint16(2 * i, true);
      // The bitmap is what counts: a number that follows from it must not keep anybody out of his vault.
      if (stored > SEGMENT_CELLS) isGood = false;
      const count = stored <= SEGMENT_CELLS ? stored : this.countedIn(first + i);
      this.addTotal(first + i, count - counts[i]);
      counts[i] = count;
    }
    return isGood;
  }

  /** Free cells of a segment. */
  of(segment: number): number {
    return this.chunks.get(chunkOf(segment))?.[segment % COUNTS_PER_CHUNK] ?? 0;
  }

  /** Adds to a segment's count. */
  add(segment: number, cells: number): void {
    const chunk = chunkOf(segment);
    let counts = this.chunks.get(chunk);
    if (counts === undefined) {
      this.chunks.set(chunk, counts = new Uint16Array(COUNTS_PER_CHUNK));
    }
    const count = counts[segment % COUNTS_PER_CHUNK] + cells;
    if (count < 0 || count > SEGMENT_CELLS) {
      throw new VaultError("corrupt", 'Cannot use the space map: bad free count; run "check"');
    }
    counts[segment % COUNTS_PER_CHUNK] = count;
    this.addTotal(segment, cells);
    this.changed.add(chunk);
  }

  private addTotal(segment: number, cells: number): void {
    const member = Math.floor(segment / MEMBER_SEGMENTS_MAX);
    this.total += cells;
    this.totals.set(member, this.totalOf(member) + cells);
  }

  /** Free cells of a member. */
  totalOf(member: number): number {
    return this.totals.get(member) ?? 0;
  }

  /** More segments, wholly free. */
  extend(from: number, end: number): void {
    for (let segment = from; segment < end; segment++) this.add(segment, SEGMENT_CELLS);
  }

  /** The segments `from` to `end` are no more. */
  remove(from: number, end: number): void {
    for (let segment = from; segment < end; segment++) this.add(segment, -this.of(segment));
    for (const chunk of this.chunks.keys()) {
      if (chunk * COUNTS_PER_CHUNK < from || chunk > chunkOf(end - 1)) continue;
      this.chunks.delete(chunk);
      this.changed.delete(chunk);
      this.tree.delete(spaceKey(SPACE_KEY.freeCounts, chunk));
    }
  }

  /** Puts changed chunks into the space tree. */
  write(): void {
    for (const chunk of this.changed) {
      const counts = this.chunks.get(chunk)!;
      this.tree.put(spaceKey(SPACE_KEY.freeCounts, chunk), encodeU16(counts));
    }
    this.changed.clear();
  }
}

function chunkOf(segment: number): number {
  return Math.floor(segment / COUNTS_PER_CHUNK);
}
