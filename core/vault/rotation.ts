/**
 * Rotation of keys: a fresh epoch for everything that is written from now on, and all that is there moved to it, until the
 * older epochs open nothing that remains.
 *
 * @module
 */
import type { KdfChoice } from "../crypto/argon2.ts";
import type { Secret } from "../crypto/key_encryption.ts";
import { currentEpoch } from "../crypto/vault_keys.ts";
import { VaultError } from "../errors.ts";
import { CELL_BYTES, RING_CELLS, SEGMENT_CELLS } from "../limits.ts";
import { type InTurn, nextTurn } from "../turn.ts";
import { type EpochScan, scanEpochs } from "../volume/epoch_proof.ts";
import { overwriteFreeCells } from "../volume/free_cells.ts";
import { readHeaderBytes } from "../volume/header_cells.ts";
import { beginRotation, endRotation, isHeaderSettled } from "../volume/key_rotation.ts";
import { movePass, releaseOrWait, rewritePass, writeRoot } from "../volume/passes.ts";
import { type ProvenSlot, provenSlots } from "../volume/slot_search.ts";
import type { Vault } from "./vault.ts";

/** Times that everything is gone through; a second time only finds what a fault left out. */
const ROUNDS_MAX = 3;

/** How far a rotation is. */
export interface RotationProgress {
  readonly stage: "moving" | "proving" | "overwriting";
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** Bytes that the last step wrote. */
  readonly writtenBytes: number;
}

/** How much of the newest root is under the keys of now. */
export interface RotationState {
  /** Blocks and nodes. */
  readonly carried: number;
  readonly total: number;
}

/** True where a rotation has begun and older epochs may still be needed. */
export function isRotating({ header: { keys } }: Vault): boolean {
  return keys.epochs.length > 1;
}

/** Counts, from the medium, how far a rotation is; null where none is under way. */
export async function rotationState(vault: Vault): Promise<RotationState | null> {
  if (!isRotating(vault)) return null;
  const { opened: { volume: { store } }, header: { keys } } = vault;
  const scan: EpochScan = { seen: 0, left: 0 };
  for (const _ of scanEpochs(store, currentEpoch(keys).epoch, scan)) await nextTurn();
  return { carried: Math.max(0, scan.seen - scan.left), total: scan.seen };
}

/** The slots that a secret opens: what {@linkcode startRotation} keeps. */
export async function slotsOf(
  { header }: Vault,
  presented: { readonly secret: Secret; readonly profiles?: readonly KdfChoice[] },
): Promise<ProvenSlot[]> {
  return await provenSlots({ ...header, ...presented }, await readHeaderBytes(header.medium));
}

/** Gives the slots of `kept` a fresh epoch, removes all others, and writes under it from now on. Steps carry the rest. */
export async function startRotation(vault: Vault, kept: readonly ProvenSlot[]): Promise<void> {
  const { opened: { volume, keyRing }, header } = vault;
  volume.engine.checkNoTransaction();
  if (volume.store.space.members.length > 1) {
    throw new VaultError(
      "invalid",
      `Cannot rotate the keys of "${vault.medium.name}": the vault lies on several media`,
    );
  }
  volume.engine.markChanged(); // throws where nothing can be changed
  try {
    await beginRotation(header, kept);
  } catch (error) {
    // Slots may be under keys by now that only whoever opens the vault again finds.
    const isRefused = error instanceof VaultError && error.kind !== "unavailable";
    if (!isRefused) volume.engine.giveUp(error);
    throw error;
  }
  const { epoch, masterKey } = currentEpoch(header.keys);
  keyRing.addEpoch(epoch, masterKey);
}

/**
 * The rest of a rotation, from wherever it was when the vault was closed or a crash ended it. At each step nothing is half
 * done; a step may not begin inside a transaction.
 */
export async function* rotationSteps(
  vault: Vault,
  inTurn: InTurn = (change) => change(),
): AsyncGenerator<RotationProgress, void> {
  const { opened: { volume: { engine } }, header: { keys } } = vault;
  const { epoch } = currentEpoch(keys);
  yield* useEpoch(vault, epoch, inTurn);
  yield* hideOlderRoots(vault);
  for (let round = 1;; round++) {
    yield* carry(vault, epoch, round);
    while (!await releaseOrWait(engine)) yield progress(vault, "moving");
    yield progress(vault, "proving");
    const scan: EpochScan = { seen: 0, left: 0 };
    for (const _ of scanEpochs(engine.store, epoch, scan)) yield progress(vault, "proving");
    if (scan.left === 0) break;
    if (round === ROUNDS_MAX) throw unfinished(vault, `${scan.left} blocks and nodes are left`);
  }
  yield* hideOlderRoots(vault);
  yield* overwrite(vault);
  const older = keys.epochs.slice(0, -1).map((each) => each.epoch);
  await inTurn(() => endRotation(vault.header));
  for (const each of older) vault.opened.keyRing.dropEpoch(each);
}

async function* useEpoch(
  vault: Vault,
  epoch: number,
  inTurn: InTurn,
): AsyncGenerator<RotationProgress> {
  const { engine } = vault.opened.volume;
  while (engine.store.context.epoch !== epoch) {
    if (!await inTurn(() => isHeaderSettled(vault.header))) {
      throw unfinished(vault, "a copy of its header is damaged; close it and open it again");
    }
    if (!engine.inTransaction) engine.useEpoch(epoch);
    yield progress(vault, "moving");
  }
}

/** Writes roots until none is left in the rings that the older epochs find: a dropped secret would open an old state. */
async function* hideOlderRoots(vault: Vault): AsyncGenerator<RotationProgress> {
  const { opened: { volume: { engine }, roots }, header: { keys } } = vault;
  const older = keys.epochs.slice(0, -1).map(({ epoch }) => epoch);
  for (let roundsLeft = RING_CELLS; roots.isNamedUnder(older);) {
    if (!engine.inTransaction && roundsLeft-- === 0) {
      throw unfinished(vault, "a superblock of the older keys cannot be overwritten");
    }
    await writeRoot(engine);
    yield progress(vault, "moving");
  }
}

async function* carry(
  vault: Vault,
  epoch: number,
  round: number,
): AsyncGenerator<RotationProgress> {
  const { engine } = vault.opened.volume;
  let doneBytes = 0;
  const order = { from: 0, chooses: (entry: { epoch: number }) => entry.epoch !== epoch };
  for (const pass of [movePass(engine, order), rewritePass(engine, round > 1)]) {
    for await (const { seenBytes, writtenBytes } of pass) {
      doneBytes += seenBytes;
      yield { ...progress(vault, "moving"), doneBytes, writtenBytes };
    }
  }
}

async function* overwrite(vault: Vault): AsyncGenerator<RotationProgress> {
  const { medium, opened: { volume: { engine } } } = vault;
  const { capabilities: { overwrite, discard }, supportsSparse } = medium;
  if (!overwrite) return engine.discardReleased();
  const discards = !engine.store.dense && supportsSparse && discard;
  const { space } = engine.store;
  const totalBytes = space.freeCells * CELL_BYTES;
  let doneBytes = 0;
  for (const writtenBytes of overwriteFreeCells({ engine, discards })) {
    doneBytes += writtenBytes;
    yield { stage: "overwriting", doneBytes, totalBytes, writtenBytes };
  }
  await medium.sync();
}

function progress(
  { opened: { volume: { store: { space } } } }: Vault,
  stage: RotationProgress["stage"],
): RotationProgress {
  const usedCells = space.segments * SEGMENT_CELLS - space.freeCells;
  return { stage, doneBytes: 0, totalBytes: usedCells * CELL_BYTES, writtenBytes: 0 };
}

function unfinished({ medium: { name } }: Vault, why: string): VaultError {
  return new VaultError("unavailable", `Cannot finish rotating the keys of "${name}": ${why}`, {
    operation: "rotate keys",
  });
}

/** What shall stay valid, and who is told how far it is. */
export interface RotateKeysOptions {
  /** Slots that none of them opens are dropped. */
  readonly keep: readonly Secret[];
  /** The profiles to try, where the caller knows. */
  readonly profiles?: readonly KdfChoice[];
  readonly progress?: (progress: RotationProgress) => void;
}

/**
 * Rotates the keys of an open vault to the end. One that was cut short is only finished: what `keep` says was settled
 * when it began.
 */
export async function rotateKeys(vault: Vault, options: RotateKeysOptions): Promise<void> {
  vault.transactions.requireOpen();
  if (!isRotating(vault)) {
    const kept: ProvenSlot[] = [];
    for (const secret of options.keep) {
      kept.push(...await slotsOf(vault, { secret, profiles: options.profiles }));
    }
    await startRotation(vault, kept);
  }
  for await (const step of rotationSteps(vault)) options.progress?.(step);
}
