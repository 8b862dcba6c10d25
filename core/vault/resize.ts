import { HEADER_SEGMENTS, headerSegments } from "../block/kept_segments.ts";
import type { MemberSpace } from "../block/member_space.ts";
import type { Space } from "../block/space.ts";
import { isFull, VaultError } from "../errors.ts";
import { runCell, runCount } from "../format/space_record.ts";
import { CELL_BYTES, MEMBER_SEGMENTS_MAX, MIB, SEGMENT_BYTES, SEGMENT_CELLS } from "../limits.ts";
import { pause, ROOTS_TO_RELEASE } from "../volume/passes.ts";
import { rewriteNodes } from "../tree/physical_trees.ts";
import type { Volume } from "../volume/volume.ts";
import { freeRuns } from "../block/segment_bitmap.ts";
import { fillWithNoise } from "./noise.ts";
import type { Vault } from "./vault.ts";
import { requirePossible, SEGMENTS_MIN } from "./vault_shape.ts";

/** Blocks moved before a root makes it durable and lets their old cells rest. */
const MOVES_PER_ROOT = 512;
/** Cells that must stay free below a cut, for trees, logs and resting cells. */
const SLACK_CELLS = 512;
/** A compacted vault keeps this share free, so that writing does not grow it at once. */
const COMPACT_SLACK = 1 / 32;

/** What `resize` and `compact` did, in bytes of the medium. */
export interface ResizeReport {
  readonly beforeBytes: number;
  readonly afterBytes: number;
  /** Blocks that had to move. */
  readonly moved: number;
}

/** Told how many blocks have moved. */
export type MoveProgress = (movedBlocks: number) => void;

/**
 * Gives a vault another size: of a dense one exactly, of a sparse one the size up to which it may grow. Shrinking moves what
 * lies above first. A crash at any point leaves a vault of the old or the new size.
 */
export function resizeVault(
  vault: Vault,
  sizeBytes: number,
  progress?: MoveProgress,
): Promise<ResizeReport> {
  return reshape(vault, () => resizeNow(vault, sizeBytes, progress));
}

/** One after the other. Whoever asks for it inside a transaction would wait for itself. */
async function reshape<T>(vault: Vault, work: () => Promise<T>): Promise<T> {
  void vault.transactions.enter();
  return await vault.reshape(work);
}

async function resizeNow(
  vault: Vault,
  sizeBytes: number,
  progress?: MoveProgress,
): Promise<ResizeReport> {
  vault.transactions.requireOpen();
  const { volume } = vault.opened;
  requirePossible(sizeBytes);
  const segments = Math.floor(sizeBytes / SEGMENT_BYTES);
  checkResizable(vault, segments);
  const [member] = volume.store.space.members;
  const beforeBytes = await vault.medium.size();
  await vault.commit();
  volume.engine.checkNoTransaction();
  const moved = segments < member.segments ? shrink(vault, segments, progress) : 0;
  const isFilled = segments > member.segments && volume.store.dense;
  if (isFilled) await fillTo(vault, segments);
  while (volume.engine.inTransaction) await pause(volume.engine);
  vault.transactions.requireOpen();
  if (isFilled) member.adopt(segments);
  member.segmentsMax = segments;
  commitRoot(volume);
  await endMedium(vault);
  return { beforeBytes, afterBytes: await vault.medium.size(), moved };
}

function checkResizable(vault: Vault, segments: number): void {
  const { medium, opened: { volume: { store } } } = vault;
  if (vault.header.keys.hidden !== undefined) {
    throw new VaultError(
      "invalid",
      `Cannot resize "${medium.name}": a hidden vault keeps the size that it was made with`,
    );
  }
  if (store.space.isKeeping) {
    throw new VaultError(
      "invalid",
      `Cannot resize "${medium.name}": it protects a hidden vault, which would be lost`,
    );
  }
  checkAlone(vault, "resize");
  requireWritable(vault, "resize");
  if (!medium.capabilities.resize) {
    throw new VaultError("invalid", `Cannot resize "${medium.name}": it is no regular file`);
  }
  const least = SEGMENTS_MIN + headerSegments(store.dense);
  if (segments < least) {
    const bytes = least * SEGMENT_BYTES / MIB;
    throw new VaultError("invalid", `Cannot resize "${medium.name}": want ${bytes} MiB or more`);
  }
}

function requireWritable({ medium, readOnly }: Vault, verb: "resize" | "compact"): void {
  if (!readOnly) return;
  throw new VaultError("denied", `Cannot ${verb} "${medium.name}": it is open read-only`, {
    errno: "EROFS",
  });
}

function checkAlone(vault: Vault, verb: "resize" | "compact"): void {
  if (vault.opened.volume.store.space.members.length === 1) return;
  const { name } = vault.medium;
  throw new VaultError(
    "invalid",
    `Cannot ${verb} "${name}": the vault lies on several media; add or remove members instead`,
  );
}

/** Makes a dense medium so long. */
async function fillTo(vault: Vault, segments: number): Promise<void> {
  const { medium } = vault;
  // From where the vault ends: the medium may be longer already, half filled before a crash.
  const from = vault.opened.volume.store.space.segments * SEGMENT_BYTES;
  const to = segments * SEGMENT_BYTES;
  await medium.truncate(to);
  await fillWithNoise({ ...vault.header, medium, scratch: vault.noiseScratch }, { from, to });
  await medium.sync();
}

/** Cuts the vault to so many segments; returns how many blocks moved. */
function shrink(vault: Vault, segments: number, progress?: MoveProgress): number {
  const { volume } = vault.opened;
  const { space } = volume.store;
  requireNoReader(vault);
  const wanted = usedCells(space) + slackCells(volume);
  if (wanted > segments * SEGMENT_CELLS) {
    const least = Math.ceil(wanted / SEGMENT_CELLS) * SEGMENT_BYTES / MIB;
    throw new VaultError(
      "invalid",
      `Cannot shrink "${vault.medium.name}": its content takes ${least} MiB; delete something first`,
    );
  }
  const [member] = space.members;
  space.confine(member, segments);
  try {
    const moved = moveOut(volume, cellsFrom(member, segments), progress);
    for (let i = 0; i < ROOTS_TO_RELEASE && !space.isEmptyFrom(member, segments); i++) {
      commitRoot(volume);
    }
    space.cut(member, segments);
    return moved;
  } finally {
    space.confine(member);
  }
}

/** What a check reads comes free only afterwards, so that nothing could be cut off. */
function requireNoReader({ medium, opened: { volume } }: Vault): void {
  if (volume.store.space.holds === 0) return;
  throw new VaultError(
    "conflict",
    `Cannot shrink "${medium.name}": it is being checked; try again when that has ended`,
  );
}

/** Ends the medium where the vault ends: cut off just now, or before a crash that came before this. */
async function endMedium(vault: Vault): Promise<void> {
  const { medium: { direct }, opened: { volume } } = vault;
  while (volume.engine.inTransaction) await pause(volume.engine);
  // From here on nobody comes in between, who might make it longer.
  const end = () => volume.store.space.segments * SEGMENT_BYTES;
  if (direct === undefined || direct.size() <= end()) return;
  // Older roots that opening may fall back to must not speak of the cut-off part either.
  for (let i = 0; i < ROOTS_TO_RELEASE; i++) commitRoot(volume);
  direct.truncate(end());
}

function cellsFrom(member: MemberSpace, segments: number): { from: number; end: number } {
  const from = (member.first + segments) * SEGMENT_CELLS;
  return { from, end: (member.first + MEMBER_SEGMENTS_MAX) * SEGMENT_CELLS };
}

/** Moves everything out of a range of cells in which nothing is taken any more. */
function moveOut(
  volume: Volume,
  cells: { from: number; end: number },
  progress?: MoveProgress,
): number {
  const { engine, store: { blocks } } = volume;
  const isWithin = (places: readonly number[]) =>
    places.some((cell) => cell >= cells.from && cell < cells.end);
  let moved = 0;
  for (let from = 0;;) {
    const ids = blocks.idsWithin(cells, MOVES_PER_ROOT, from);
    for (const id of ids) engine.rewriting(() => blocks.move(id));
    moved += ids.length;
    progress?.(moved);
    if (ids.length < MOVES_PER_ROOT) rewriteNodes(volume.store.physical, isWithin);
    commitRoot(volume);
    if (ids.length < MOVES_PER_ROOT) return moved;
    from = ids[ids.length - 1] + 1;
  }
}

function commitRoot(volume: Volume): void {
  volume.engine.markChanged();
  volume.commitNow();
}

/** Nodes are kept in as many copies as redundancy takes, and each root rewrites some. */
function slackCells({ store: { redundancy: { m } } }: Volume): number {
  return SLACK_CELLS * (m + 1);
}

function usedCells(space: Space): number {
  return space.segments * SEGMENT_CELLS - space.freeCells - space.resting.cells;
}

/**
 * Makes a sparse vault as small as its content: moves blocks out of its last segments, cuts them off, and gives
 * free cells of the others back to the storage below.
 */
export function compactVault(vault: Vault, progress?: MoveProgress): Promise<ResizeReport> {
  return reshape(vault, () => compactNow(vault, progress));
}

async function compactNow(vault: Vault, progress?: MoveProgress): Promise<ResizeReport> {
  const { volume } = vault.opened;
  const { space } = volume.store;
  vault.transactions.requireOpen();
  requireWritable(vault, "compact");
  checkAlone(vault, "compact");
  if (volume.store.dense || !vault.medium.capabilities.resize) {
    throw new VaultError(
      "invalid",
      `Cannot compact "${vault.medium.name}": only a sparse vault in a regular file can be compacted`,
    );
  }
  const beforeBytes = await vault.medium.size();
  await vault.commit();
  volume.engine.checkNoTransaction();
  requireNoReader(vault);
  for (let i = 0; i < ROOTS_TO_RELEASE; i++) commitRoot(volume);
  const cells = usedCells(space) * (1 + COMPACT_SLACK) + slackCells(volume);
  const segments = Math.max(SEGMENTS_MIN + HEADER_SEGMENTS, Math.ceil(cells / SEGMENT_CELLS));
  const moved = shrinkTowards(vault, segments, progress);
  await endMedium(vault);
  discardFree(vault);
  return { beforeBytes, afterBytes: await vault.medium.size(), moved };
}

/** Shrinks as far as what lies below has room: it may be too scattered. Returns how many blocks moved. */
function shrinkTowards(vault: Vault, wanted: number, progress?: MoveProgress): number {
  const { volume } = vault.opened;
  const { space } = volume.store;
  for (let segments = wanted; segments < space.segments;) {
    try {
      return shrink(vault, segments, progress);
    } catch (error) {
      if (!isFull(error) || volume.engine.durability.hasFailed) throw error;
    }
    for (let i = 0; i < ROOTS_TO_RELEASE; i++) commitRoot(volume);
    segments = Math.ceil((segments + space.segments) / 2);
  }
  return 0;
}

/** At once: what is free may be taken as soon as somebody else has a turn. */
function discardFree({ medium: { capabilities, direct }, opened: { volume } }: Vault): void {
  const { space } = volume.store;
  const [{ first }] = space.members;
  if (!capabilities.discard) return;
  for (let segment = HEADER_SEGMENTS; segment < space.segments; segment++) {
    for (const run of freeRuns(space.bitmap(first + segment))) {
      const offset = (segment * SEGMENT_CELLS + runCell(run)) * CELL_BYTES;
      direct?.discard(offset, runCount(run) * CELL_BYTES);
    }
  }
}
