/**
 * What a vault to be made will be like: sizes of its members, of its blocks, its redundancy.
 *
 * @module
 */
import { headerSegments } from "../block/kept_segments.ts";
import type { MemberSize } from "../block/member_space.ts";
import { VaultError } from "../errors.ts";
import { type Redundancy, UNPROTECTED } from "../format/redundancy.ts";
import { MEMBER_SEGMENTS_MAX, MEMBERS_MAX, MIB, SEGMENT_BYTES } from "../limits.ts";
import type { StorageBackend } from "../storage/storage_backend.ts";
import type { TreeStoreShape } from "../tree/tree_store_parts.ts";
import { blockBytesOf, checkRedundancy } from "../volume/block_size.ts";
import { fillWithNoise } from "./noise.ts";

/** A sparse vault starts with so many segments and grows. */
const FIRST_SEGMENTS = 8;
/** A vault has at least so many: header and room to work in. */
export const SEGMENTS_MIN = 4;
/** A sparse vault without a size may grow so far: 16 TiB. */
const SPARSE_BYTES_MAX = 16 * 1024 * 1024 * MIB;

/** No medium is longer: the format counts no more segments (64 TiB). */
export const MEDIUM_BYTES_MAX: number = MEMBER_SEGMENTS_MAX * SEGMENT_BYTES;
/** What sizes are made of. */
export interface ShapeOptions {
  readonly dense?: boolean;
  readonly sizeBytes?: number;
  readonly blockBytes?: number;
  readonly redundancy?: Redundancy;
}

/** The shape of a vault on these media; every one of them gets the size that is asked for. */
export async function shapeOf(
  media: readonly StorageBackend[],
  options: ShapeOptions,
): Promise<TreeStoreShape> {
  const { dense = false, redundancy = UNPROTECTED } = options;
  const blockBytes = blockBytesOf(options.blockBytes);
  checkRedundancy(redundancy, blockBytes);
  if (media.length > MEMBERS_MAX) {
    throw new VaultError(
      "invalid",
      `Cannot create a vault on ${media.length} media: want ${MEMBERS_MAX} or fewer`,
    );
  }
  const members: MemberSize[] = [];
  for (const medium of media) {
    members.push({ number: members.length, ...await sizeOf(medium, { ...options, dense }) });
  }
  return { members, blockBytes, dense, redundancy };
}

/** How many segments a medium gets, and up to how many it may grow. */
export async function sizeOf(
  medium: StorageBackend,
  { dense, sizeBytes }: { readonly dense: boolean; readonly sizeBytes?: number },
): Promise<Omit<MemberSize, "number">> {
  const fixedBytes = medium.capabilities.resize ? undefined : await medium.size();
  const wanted = sizeBytes ?? fixedBytes;
  if (wanted === undefined && dense) {
    throw new VaultError("invalid", "Cannot create a dense vault: say its size with --size");
  }
  if (wanted !== undefined) requirePossible(wanted);
  if (wanted !== undefined && fixedBytes !== undefined && wanted > fixedBytes) {
    const has = `it has ${Math.floor(fixedBytes / MIB)} MiB`;
    throw new VaultError("invalid", `Cannot create so large a vault on "${medium.name}": ${has}`);
  }
  const segmentsMax = Math.floor((wanted ?? SPARSE_BYTES_MAX) / SEGMENT_BYTES);
  const segmentsLeast = SEGMENTS_MIN + headerSegments(dense);
  if (segmentsMax < segmentsLeast) {
    const least = segmentsLeast * SEGMENT_BYTES / MIB;
    throw new VaultError("invalid", `Cannot create a vault this small: want ${least} MiB or more`);
  }
  const grows = !dense && fixedBytes === undefined;
  const segments = grows ? Math.min(FIRST_SEGMENTS, segmentsMax) : segmentsMax;
  return { segments, segmentsMax };
}

/** Refuses a size that no vault can have. */
export function requirePossible(sizeBytes: number): void {
  if (typeof sizeBytes === "number" && sizeBytes <= MEDIUM_BYTES_MAX) return;
  const most = MEDIUM_BYTES_MAX / (1024 * 1024 * MIB);
  throw new VaultError("invalid", `Cannot use so large a vault: want ${most} TiB or less`);
}

/** Gives a medium its first size, and fills it where it is to be dense. */
export async function makeRoom(
  parts: Parameters<typeof fillWithNoise>[0],
  { segments, segmentsMax }: { readonly segments: number; readonly segmentsMax: number },
  options: {
    readonly dense?: boolean;
    readonly sizeBytes?: number;
    readonly progress?: (doneBytes: number, totalBytes: number) => void;
  },
): Promise<void> {
  const { medium } = parts;
  const size = segments * SEGMENT_BYTES;
  if (medium.capabilities.resize) {
    // A filesystem that takes no file of the wanted size says so now, not when the vault has grown.
    if (options.sizeBytes !== undefined) await medium.truncate(segmentsMax * SEGMENT_BYTES);
    await medium.truncate(size);
  }
  if (options.dense === true) await fillWithNoise(parts, { from: 0, to: size }, options.progress);
}
