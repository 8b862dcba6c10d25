import { KEY_TYPE, keyIno } from "../format/volume_key.ts";
import type { KeyRange } from "../volume/node_scrub.ts";

/** Greater than every inode number. */
const INO_END = 2 ** 48;

interface InodeRange {
  readonly type: number;
  /** Inclusive. */
  readonly from: number;
  readonly to: number;
}

/** Whose records lie in what cannot be read of a tree. */
export class HoleInodes {
  readonly #ranges: InodeRange[] = [];

  /** Of these holes. */
  constructor(holes: readonly KeyRange[]) {
    for (const hole of holes) this.#add(hole);
  }

  #add({ low, high }: KeyRange): void {
    const first = low.length === 0 ? KEY_TYPE.inode : low[0];
    const last = high === null ? KEY_TYPE.pending : high[0];
    for (let type = first; type <= last; type++) {
      const from = type === first && low.length >= 7 ? keyIno(low) : 0;
      const to = type === last && high !== null ? keyIno(high) : INO_END;
      this.#ranges.push({ type, from, to });
    }
  }

  /** True where records of this type and inode may be missing; at the edges of a hole they may also be all there. */
  mayMiss(type: number, ino: number): boolean {
    return this.#ranges.some((range) =>
      range.type === type && ino >= range.from && ino <= range.to
    );
  }

  /** True where records of this type may be missing. */
  touches(type: number): boolean {
    return this.#ranges.some((range) => range.type === type);
  }
}
