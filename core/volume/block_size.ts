import { VaultError } from "../errors.ts";
import { BLOCK_BYTES_MAX } from "../format/map_entry.ts";
import { cellsStored, isRedundancy, PLACES_MAX, type Redundancy } from "../format/redundancy.ts";
import { CELL_BYTES, MIB } from "../limits.ts";

/** Bytes of a data block where nothing is said: measured, see core/README.md. */
export const BLOCK_BYTES = 16384;
/** Bytes that all places of a block may take: they are in memory at once. */
const STORED_BYTES_MAX = 8 * MIB;

/** Checks the size of a data block. */
export function blockBytesOf(blockBytes: number = BLOCK_BYTES): number {
  const isPower = (blockBytes & (blockBytes - 1)) === 0;
  if (isPower && blockBytes >= CELL_BYTES && blockBytes <= BLOCK_BYTES_MAX) return blockBytes;
  throw new VaultError(
    "invalid",
    `Cannot use block size "${blockBytes}": want a power of two, 4096 to 1048576`,
  );
}

/** Refuses a redundancy that blocks of this size cannot have. */
export function checkRedundancy(redundancy: Redundancy, blockBytes: number): void {
  const { k, m } = redundancy;
  if (!isRedundancy(redundancy)) {
    throw new VaultError(
      "invalid",
      `Cannot use redundancy "${k}+${m}": want k + m up to ${PLACES_MAX}, and m of 1 or more where k is above 1`,
    );
  }
  const stored = CELL_BYTES * cellsStored(redundancy, blockBytes / CELL_BYTES);
  if (stored > STORED_BYTES_MAX) {
    throw new VaultError(
      "invalid",
      `Cannot use redundancy "${k}+${m}" with blocks of ${blockBytes} bytes: each would take ${stored}; want smaller blocks`,
    );
  }
}
