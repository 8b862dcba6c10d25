import { CODEC, placeCells } from "../format/map_entry.ts";
import { KIND } from "../format/seal_aad.ts";
import { CELL_BYTES } from "../limits.ts";
import type { LocatedBlock } from "./block_reader.ts";
import type { Extent } from "./lane.ts";
import type { SealContext } from "./seal_context.ts";

/** Makes the descriptor at `at` that opens one place of a data block at `address`, and tells what to read for it. */
export function describePlace(
  context: SealContext,
  at: number,
  { id, entry, index }: LocatedBlock & { readonly index: number },
  address: number,
): Extent {
  const { level, epoch, codec, length, stored, k, places } = entry;
  const sealedBytes = placeCells(entry) * CELL_BYTES;
  const shard = k === 1 ? 0 : 1 + index;
  context.describe(at, {
    kind: KIND.data,
    id,
    level,
    codec,
    shard,
    epoch,
    length,
    compressed: codec === CODEC.raw ? 0 : stored,
    address,
    sealedBytes,
  });
  context.nonceOf(at).set(places[index].nonce);
  context.tagOf(at).set(places[index].tag);
  return { address, length: sealedBytes, offset: places[index].cell * CELL_BYTES };
}
