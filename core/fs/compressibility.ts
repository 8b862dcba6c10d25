/** Failures in a row after which a file's blocks are taken for incompressible. */
const MISSES_MAX = 4;
/** From then on one of so many is tried: content changes. */
const TRY_ONE_OF = 32;

/**
 * What was seen of the blocks of one file: where they do not get smaller (pictures, films, archives), trying all of them
 * would cost more than it saves.
 */
export class Compressibility {
  #misses = 0;
  #skipped = 0;

  /** True where the next block is to be tried. */
  isDue(): boolean {
    if (this.#misses < MISSES_MAX || ++this.#skipped === TRY_ONE_OF) {
      this.#skipped = 0;
      return true;
    }
    return false;
  }

  /** Told whether one that was tried takes fewer cells. */
  tried(saves: boolean): void {
    this.#misses = saves ? 0 : this.#misses + 1;
  }
}
