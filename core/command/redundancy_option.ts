import { InvalidArgumentError } from "commander";
import { VaultError } from "../errors.ts";
import { BLOCK_BYTES_MAX } from "../format/map_entry.ts";
import { isRedundancy, PLACES_MAX, type Redundancy, UNPROTECTED } from "../format/redundancy.ts";
import { CELL_BYTES } from "../limits.ts";
import { BLOCK_BYTES, blockBytesOf } from "../volume/block_size.ts";
import { formatSize } from "./sizes.ts";

/** Of a shard: its place in the block map takes 48 bytes, and each is read and sealed on its own. */
const SHARD_BYTES = 16384;

/** What `--redundancy` is. */
export const REDUNDANCY_HELP =
  "what may be lost: 4+2 any 2 of 6 shards of each block, 1+1 a copy, 0 nothing";

/** Reads `4+2`; `0` is none. */
export function parseRedundancy(text: string): Redundancy {
  if (text === "0") return UNPROTECTED;
  const parts = /^(\d{1,2})\+(\d{1,2})$/.exec(text);
  const redundancy = parts && { k: Number(parts[1]), m: Number(parts[2]) };
  if (redundancy !== null && isRedundancy(redundancy)) return redundancy;
  throw new VaultError(
    "invalid",
    `Cannot use redundancy "${text}": want k+m like 4+2, k + m up to ${PLACES_MAX}, ` +
      "and m of 1 or more where k is above 1; or 0",
  );
}

/** The same for commander. */
export function redundancyArgument(text: string): Redundancy {
  try {
    return parseRedundancy(text);
  } catch (error) {
    if (error instanceof VaultError) throw new InvalidArgumentError(error.message);
    throw error;
  }
}

/** The block size that was asked for, which must have a cell for each shard; else one with shards that are worth it. */
export function blockBytesFor(
  { redundancy = UNPROTECTED, blockBytes }: {
    readonly redundancy?: Redundancy;
    readonly blockBytes?: number;
  },
): number {
  const { k, m } = redundancy;
  if (blockBytes === undefined) return suggested(k);
  if (blockBytesOf(blockBytes) >= k * CELL_BYTES) return blockBytes;
  throw new VaultError(
    "invalid",
    `Cannot use redundancy "${k}+${m}" with blocks of ${formatSize(blockBytes)}: ` +
      `they have no cell for each shard; leave --block-size out for ${formatSize(suggested(k))}`,
  );
}

function suggested(k: number): number {
  let bytes = BLOCK_BYTES;
  while (bytes < k * SHARD_BYTES && bytes < BLOCK_BYTES_MAX) bytes *= 2;
  return bytes;
}
