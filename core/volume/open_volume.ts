import type { DamageObserver } from "../block/damage.ts";
import type { Lane } from "../block/lane.ts";
import { MemberLane } from "../block/member_lane.ts";
import { type OpenedRoot, RootStore } from "../block/root_store.ts";
import { SealContext } from "../block/seal_context.ts";
import { ASCENDING_ORDER, SegmentOrder } from "../block/segment_order.ts";
import type { Kernel } from "../crypto/kernel.ts";
import { KeyRing } from "../crypto/key_ring.ts";
import { ObjectSeal } from "../crypto/object_seal.ts";
import { currentEpoch, type VaultKeys } from "../crypto/vault_keys.ts";
import { VaultError } from "../errors.ts";
import type { HiddenPlace } from "../format/hidden_place.ts";
import { memberOf } from "../format/place.ts";
import { SESSION_ID_BYTES } from "../format/session_record.ts";
import type { Runtime } from "../runtime.ts";
import { JoinedMedia } from "../storage/joined_media.ts";
import type { StorageBackend } from "../storage/storage_backend.ts";
import { replayLog } from "../tree/replay.ts";
import { TreeStore } from "../tree/tree_store.ts";
import type { TreeStoreParts, TreeStoreShape } from "../tree/tree_store_parts.ts";
import type { DeviceMemory } from "./device_memory.ts";
import { Engine } from "./engine.ts";
import { identify, requireDirect, Standing } from "./member_set.ts";
import { membersSetBack } from "./set_back.ts";
import type { Volume } from "./volume.ts";
import { MAIN_VOLUME, Volumes } from "./volumes.ts";
import { protectHidden } from "./hidden_place.ts";

/** What opening or making a volume takes. The keys may be wiped afterwards. */
export interface VolumeOptions {
  readonly medium: StorageBackend;
  /** Further media of the vault, in any order. */
  readonly members?: readonly StorageBackend[];
  /** Go on without members that are missing or stale, however many: they are never changed elsewhere again. */
  readonly acceptMissing?: boolean;
  readonly kernel: Kernel;
  readonly runtime: Runtime;
  readonly keys: VaultKeys;
  /** Where sealing and I/O run; inline by default, and where a vault has several members. */
  readonly lane?: Lane;
  /** Bytes of clean tree pages kept in memory. */
  readonly cacheBytes?: number;
  /** The name of the volume to open; the first one unless given. */
  readonly volume?: string;
  /** A hidden vault whose segments are left alone. */
  readonly protect?: HiddenPlace;
  /** Told of damage that redundancy has made good. */
  readonly onDamage?: DamageObserver;
  /** What this device remembers of the vault: roots are compared with it, and told to it. */
  readonly memory?: DeviceMemory;
}

/** A vault's first volume, opened with all that it shares with others, and what opening it found. */
export interface OpenedVolume {
  readonly volume: Volume;
  readonly volumes: Volumes;
  /** Overwrites the keys, and clear text in kernel memory. */
  wipe(): void;
  /** The subkeys in use. */
  readonly keyRing: KeyRing;
  /** Its superblocks and root records. */
  readonly roots: RootStore;
  /** Transactions taken over from the intent log: the vault was not closed. */
  readonly replayed: number;
  /**
   * The last transaction of the log was left out, because blocks that it names are not on the medium: a crash met a sync that
   * had not finished, or they were damaged later, which nobody can tell apart.
   */
  readonly unfinished: boolean;
  /** Sequences of newer roots that do not open. */
  readonly skippedRoots: readonly number[];
  /** What this device remembers of the vault, where it does. */
  readonly memory?: DeviceMemory;
  /** What is damaged where media had to be put together from what is left. */
  readonly mediumDamage: readonly string[];
}

const NOTHING_FOUND = { replayed: 0, unfinished: false, skippedRoots: [], mediumDamage: [] };

/** Makes a vault with one empty volume and writes its first root. */
export function createVolume(options: VolumeOptions, shape: TreeStoreShape): OpenedVolume {
  const media = new JoinedMedia();
  const given = mediaOf(options);
  shape.members.forEach(({ number }, i) => media.join(number, requireDirect(given[i])));
  const { parts, keyRing } = assemble(options, media, "create");
  const store = TreeStore.create(parts, shape);
  store.damage.observer = options.onDamage ?? null;
  const engine = engineOver(options, { store, media, readOnly: false });
  beginSession(options, engine);
  const volumes = new Volumes(engine);
  volumes.createVolume(MAIN_VOLUME);
  const wipe = () => wipeAll(engine, parts, keyRing);
  const { memory } = options;
  const { roots } = parts;
  const volume = volumes.openFirst();
  return { volume, volumes, wipe, keyRing, roots, memory, ...NOTHING_FOUND };
}

/**
 * Opens the newest root and takes over what the intent log holds. Where too many members are missing or stale, it can only
 * be read.
 */
export function openVolume(options: VolumeOptions, mode: "write" | "read"): OpenedVolume {
  const media = new JoinedMedia();
  const { parts, keyRing, mediumDamage } = assemble(options, media, "open");
  const epochs = options.keys.epochs.map(({ epoch }) => epoch);
  const given = mediaOf(options);
  identify(parts, given, epochs);
  const opened = parts.roots.newest(epochs);
  if (opened === null) throw new VaultError("corrupt", "Cannot open vault: no root was found");
  const { epoch } = opened.record;
  if (!keyRing.has(epoch)) throw new VaultError("corrupt", "Cannot open vault: bad key epoch");
  // A rotation that has given the slots another epoch goes on under the root's until it writes a root itself.
  parts.context.epoch = epoch;
  const standing = new Standing(media, opened);
  const store = TreeStore.open(parts, opened);
  standing.leaveOut(membersSetBack({ store, media }, opened));
  const isWritable = given.every(({ capabilities }) => capabilities.writable);
  const mayWrite = standing.mayWrite || options.acceptMissing === true;
  const readOnly = mode === "read" || !isWritable || !mayWrite;
  goOnWithout(store, standing);
  store.damage.observer = options.onDamage ?? null;
  const { memory } = options;
  memory?.admit(opened, store, isHeld(opened));
  const { replayed, unfinished } = replayLog(store);
  protect(options, store);
  const engine = engineOver(options, { store, media, readOnly });
  if (!readOnly) {
    engine.admission.settle();
    beginSession(options, engine);
    tellAll(engine, opened);
  }
  const isSettled = replayed === 0 && opened.skipped.length === 0 && standing.lost.length === 0;
  if (!readOnly && !isSettled) engine.recover();
  const volumes = new Volumes(engine);
  const wipe = () => wipeAll(engine, parts, keyRing);
  const skippedRoots = opened.skipped;
  const { roots } = parts;
  const volume = options.volume === undefined
    ? volumes.openFirst()
    : volumes.openVolume(options.volume);
  const found = { replayed, unfinished, skippedRoots, mediumDamage };
  return { volume, volumes, wipe, keyRing, roots, memory, ...found };
}

/** Whoever writes roots says so with the first of them: later ones show by it what they came from. */
function beginSession({ runtime, memory }: VolumeOptions, engine: Engine): void {
  const { store, store: { catalog, blocks, sequence: base, rootHash: baseHash } } = engine;
  const id = new Uint8Array(SESSION_ID_BYTES);
  runtime.random(id);
  catalog.addSession({ first: blocks.birth, base, baseHash, id });
  if (memory === undefined) return;
  engine.onRoot = () => {
    memory.rootDurable({ sequence: store.sequence, hash: store.rootHash, session: id });
  };
}

function mediaOf({ medium, members = [] }: VolumeOptions): readonly StorageBackend[] {
  return [medium, ...members];
}

/** No cell is taken on members that are missing or stale; where they were relied on, the set is another one from now on. */
function goOnWithout(store: TreeStore, { states, lost }: Standing): void {
  for (const member of store.space.members) {
    if (states.get(member.number) !== "current") store.space.setStale(member, "left alone");
  }
  if (lost.length > 0) store.memberEpoch++;
}

/** True where every member that a root counts on names it. */
function isHeld({ record: { members }, holders }: OpenedRoot): boolean {
  return members.every(({ number, stale }) => stale || holders.includes(number));
}

/**
 * Names the root to members that a crash has kept from knowing it: only then may the log rely on it, and a second crash
 * leaves no member behind by two roots.
 */
function tellAll({ store, media }: Engine, { holders }: OpenedRoot): void {
  const others = store.space.members.filter(({ number, stale }) =>
    !stale && !holders.includes(number)
  );
  for (const { number } of others) store.introduce(number);
  if (others.length > 0) media.sync();
}

function protect({ keys, medium: { name }, protect }: VolumeOptions, store: TreeStore): void {
  if (protect !== undefined) protectHidden({ keys, space: store.space, name }, protect);
}

interface Assembly {
  readonly parts: TreeStoreParts;
  readonly keyRing: KeyRing;
  readonly mediumDamage: readonly string[];
}

function assemble(options: VolumeOptions, media: JoinedMedia, mode: "open" | "create"): Assembly {
  const { kernel, runtime, keys, cacheBytes } = options;
  const given = mediaOf(options);
  const mediumDamage: string[] = [];
  for (const medium of given) {
    const damage = medium.unlock?.(new ObjectSeal(kernel, runtime, keys.layoutKey), mode) ?? null;
    if (damage !== null) mediumDamage.push(damage);
  }
  const keyRing = new KeyRing(kernel);
  for (const { epoch, masterKey } of keys.epochs) keyRing.addEpoch(epoch, masterKey);
  const context = new SealContext({
    kernel,
    keys: keyRing,
    lane: new MemberLane(kernel, media, options.lane),
    runtime,
    vaultId: keys.vaultId.slice(),
    epoch: currentEpoch(keys).epoch,
    isAway: (cell) => media.medium(memberOf(cell)) === undefined,
  });
  const roots = new RootStore(context, media, keys.layoutKey);
  const order = given.every(({ capabilities }) => capabilities.overwrite)
    ? new SegmentOrder(kernel, keys.layoutKey)
    : ASCENDING_ORDER;
  return { parts: { context, media, roots, order, cacheBytes }, keyRing, mediumDamage };
}

/** A vault may be given up with jobs queued: those would seal with keys that are gone, to a medium that is closed next. */
function wipeAll(engine: Engine, { context, order }: TreeStoreParts, keyRing: KeyRing): void {
  try {
    context.lane.settle();
  } catch (error) {
    if (!(error instanceof VaultError)) throw error; // whoever made something durable has met it
  } finally {
    engine.wipe();
    keyRing.wipe();
    order.wipe();
  }
}

function engineOver(
  options: VolumeOptions,
  over: { store: TreeStore; media: JoinedMedia; readOnly: boolean },
): Engine {
  const { kernel, runtime, keys: { layoutKey } } = options;
  const given = mediaOf(options);
  const discards = !over.store.dense &&
    given.some((medium) => medium.supportsSparse && medium.capabilities.discard);
  // What was written once cannot be used again: the sooner it is known to be free, the sooner it is deleted.
  const when = given.every(({ capabilities }) => capabilities.overwrite) ? "asked" : "committed";
  return new Engine({ kernel, runtime, layoutKey, discard: discards ? when : "never", ...over });
}
