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

  constructor(tree: Tree) {
    this.tree = tree;
  }

  /** Reads the counts of stored segments `from` to `end`. */
  load(from: number, end: number): void {
    this.extend(from, end);
    for (let chunk = chunkOf(from); chunk <= chunkOf(end - 1); chunk++) {
      this.loadChunk(chunk, end);
      this.changed.delete(chunk);
    }
  }

  private loadChunk(chunk: number, end: number): void {
    const stored = this.tree.get(spaceKey(SPACE_KEY.freeCounts, chunk));
    if (stored === null) return;
    const view = viewOf(stored);
    const counts = this.chunks.get(chunk)!;
    const first = chunk * COUNTS_PER_CHUNK;
    for (let i = 0; 2 * i + 1 < stored.length && first + i < end && i < counts.length; i++) {
      const count = view.getUint16(2 * i, true);
      if (count > SEGMENT_CELLS) {
        throw new VaultError("corrupt", "Cannot read space record: bad free count");
      }
      this.addTotal(first + i, count - counts[i]);
      counts[i] = count;
    }
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
    counts[segment % COUNTS_PER_CHUNK] += cells;
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
