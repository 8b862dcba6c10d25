/** Inodes that a piece of the table holds. */
const PIECE_INODES = 4096;
/** Numbers in a piece lie less than this above its first. */
const SPAN = 2 ** 32;

/** What a check keeps of an inode, one bit each; the lowest four are its type as in `d_type`. */
export const KNOWN = {
  type: 15,
  unlinked: 1 << 4,
  inlineFlag: 1 << 5,
  attributesFlag: 1 << 6,
  inline: 1 << 7,
  target: 1 << 8,
  attributes: 1 << 9,
  orphan: 1 << 10,
  named: 1 << 11,
  namedAgain: 1 << 12,
  wrongParent: 1 << 13,
  dataBehind: 1 << 14,
  pending: 1 << 15,
} as const;

/** Inodes that lie side by side: 26 bytes for each. */
class Piece {
  readonly first: number;
  count = 0;
  readonly above = new Uint32Array(PIECE_INODES);
  readonly sizes = new Float64Array(PIECE_INODES);
  readonly balances = new Float64Array(PIECE_INODES);
  readonly links = new Int32Array(PIECE_INODES);
  readonly bits = new Uint16Array(PIECE_INODES);

  constructor(first: number) {
    this.first = first;
  }

  /** Where a number is; -1 where it is not. */
  find(ino: number): number {
    const wanted = ino - this.first;
    let [low, high] = [0, this.count - 1];
    while (low <= high) {
      const middle = (low + high) >> 1;
      if (this.above[middle] === wanted) return middle;
      if (this.above[middle] < wanted) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }
}

/**
 * What a check keeps of every inode: no object for each, and differences instead of two numbers that are compared at
 * the end. {@linkcode at} moves to an inode; the properties are that one's then.
 */
export class InodeTable {
  readonly #pieces: Piece[] = [];
  #piece = new Piece(0);
  #index = 0;
  #last = -1;

  /** Adds an inode and moves to it; false where it does not come behind all others. */
  add(ino: number): boolean {
    if (ino <= this.#last) return false;
    this.#last = ino;
    let piece = this.#pieces.at(-1);
    if (piece === undefined || piece.count === PIECE_INODES || ino - piece.first >= SPAN) {
      piece = new Piece(ino);
      this.#pieces.push(piece);
    }
    this.#piece = piece;
    this.#index = piece.count++;
    piece.above[this.#index] = ino - piece.first;
    return true;
  }

  /** Moves to an inode; false where there is none. */
  at(ino: number): boolean {
    let [low, high] = [0, this.#pieces.length - 1];
    while (low <= high) {
      const middle = (low + high) >> 1;
      if (this.#pieces[middle].first <= ino) low = middle + 1;
      else high = middle - 1;
    }
    if (high < 0) return false;
    const index = this.#pieces[high].find(ino);
    if (index < 0) return false;
    this.#piece = this.#pieces[high];
    this.#index = index;
    return true;
  }

  /** Moves to every inode in turn, and yields its number. */
  *all(): Generator<number> {
    for (const piece of this.#pieces) {
      for (let i = 0; i < piece.count; i++) {
        this.#piece = piece;
        this.#index = i;
        yield piece.first + piece.above[i];
      }
    }
  }

  /** Bytes of a file or symlink; of a directory the number of its parent. */
  get size(): number {
    return this.#piece.sizes[this.#index];
  }
  set size(value: number) {
    this.#piece.sizes[this.#index] = value;
  }

  /** Cells in the record, less cells met; of a directory, entries. */
  get balance(): number {
    return this.#piece.balances[this.#index];
  }
  set balance(value: number) {
    this.#piece.balances[this.#index] = value;
  }

  /** Links in the record, less names met; of a directory, subdirectories. Modulo 2^32. */
  get links(): number {
    return this.#piece.links[this.#index];
  }
  set links(value: number) {
    this.#piece.links[this.#index] = value;
  }

  /** Bits of {@linkcode KNOWN}. */
  get bits(): number {
    return this.#piece.bits[this.#index];
  }
  set bits(value: number) {
    this.#piece.bits[this.#index] = value;
  }
}
