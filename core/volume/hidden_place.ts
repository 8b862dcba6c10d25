/**
 * Hidden vaults (FORMAT.md §15): which segments they own, and the medium that these make.
 *
 * @module
 */
import type { Lane } from "../block/lane.ts";
import { MappedLane } from "../block/mapped_lane.ts";
import { DENSE_HEADER_SEGMENTS, HEADER_SEGMENTS } from "../block/kept_segments.ts";
import { segmentOrderKey } from "../block/segment_order.ts";
import type { Space } from "../block/space.ts";
import { equalConstantTime, wipe } from "../bytes.ts";
import type { Kernel } from "../crypto/kernel.ts";
import type { VaultKeys } from "../crypto/vault_keys.ts";
import { VaultError } from "../errors.ts";
import type { HiddenPlace } from "../format/hidden_place.ts";
import { MIB, SEGMENT_BYTES } from "../limits.ts";
import { MappedMedium, NOWHERE, type SegmentMap } from "../storage/mapped_medium.ts";
import type { StorageBackend } from "../storage/storage_backend.ts";

/** Never-used segments that a hidden vault leaves to the outer one: its roots and logs need somewhere to go. */
const OUTER_SEGMENTS_LEFT = 8;

/** What depends on where a vault lies. */
export interface PlacedParts {
  readonly medium: StorageBackend;
  readonly kernel: Kernel;
  readonly lane?: Lane;
}

/** Medium and lane as the vault of this place has them: a hidden one sees its own segments only. */
export function ownParts<P extends PlacedParts>(parts: P, hidden: HiddenPlace | undefined): P {
  // The medium of a hidden vault has no other one in it: it is its own already.
  if (hidden === undefined || parts.medium instanceof MappedMedium) return parts;
  const map = hiddenMap(parts.kernel, hidden);
  const lane = parts.lane && new MappedLane(parts.lane, map);
  return { ...parts, medium: new MappedMedium(parts.medium, map), lane };
}

/** The second header area; nothing for a second one of its own; then its segments in the outer vault's order. */
function hiddenMap(kernel: Kernel, { orderKey, segments, first }: HiddenPlace): SegmentMap {
  const map = [HEADER_SEGMENTS, HEADER_SEGMENTS + 1, NOWHERE, NOWHERE];
  const key = kernel.reserve(orderKey.length);
  kernel.bytes.set(orderKey, key);
  for (let position = first; position < segments; position++) {
    const segment = kernel.permute(position, segments, key);
    if (segment >= DENSE_HEADER_SEGMENTS) map.push(segment);
  }
  kernel.wipe(key, orderKey.length);
  return Float64Array.from(map);
}

/** Refuses a medium that has lost segments of a hidden vault. */
export async function requireWhole(
  medium: StorageBackend,
  hidden: HiddenPlace | undefined,
): Promise<void> {
  if (hidden === undefined || medium instanceof MappedMedium) return;
  if (await medium.size() >= hidden.segments * SEGMENT_BYTES) return;
  throw new VaultError(
    "corrupt",
    `Cannot open vault "${medium.name}": the medium is shorter than the vault; it was truncated`,
    { operation: "open vault" },
  );
}

/**
 * The last segments of the outer vault's order, so many as a hidden vault wants. All of them were never used: they hold
 * noise that nothing refers to. The caller wipes the key in it.
 */
export function chooseHiddenPlace(
  outer: { readonly layoutKey: Uint8Array; readonly space: Space; readonly name: string },
  wanted: number,
): HiddenPlace {
  const { layoutKey, space, name } = outer;
  let first = space.segments;
  let found = 0;
  let unused = 0;
  for (let position = space.segments - 1; position >= 0; position--) {
    const segment = space.segmentAt(position);
    if (segment < DENSE_HEADER_SEGMENTS) continue;
    if (!space.isUnused(segment)) break;
    unused++;
    if (found === wanted) continue;
    found++;
    first = position;
  }
  if (unused < wanted + OUTER_SEGMENTS_LEFT) {
    const most = Math.max(0, unused - OUTER_SEGMENTS_LEFT) * SEGMENT_BYTES / MIB;
    throw new VaultError(
      "invalid",
      `Cannot hide ${wanted * SEGMENT_BYTES / MIB} MiB in "${name}": ` +
        `the outer vault leaves room for ${most} MiB at most; make a larger one, or hide less`,
      { operation: "create hidden vault" },
    );
  }
  return { orderKey: segmentOrderKey(layoutKey), segments: space.segments, first };
}

/** Makes an opened outer vault leave the hidden one alone. Nothing has been written yet. */
export function protectHidden(
  outer: { readonly keys: VaultKeys; readonly space: Space; readonly name: string },
  { orderKey, segments, first }: HiddenPlace,
): void {
  const { keys, space, name } = outer;
  if (keys.hidden !== undefined) {
    throw new VaultError(
      "invalid",
      `Cannot protect the hidden vault in "${name}": the first secret opens the hidden vault itself`,
    );
  }
  const own = segmentOrderKey(keys.layoutKey);
  const isSame = equalConstantTime(own, orderKey);
  wipe(own);
  if (!isSame) {
    throw new VaultError(
      "invalid",
      `Cannot protect the hidden vault in "${name}": it was made inside of another outer vault`,
    );
  }
  if (segments !== space.segments) {
    throw new VaultError(
      "conflict",
      `Cannot protect the hidden vault in "${name}": the outer one has been resized since, so that leaving ` +
        "it alone would show; save what it holds and make it anew",
    );
  }
  space.keepFrom(first);
}
