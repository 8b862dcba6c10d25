import type { DamageObserver } from "../block/damage.ts";
import { InlineLane, type Lane } from "../block/lane.ts";
import { RootStore } from "../block/root_store.ts";
import { SealContext } from "../block/seal_context.ts";
import { ASCENDING_ORDER, SegmentOrder } from "../block/segment_order.ts";
import type { Kernel } from "../crypto/kernel.ts";
import { KeyRing } from "../crypto/key_ring.ts";
import { ObjectSeal } from "../crypto/object_seal.ts";
import { currentEpoch, type VaultKeys } from "../crypto/vault_keys.ts";
import { VaultError } from "../errors.ts";
import type { HiddenPlace } from "../format/hidden_place.ts";
import { SEGMENT_BYTES } from "../limits.ts";
import type { Runtime } from "../runtime.ts";
import type { DirectAccess, StorageBackend } from "../storage/storage_backend.ts";
import { replayLog } from "../tree/replay.ts";
import { TreeStore } from "../tree/tree_store.ts";
import type { TreeStoreParts, TreeStoreShape } from "../tree/tree_store_parts.ts";
import { Engine } from "./engine.ts";
import type { Volume } from "./volume.ts";
import { MAIN_VOLUME, Volumes } from "./volumes.ts";
import { protectHidden } from "./hidden_place.ts";

/** What opening or making a volume takes. The keys may be wiped afterwards. */
export interface VolumeOptions {
  readonly medium: StorageBackend;
  readonly kernel: Kernel;
  readonly runtime: Runtime;
  readonly keys: VaultKeys;
  /** Where sealing and I/O run; inline by default. */
  readonly lane?: Lane;
  /** Bytes of clean tree pages kept in memory. */
  readonly cacheBytes?: number;
  /** A hidden vault whose segments are left alone. */
  readonly protect?: HiddenPlace;
  /** Told of damage that redundancy has made good. */
  readonly onDamage?: DamageObserver;
}

/** A vault's first volume, opened with all that it shares with others, and what opening it found. */
export interface OpenedVolume {
  readonly volume: Volume;
  readonly volumes: Volumes;
  /** Overwrites the keys, and clear text in kernel memory. */
  wipe(): void;
  /** Transactions taken over from the intent log: the vault was not closed. */
  readonly replayed: number;
  /** Sequences of newer roots that do not open. */
  readonly skippedRoots: readonly number[];
}

/** Makes a vault with one empty volume and writes its first root. */
export function createVolume(options: VolumeOptions, shape: TreeStoreShape): OpenedVolume {
  const { parts, keyRing, medium } = assemble(options, "create");
  const store = TreeStore.create(parts, shape);
  store.damage.observer = options.onDamage ?? null;
  const engine = engineOver(options, { store, medium, readOnly: false });
  const volumes = new Volumes(engine);
  volumes.createVolume(MAIN_VOLUME);
  const wipe = () => wipeAll(engine, parts, keyRing);
  return { volume: volumes.openFirst(), volumes, wipe, replayed: 0, skippedRoots: [] };
}

/** Opens the newest root and takes over what the intent log holds. */
export function openVolume(options: VolumeOptions, mode: "write" | "read"): OpenedVolume {
  const { parts, keyRing, medium } = assemble(options, "open");
  const opened = parts.roots.newest(options.keys.epochs.map(({ epoch }) => epoch));
  if (opened === null) {
    throw new VaultError(
      "corrupt",
      `Cannot open vault "${options.medium.name}": no root was found; creating it may not have finished`,
    );
  }
  const { record } = opened;
  if (record.members[0].segments * SEGMENT_BYTES > medium.size()) {
    throw new VaultError(
      "corrupt",
      `Cannot open vault "${options.medium.name}": the medium is shorter than the vault; it was truncated`,
    );
  }
  const store = TreeStore.open(parts, opened);
  store.damage.observer = options.onDamage ?? null;
  const replayed = replayLog(store);
  const { keys, medium: { name }, protect } = options;
  if (protect !== undefined) protectHidden({ keys, space: store.space, name }, protect);
  const readOnly = mode === "read" || !options.medium.capabilities.writable;
  const engine = engineOver(options, { store, medium, readOnly });
  if (!readOnly && (replayed > 0 || opened.skipped.length > 0)) engine.recover();
  const volumes = new Volumes(engine);
  const wipe = () => wipeAll(engine, parts, keyRing);
  return { volume: volumes.openFirst(), volumes, wipe, replayed, skippedRoots: opened.skipped };
}

interface Assembly {
  readonly parts: TreeStoreParts;
  readonly keyRing: KeyRing;
  readonly medium: DirectAccess;
}

function assemble(options: VolumeOptions, mode: "open" | "create"): Assembly {
  const { kernel, runtime, keys } = options;
  if (options.medium.unlock !== undefined) {
    options.medium.unlock(new ObjectSeal(kernel, runtime, keys.layoutKey), mode);
  }
  const medium = options.medium.direct;
  if (medium === undefined) {
    throw new VaultError(
      "invalid",
      `Cannot use medium "${options.medium.name}": it has no direct access; use a file or memory`,
    );
  }
  const keyRing = new KeyRing(kernel);
  for (const { epoch, masterKey } of keys.epochs) keyRing.addEpoch(epoch, masterKey);
  const context = new SealContext({
    kernel,
    keys: keyRing,
    lane: options.lane ?? new InlineLane(kernel, medium),
    runtime,
    vaultId: keys.vaultId.slice(),
    epoch: currentEpoch(keys).epoch,
  });
  const roots = new RootStore(context, medium, keys.layoutKey);
  const order = options.medium.capabilities.overwrite
    ? new SegmentOrder(kernel, keys.layoutKey)
    : ASCENDING_ORDER;
  const { cacheBytes } = options;
  return { parts: { context, medium, roots, order, cacheBytes }, keyRing, medium };
}

function wipeAll(engine: Engine, parts: TreeStoreParts, keyRing: KeyRing): void {
  engine.wipe();
  keyRing.wipe();
  parts.order.wipe();
}

function engineOver(
  options: VolumeOptions,
  over: { store: TreeStore; medium: DirectAccess; readOnly: boolean },
): Engine {
  const { kernel, runtime, keys: { layoutKey }, medium } = options;
  const discard = medium.supportsSparse && medium.capabilities.discard && !over.store.dense;
  // What was written once cannot be used again: the sooner it is known to be free, the sooner it is deleted.
  const when = medium.capabilities.overwrite ? "asked" : "committed";
  return new Engine({ kernel, runtime, layoutKey, discard: discard ? when : "never", ...over });
}
