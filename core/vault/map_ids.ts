const FIRST_ROOM = 1024;

/** The ids that the block map has, in ascending order: 16 bytes for each run of consecutive ones. */
export class MapIds {
  /** How many ids there are. */
  count = 0;
  #firsts = new Float64Array(FIRST_ROOM);
  /** How many ids come before each run. */
  #ranks = new Float64Array(FIRST_ROOM);
  #runs = 0;
  #end = 0;

  /** Adds an id and returns how many come before it; -1 where it does not come behind all others. */
  add(id: number): number {
    if (id < this.#end) return -1;
    if (id > this.#end || this.#runs === 0) {
      if (this.#runs === this.#firsts.length) {
        this.#firsts = doubled(this.#firsts);
        this.#ranks = doubled(this.#ranks);
      }
      this.#firsts[this.#runs] = id;
      this.#ranks[this.#runs++] = this.count;
    }
    this.#end = id + 1;
    return this.count++;
  }

  /** How many ids come before one; -1 where it is not there. */
  rank(id: number): number {
    const run = lastAtMost(this.#firsts, this.#runs, id);
    if (run < 0) return -1;
    const rank = this.#ranks[run] + id - this.#firsts[run];
    return rank < (run + 1 === this.#runs ? this.count : this.#ranks[run + 1]) ? rank : -1;
  }

  /** The first id that is there and not below `id`; infinity where there is none. */
  next(id: number): number {
    if (this.rank(id) >= 0) return id;
    const run = lastAtMost(this.#firsts, this.#runs, id) + 1;
    return run < this.#runs ? this.#firsts[run] : Infinity;
  }

  /** The id that so many come before. */
  id(rank: number): number {
    const run = lastAtMost(this.#ranks, this.#runs, rank);
    return this.#firsts[run] + rank - this.#ranks[run];
  }
}

function doubled(numbers: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const more = new Float64Array(2 * numbers.length);
  more.set(numbers);
  return more;
}

/** The last of the first `count` ascending numbers that is not above `wanted`; -1 where there is none. */
function lastAtMost(numbers: Float64Array, count: number, wanted: number): number {
  let [low, high] = [0, count - 1];
  while (low <= high) {
    const middle = (low + high) >>> 1;
    if (numbers[middle] <= wanted) low = middle + 1;
    else high = middle - 1;
  }
  return high;
}

/** A bit for each of many ranks, made as they come. */
export class RankBits {
  #bytes = new Uint8Array(FIRST_ROOM);

  /** Sets a bit; false where it was set. */
  set(rank: number): boolean {
    const at = Math.floor(rank / 8);
    this.#bytes = withRoom(this.#bytes, at);
    const bit = 1 << rank % 8;
    if ((this.#bytes[at] & bit) !== 0) return false;
    this.#bytes[at] |= bit;
    return true;
  }

  /** Whether a bit is set. */
  has(rank: number): boolean {
    return ((this.#bytes[Math.floor(rank / 8)] ?? 0) & 1 << rank % 8) !== 0;
  }

  /** The first of `count` ranks, not below `from`, whose bit is not set; `count` where there is none. */
  nextClear(from: number, count: number): number {
    for (let rank = from; rank < count;) {
      if (rank % 8 === 0 && this.#bytes[rank / 8] === 0xff) rank += 8;
      else if (this.has(rank)) rank++;
      else return rank;
    }
    return count;
  }
}

/** A byte for each of many ranks, made as they come; 0 unless set. */
export class RankBytes {
  #bytes = new Uint8Array(FIRST_ROOM);

  /** Sets a byte. */
  set(rank: number, value: number): void {
    this.#bytes = withRoom(this.#bytes, rank);
    this.#bytes[rank] = value;
  }

  /** What was set. */
  at(rank: number): number {
    return this.#bytes[rank] ?? 0;
  }
}

/** The bytes, or a longer copy where there is none at `at`. */
function withRoom(bytes: Uint8Array<ArrayBuffer>, at: number): Uint8Array<ArrayBuffer> {
  if (at < bytes.length) return bytes;
  const more = new Uint8Array(Math.max(at + 1, 2 * bytes.length));
  more.set(bytes);
  return more;
}
