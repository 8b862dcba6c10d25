import { Tree } from "../btree/tree.ts";
import { ForeignSeal } from "../crypto/foreign_seal.ts";
import {
  openStreamKey,
  passphraseStreamKey,
  StreamSeal,
  vaultStreamKey,
} from "../crypto/stream_seal.ts";
import { currentEpoch, type VaultKeys } from "../crypto/vault_keys.ts";
import { compare, concat, wipe } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { GUID_BYTES } from "../format/catalog_record.ts";
import { STREAM_SALT_BYTES } from "../format/stream_frame.ts";
import { FOREIGN_BLOCK_BYTES_MIN } from "../format/foreign_block.ts";
import { decodeToken, type ResumePoint, type StreamBegin } from "../format/stream_head.ts";
import { decodePosition, type StreamPosition } from "../format/stream_position.ts";
import { CONTENT_BYTES_MAX } from "../format/stream_record.ts";
import { KEY_TYPE } from "../format/volume_key.ts";
import type { MemoryLease } from "../fs/memory_lease.ts";
import { CELL_BYTES } from "../limits.ts";
import type { PlacedSnapshot } from "../tree/catalog.ts";
import type { Engine } from "../volume/engine.ts";
import type { SnapshotStore } from "../volume/snapshot_store.ts";
import type { SnapshotName } from "../volume/volume_status.ts";
import type { Volumes } from "../volume/volumes.ts";
import { PAUSE, sealFrames } from "./stream_frames.ts";
import { ForeignOrigin, type ForeignOriginParts } from "./foreign_origin.ts";
import { ForeignSource } from "./foreign_source.ts";
import { ownOrigin, StreamSource } from "./stream_source.ts";

const NO_GUID = new Uint8Array(GUID_BYTES);

/** Frames that leave together: what is written to a pipe at once, and fits a message of the control socket. */
const FRAMES_PER_CHUNK = 5;

/** Whose key seals a stream: what a passphrase gives, or the vault's own. */
export interface StreamSecret {
  /** What both sides know; without it only a vault with the sender's keys can receive the stream. Wiped by who gave it. */
  readonly passphrase?: Uint8Array;
}

/** What is sent, and how. */
export interface SendOptions {
  /** A snapshot that the receiver has: only what differs from it is sent. */
  readonly from?: SnapshotName;
  /**
   * `"raw"`: as blocks that are sealed under the vault's key one by one, each under its id: for a receiver that keeps them
   * without it, shares what snapshots have in common, and gives them back. `"opened"`: such blocks, of a volume that was
   * received raw, as what they are. Unless given, what the volume holds.
   */
  readonly form?: "raw" | "opened";
  /** Where an interrupted receive goes on: the token that it gives. */
  readonly resume?: string;
  /** Told how much content has been sent, of how much where all is sent; else of 0. */
  readonly progress?: (doneBytes: number, totalBytes: number) => void;
}

/** What streams stand on. */
export interface StreamParts {
  readonly engine: Engine;
  readonly volumes: Volumes;
  readonly keys: VaultKeys;
  /** Kernel memory, until it is given back, or the vault is closed. */
  readonly lease: () => MemoryLease;
  readonly giveBack: (lease: MemoryLease) => void;
}

/** What makes the records of a stream. */
interface StreamPieces {
  readonly contentBytes: number;
  pieces(from: StreamPosition): Generator<Uint8Array>;
}

/** A stream that is about to begin. */
interface SendPlan {
  readonly what: { readonly volume: string } & SendOptions;
  readonly snapshot: PlacedSnapshot;
  readonly base: PlacedSnapshot | null;
  readonly memory: MemoryLease;
}

/** The key of a stream that is made. The caller wipes it. */
export async function sendingKey(
  { keys }: Pick<StreamParts, "keys">,
  salt: Uint8Array,
  { passphrase, form }: StreamSecret & Pick<SendOptions, "form">,
): Promise<Uint8Array> {
  if (passphrase === undefined && form === "raw") return openStreamKey(salt);
  if (passphrase === undefined) return vaultStreamKey(currentEpoch(keys).masterKey, salt);
  if (passphrase.length > 0) return await passphraseStreamKey(passphrase, salt);
  throw new VaultError("invalid", "Cannot use an empty passphrase: choose a longer one");
}

/** A snapshot that is being sent: its frames, and what has to stay while it is. */
export class StreamSend {
  readonly salt: Uint8Array<ArrayBuffer>;
  readonly #giveBack: () => void;
  readonly #held: SnapshotStore[] = [];
  readonly #wipers: (() => void)[] = [];
  #closed = false;
  readonly #frames: Generator<Uint8Array<ArrayBuffer>>;
  readonly #report: () => void;

  /** Holds the snapshots, and begins. */
  constructor(
    parts: StreamParts,
    what: { readonly volume: string; readonly snapshot: SnapshotName } & SendOptions,
    sealing: { readonly salt: Uint8Array<ArrayBuffer>; readonly key: Uint8Array },
  ) {
    const { engine, volumes } = parts;
    const { volume, from, progress } = what;
    this.salt = sealing.salt;
    const memory = parts.lease();
    this.#giveBack = () => parts.giveBack(memory);
    try {
      const snapshot = this.#hold(volumes, volume, what.snapshot);
      const base = from === undefined ? null : this.#hold(volumes, volume, from);
      const { begin, source } = this.#begin(parts, { what, snapshot, base, memory });
      const seal = new StreamSeal(engine.kernel, memory, sealing.salt);
      seal.useKey(sealing.key);
      this.#frames = sealFrames(seal, source.pieces(decodePosition(begin.position)));
      const total = base === null && begin.position.length === 0 ? begin.referencedBytes : 0;
      this.#report = () => progress?.(source.contentBytes, total);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** What is sent: the volume, the volume as foreign blocks, or what foreign blocks are. */
  #begin(parts: StreamParts, order: SendPlan): { begin: StreamBegin; source: StreamPieces } {
    const { engine, keys, volumes } = parts;
    const { what, snapshot, base, memory } = order;
    const { blockBytes } = this.#held[0];
    const { compression } = volumes.recordOf(what.volume);
    const own: StreamBegin = {
      blockBytes,
      guid: snapshot.guid,
      base: base?.guid ?? NO_GUID,
      time: snapshot.time,
      referencedBytes: snapshot.cells * CELL_BYTES,
      position: new Uint8Array(0),
      compression,
      raw: what.form === "raw",
      name: snapshot.name,
    };
    const isForeign = holdsForeign(engine, snapshot);
    const { kernel } = engine;
    if (what.form === "raw" && !isForeign) {
      const seal = new ForeignSeal(kernel, memory, keys);
      this.#wipers.push(() => seal.wipe());
      const begin = resumed(what.resume, {
        ...own,
        blockBytes: Math.max(blockBytes, FOREIGN_BLOCK_BYTES_MIN),
        guid: seal.guid(snapshot.guid),
        base: base === null ? NO_GUID : seal.guid(base.guid),
        compression: "none",
      });
      const volume = { blockBytes, compression };
      const source = { engine, snapshot, base, begin, volume, seal, memory };
      return { begin, source: new ForeignSource(source) };
    }
    const address = memory.reserve(CONTENT_BYTES_MAX);
    if (what.form !== "opened") {
      const begin = resumed(what.resume, own);
      const origin = ownOrigin({ engine, snapshot, address });
      const roots = { root: snapshot.root, baseRoot: base?.root ?? null };
      return { begin, source: new StreamSource({ kernel, origin, ...roots, begin, address }) };
    }
    if (!isForeign) throw notForeign(snapshot);
    const [now, before] = this.#held;
    const older = base === null ? null : this.#opened({ ...parts, memory }, before, null);
    const origin = this.#opened({ ...parts, memory }, now, older);
    const { about } = origin;
    const begin = resumed(what.resume, {
      ...own,
      ...about,
      base: older?.about.guid ?? NO_GUID,
    });
    const roots = { root: about.root, baseRoot: older?.about.root ?? null };
    return { begin, source: new StreamSource({ kernel, origin, ...roots, begin, address }) };
  }

  /** Foreign blocks of a snapshot, and of an older one whose trees are read too. */
  #opened(
    parts: ForeignOriginParts,
    held: SnapshotStore,
    older: ForeignOrigin | null,
  ): ForeignOrigin {
    const origin = new ForeignOrigin(parts, held, older);
    this.#wipers.push(() => origin.wipe());
    return origin;
  }

  #hold(volumes: Volumes, volume: string, name: SnapshotName): PlacedSnapshot {
    const store = volumes.openSnapshot(volume, name);
    this.#held.push(store);
    const { snapshot } = store;
    if (snapshot.name !== "") return snapshot;
    throw new VaultError("invalid", `Cannot send state ${name}: only snapshots that have a name`);
  }

  /** The next frames, one behind another, or a pause; null: there are none, or it was closed. */
  next(): Uint8Array<ArrayBuffer> | null {
    const frames: Uint8Array[] = [];
    if (this.#closed) return null;
    while (frames.length < FRAMES_PER_CHUNK) {
      const { done, value } = this.#frames.next();
      if (done === true) break;
      if (value === PAUSE) return concat(...frames);
      frames.push(value);
    }
    this.#report();
    return frames.length === 0 ? null : concat(...frames);
  }

  /** Lets everything go that was held. Idempotent. */
  close(): void {
    this.#closed = true;
    for (const wipe of this.#wipers.splice(0)) wipe();
    for (const store of this.#held.splice(0)) store.close();
    this.#giveBack();
  }
}

/** The begin of a stream that goes on where a token says, which has to be about it. */
function resumed(token: string | undefined, begin: StreamBegin): StreamBegin {
  if (token === undefined) return begin;
  const point: ResumePoint = decodeToken(token);
  const isSame = compare(point.guid, begin.guid) === 0 && compare(point.base, begin.base) === 0;
  if (isSame) return { ...begin, position: point.position };
  throw new VaultError(
    "invalid",
    `Cannot resume with this token: it is about another snapshot, or another "from", than "${begin.name}"`,
  );
}

/** True where a snapshot holds blocks that are kept for somebody. */
function holdsForeign({ store }: Engine, { root }: PlacedSnapshot): boolean {
  const pages = store.readPages();
  let found = false;
  new Tree(pages, pages.page(root)).scan(new Uint8Array([KEY_TYPE.foreign]), () => {
    found = true;
    return false;
  });
  return found;
}

function notForeign({ name }: PlacedSnapshot): VaultError {
  return new VaultError(
    "invalid",
    `Cannot open snapshot "${name}": it is no raw one; send it as it is`,
  );
}

/** A random salt. */
export function freshSalt({ runtime }: Pick<Engine, "runtime">): Uint8Array<ArrayBuffer> {
  const salt = new Uint8Array(STREAM_SALT_BYTES);
  runtime.random(salt);
  return salt;
}

/** The keys that may open a stream, one after the other. Each is wiped when the next is asked for. */
export async function* receivingKeys(
  { keys }: Pick<StreamParts, "keys">,
  salt: Uint8Array,
  { passphrase, raw }: StreamSecret & { readonly raw?: boolean },
): AsyncGenerator<Uint8Array> {
  const given = passphrase === undefined && raw === true
    ? [() => openStreamKey(salt)]
    : passphrase === undefined
    ? keys.epochs.toReversed().map(({ masterKey }) => () => vaultStreamKey(masterKey, salt))
    : [() => passphraseStreamKey(passphrase, salt)];
  for (const derive of given) {
    const key = await derive();
    try {
      yield key;
    } finally {
      wipe(key);
    }
  }
}
