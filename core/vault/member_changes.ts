/**
 * Changing the set of media that a vault lies on. Every change is one root of a new epoch of the set: a crash leaves the
 * set before it or after it.
 *
 * @module
 */
import type { LocatedBlock } from "../block/block_reader.ts";
import { headerSegments } from "../block/kept_segments.ts";
import type { MemberSpace } from "../block/member_space.ts";
import { isSpread } from "../block/spread.ts";
import { ObjectSeal } from "../crypto/object_seal.ts";
import { VaultError } from "../errors.ts";
import { MEMBER_CELLS, MEMBER_SEGMENTS_MAX, MEMBERS_MAX, SEGMENT_BYTES } from "../limits.ts";
import type { DirectMedium } from "../storage/joined_media.ts";
import type { StorageBackend } from "../storage/storage_backend.ts";
import { rewriteNodes } from "../tree/physical_trees.ts";
import type { Engine } from "../volume/engine.ts";
import { alignSlots } from "../volume/header_slots.ts";
import { addHeader, type HeaderSecret, scrapHeader } from "../volume/member_headers.ts";
import { memberStates, requireDirect } from "../volume/member_set.ts";
import { isQuiet, pause } from "../volume/passes.ts";
import { nextTurn } from "../turn.ts";
import { BLOCKS_PER_ROOT, moveBlocks } from "../volume/relocation.ts";
import { type NodeStep, type NodeTree, scrubTree } from "../volume/node_scrub.ts";
import { scrubBlocks, type ScrubStep } from "../volume/scrub.ts";
import type { Vault } from "./vault.ts";
import { makeRoom, sizeOf } from "./vault_shape.ts";

/** Roots until everything that rests has come free. */
const ROOTS_TO_RELEASE = 4;
const NODES_PER_STEP = 256;
const TREES = ["block map", "space map", "catalog"] as const;

/** A medium to be added, and what opens the vault: its header gets a key slot for that secret alone. */
export interface NewMember extends HeaderSecret {
  /** What it holds is overwritten. The vault closes it. */
  readonly medium: StorageBackend;
  /** Bytes: in a dense vault, exactly; in a sparse one, at most. */
  readonly sizeBytes?: number;
  /** Told how far filling it has come, in a dense vault. */
  readonly progress?: (doneBytes: number, totalBytes: number) => void;
}

/** Told how many blocks have been looked at. */
export type MemberProgress = (blocks: number) => void;

/**
 * Adds a medium and returns its number. What the vault holds stays where it is, unless `spreadBlocks` follows; what is
 * written from now on is spread over all of them. Key slots of other secrets have to be made anew to open this one when it is all that is left.
 */
export function addMember(vault: Vault, added: NewMember): Promise<number> {
  return reshape(vault, "add a member to", () => addNow(vault, added));
}

async function addNow(vault: Vault, added: NewMember): Promise<number> {
  const { engine } = vault.opened.volume;
  const { store, media } = engine;
  checkNotRotating(vault);
  const medium = requireDirect(added.medium);
  if (media.all.includes(medium)) {
    throw new VaultError("conflict", `Cannot add "${medium.name}" as a member: it is one already`);
  }
  const number = freeNumber(vault);
  const { dense } = store;
  const size = await sizeOf(medium, { dense, sizeBytes: added.sizeBytes });
  const scratch = dense ? vault.noiseScratch : undefined;
  await makeRoom({ ...vault.header, medium, scratch }, size, { ...added, dense });
  await addHeader(vault.header, medium, added);
  medium.unlock?.(objectSeal(vault), "create");
  await vault.commit();
  while (engine.inTransaction) await pause(engine);
  checkNotRotating(vault);
  engine.settle();
  media.join(number, medium);
  try {
    store.introduce(number);
    medium.direct.sync();
  } catch (error) {
    media.leave(number);
    throw error;
  }
  const member = store.space.addMember({ number, ...size });
  store.space.reserveFirst(member, headerSegments(dense));
  changeSet(vault);
  return number;
}

function checkNotRotating({ header: { keys }, medium }: Vault): void {
  if (keys.epochs.length === 1) return;
  throw new VaultError(
    "conflict",
    `Cannot add a member to "${medium.name}": its keys are being rotated; end that first`,
  );
}

/** What a medium that keeps records of its own seals them with. */
function objectSeal({ header: { kernel, runtime, keys } }: Vault): ObjectSeal {
  return new ObjectSeal(kernel, runtime, keys.layoutKey);
}

/** One such change after the other, and none within a transaction: what they have found must stay so until they end. */
async function reshape<T>(vault: Vault, what: string, work: () => Promise<T>): Promise<T> {
  const { engine } = vault.opened.volume;
  checkChangeable(vault, what);
  return await vault.reshape(async () => {
    while (engine.inTransaction) await pause(engine);
    checkChangeable(vault, what);
    return await work();
  });
}

function checkChangeable(vault: Vault, what: string): void {
  const { engine: { store, readOnly }, engine } = vault.opened.volume;
  const { name } = vault.medium;
  vault.transactions.requireOpen();
  engine.checkNoTransaction();
  if (readOnly) {
    throw new VaultError("denied", `Cannot ${what} "${name}": it is open read-only`, {
      errno: "EROFS",
    });
  }
  if (vault.header.keys.hidden === undefined && !store.space.isKeeping) return;
  throw new VaultError("invalid", `Cannot ${what} "${name}": a hidden vault lies on one medium`);
}

/** A number that no member has had lately, so that one that was removed is told from this one. */
function freeNumber({ medium, opened: { volume: { store: { space } } } }: Vault): number {
  const taken = space.members.map(({ number }) => number);
  const next = Math.max(...taken) + 1;
  if (next < MEMBERS_MAX) return next;
  for (let number = 0; number < MEMBERS_MAX; number++) if (!taken.includes(number)) return number;
  throw new VaultError(
    "invalid",
    `Cannot add a member to "${medium.name}": it has ${MEMBERS_MAX} already`,
  );
}

function changeSet({ opened: { volume } }: Vault): void {
  volume.store.memberEpoch++;
  commitRoot(volume.engine);
}

function commitRoot(engine: Engine): void {
  engine.markChanged();
  engine.commitNow();
}

/**
 * Moves everything off a member, takes it out of the set and overwrites its header; where it is missing, what it held is
 * made anew from the others. Where that is not possible, the member stays.
 */
export function removeMember(
  vault: Vault,
  number: number,
  progress?: MemberProgress,
): Promise<void> {
  return reshape(vault, "remove a member of", () => removeNow(vault, number, progress));
}

async function removeNow(
  vault: Vault,
  number: number,
  progress?: MemberProgress,
): Promise<void> {
  const { engine } = vault.opened.volume;
  const { store: { space, dense }, media } = engine;
  const member = memberOfVault(vault, number);
  checkOthers(vault, member);
  await vault.commit();
  space.confine(member, 0);
  try {
    await emptyMember(vault, member, progress);
    // What is read or undone meanwhile keeps cells of it; from here on nobody comes in between.
    while (!isQuiet(engine)) await pause(engine);
    for (let i = 0; i < ROOTS_TO_RELEASE; i++) {
      if (space.isEmptyFrom(member, headerSegments(dense))) break;
      commitRoot(engine);
    }
    space.removeMember(member, headerSegments(dense));
  } catch (error) {
    space.confine(member, MEMBER_SEGMENTS_MAX);
    throw error;
  }
  changeSet(vault);
  const medium = media.medium(number);
  if (medium !== undefined) await letGo(vault, number, medium);
}

function memberOfVault(vault: Vault, number: number): MemberSpace {
  const { members } = vault.opened.volume.store.space;
  const member = members.find((each) => each.number === number);
  if (member !== undefined) return member;
  throw new VaultError("missing", `Cannot find member ${number} of "${vault.medium.name}"`);
}

function checkOthers(vault: Vault, { number }: MemberSpace): void {
  const states = memberStates(vault.opened.volume.engine);
  states.delete(number);
  if ([...states.values()].includes("current")) return;
  throw new VaultError(
    "invalid",
    `Cannot remove member ${number} of "${vault.medium.name}": no other one has everything`,
  );
}

async function emptyMember(
  vault: Vault,
  member: MemberSpace,
  progress?: MemberProgress,
): Promise<void> {
  const { engine } = vault.opened.volume;
  const from = member.number * MEMBER_CELLS;
  const isOn = (cell: number) => cell >= from && cell < from + MEMBER_CELLS;
  const found = await moveBlocks(
    engine,
    ({ entry }) => entry.places.some(({ cell }) => isOn(cell)),
    progress,
  );
  while (engine.inTransaction) await pause(engine);
  rewriteNodes(engine.store.physical, (cells) => cells.some(isOn));
  commitRoot(engine);
  if (found.lost === 0) return;
  throw new VaultError(
    "corrupt",
    `Cannot remove member ${member.number} of "${vault.medium.name}": ` +
      `${found.lost} blocks cannot be read without it; run "check"`,
  );
}

async function letGo(vault: Vault, number: number, medium: DirectMedium): Promise<void> {
  vault.opened.volume.engine.settle();
  vault.opened.volume.engine.media.leave(number);
  await scrapHeader(vault.header, medium);
  await medium.close();
}

/** Adds a medium and removes another, which may be missing, in its place; then spreads everything over all members. Returns the number of the one that was added. */
export function replaceMember(
  vault: Vault,
  number: number,
  added: NewMember,
  progress?: MemberProgress,
): Promise<number> {
  return reshape(vault, "replace a member of", async () => {
    memberOfVault(vault, number);
    const own = await addNow(vault, added);
    await removeNow(vault, number, progress);
    await spreadNow(vault);
    return own;
  });
}

/** What bringing a member up to date did. */
export interface ResilverReport {
  /** Blocks that lay too close together and were spread. */
  readonly moved: number;
  /** Blocks that cannot be read. */
  readonly lost: number;
}

/**
 * Brings a stale member up to date: what does not open there is written anew, and what was written while it was away is
 * spread over all members again. Then it counts like the others.
 */
export function resilver(
  vault: Vault,
  number: number,
  progress?: MemberProgress,
): Promise<ResilverReport> {
  return reshape(vault, "bring a member up to date of", () => resilverNow(vault, number, progress));
}

async function resilverNow(
  vault: Vault,
  number: number,
  progress?: MemberProgress,
): Promise<ResilverReport> {
  const { engine } = vault.opened.volume;
  const { store, media } = engine;
  const member = memberOfVault(vault, number);
  const medium = media.medium(number);
  if (medium === undefined) {
    throw new VaultError(
      "unavailable",
      `Cannot bring member ${number} of "${vault.medium.name}" up to date: it is missing; replace it`,
    );
  }
  if (!member.stale) return { moved: 0, lost: 0 };
  await requireLength(medium, member);
  await vault.commit();
  store.space.setStale(member, "filled");
  try {
    const report = await fillMember(vault, progress);
    await alignSlots(vault.header, medium);
    while (engine.inTransaction) await pause(engine);
    // It has to know the root before the one that counts on it: behind by more, it would be away again after a crash.
    store.introduce(number);
    medium.direct.sync();
    store.space.setStale(member, "current");
    changeSet(vault);
    return report;
  } catch (error) {
    store.space.setStale(member, "left alone");
    throw error;
  }
}

/** A member that was cut off gets its length back; what lay there does not open, and is written anew. */
async function requireLength(medium: DirectMedium, { segments }: MemberSpace): Promise<void> {
  const bytes = segments * SEGMENT_BYTES;
  if (await medium.size() < bytes) await medium.truncate(bytes);
}

/** Everything is read; what has bad places is repaired, and what lies too close together spread. */
async function fillMember(
  { opened: { volume: { engine } } }: Vault,
  progress?: MemberProgress,
): Promise<ResilverReport> {
  let lost = 0;
  for (let from: number | null = 0, seen = 0; from !== null; await nextTurn()) {
    while (engine.inTransaction) await pause(engine);
    const step: ScrubStep = scrubBlocks(engine, from, { blocks: BLOCKS_PER_ROOT });
    from = step.next;
    lost += step.lost.length;
    commitRoot(engine);
    progress?.(seen += step.blocks);
  }
  for (const tree of TREES) await scrubWholeTree(engine, tree);
  return { lost, ...await spreadOver(engine) };
}

/** Writes anew what lies closer together than the members that cells are taken on allow. */
async function spreadOver(
  engine: Engine,
  progress?: MemberProgress,
): Promise<{ moved: number }> {
  const { store } = engine;
  const members = store.space.members.filter(({ takes }) => takes).length;
  const isCrowded = ({ entry: { m, places } }: LocatedBlock) =>
    !isSpread(places.map(({ cell }) => cell), m, members);
  const { moved } = await moveBlocks(engine, isCrowded, progress);
  while (engine.inTransaction) await pause(engine);
  rewriteNodes(store.physical, (cells) => !isSpread(cells, store.redundancy.m, members));
  commitRoot(engine);
  return { moved };
}

/**
 * Spreads everything over the members again, so that the loss of one is borne where k + m allows it: after one was added,
 * or while one was missing, some of it lies closer together. Returns how many blocks had to move.
 */
export function spreadBlocks(vault: Vault, progress?: MemberProgress): Promise<number> {
  return reshape(vault, "spread the blocks of", () => spreadNow(vault, progress));
}

async function spreadNow(vault: Vault, progress?: MemberProgress): Promise<number> {
  await vault.commit();
  return (await spreadOver(vault.opened.volume.engine, progress)).moved;
}

async function scrubWholeTree(engine: Engine, tree: NodeTree): Promise<void> {
  let from: Uint8Array | null = new Uint8Array(0);
  for (; from !== null; await nextTurn()) {
    while (engine.inTransaction) await pause(engine);
    const step: NodeStep = scrubTree(engine, tree, from, NODES_PER_STEP);
    from = step.next;
  }
}
