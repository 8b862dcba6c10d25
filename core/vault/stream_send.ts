import { passphraseStreamKey, StreamSeal, vaultStreamKey } from "../crypto/stream_seal.ts";
import { currentEpoch, type VaultKeys } from "../crypto/vault_keys.ts";
import { compare, concat, wipe } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { GUID_BYTES } from "../format/catalog_record.ts";
import { STREAM_SALT_BYTES } from "../format/stream_frame.ts";
import { decodeToken, type ResumePoint } from "../format/stream_head.ts";
import { decodePosition } from "../format/stream_position.ts";
import { CONTENT_BYTES_MAX } from "../format/stream_record.ts";
import type { MemoryLease } from "../fs/memory_lease.ts";
import { CELL_BYTES } from "../limits.ts";
import type { PlacedSnapshot } from "../tree/catalog.ts";
import type { Engine } from "../volume/engine.ts";
import type { SnapshotStore } from "../volume/snapshot_store.ts";
import type { SnapshotName } from "../volume/volume_status.ts";
import type { Volumes } from "../volume/volumes.ts";
import { sealFrames } from "./stream_frames.ts";
import { StreamSource } from "./stream_source.ts";

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

/** The key of a stream that is made. The caller wipes it. */
export async function sendingKey(
  { keys }: Pick<StreamParts, "keys">,
  salt: Uint8Array,
  { passphrase }: StreamSecret,
): Promise<Uint8Array> {
  if (passphrase === undefined) return vaultStreamKey(currentEpoch(keys).masterKey, salt);
  if (passphrase.length > 0) return await passphraseStreamKey(passphrase, salt);
  throw new VaultError("invalid", "Cannot use an empty passphrase: choose a longer one");
}

/** A snapshot that is being sent: its frames, and what has to stay while it is. */
export class StreamSend {
  readonly salt: Uint8Array<ArrayBuffer>;
  readonly #giveBack: () => void;
  readonly #held: SnapshotStore[] = [];
  readonly #source: StreamSource;
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
      const resume = resumeAt(what.resume, snapshot, base);
      const begin = {
        blockBytes: this.#held[0].blockBytes,
        guid: snapshot.guid,
        base: base?.guid ?? NO_GUID,
        time: snapshot.time,
        referencedBytes: snapshot.cells * CELL_BYTES,
        position: resume,
        compression: volumes.recordOf(volume).compression,
        name: snapshot.name,
      };
      const seal = new StreamSeal(engine.kernel, memory, sealing.salt);
      seal.useKey(sealing.key);
      const address = memory.reserve(CONTENT_BYTES_MAX);
      this.#source = new StreamSource({ engine, snapshot, base, begin, address });
      this.#frames = sealFrames(seal, this.#source.pieces(decodePosition(resume)));
      const total = base === null && resume.length === 0 ? begin.referencedBytes : 0;
      this.#report = () => progress?.(this.#source.contentBytes, total);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #hold(volumes: Volumes, volume: string, name: SnapshotName): PlacedSnapshot {
    const store = volumes.openSnapshot(volume, name);
    this.#held.push(store);
    const { snapshot } = store;
    if (snapshot.name !== "") return snapshot;
    throw new VaultError("invalid", `Cannot send state ${name}: only snapshots that have a name`);
  }

  /** The next frames, one behind another; null: there are none. */
  next(): Uint8Array<ArrayBuffer> | null {
    const frames: Uint8Array[] = [];
    while (frames.length < FRAMES_PER_CHUNK) {
      const { done, value } = this.#frames.next();
      if (done === true) break;
      frames.push(value);
    }
    this.#report();
    return frames.length === 0 ? null : concat(...frames);
  }

  /** Lets everything go that was held. Idempotent. */
  close(): void {
    for (const store of this.#held.splice(0)) store.close();
    this.#giveBack();
  }
}

/** The position in a token that is about this stream. */
function resumeAt(
  token: string | undefined,
  snapshot: PlacedSnapshot,
  base: PlacedSnapshot | null,
): Uint8Array {
  if (token === undefined) return new Uint8Array(0);
  const point: ResumePoint = decodeToken(token);
  const isSame = compare(point.guid, snapshot.guid) === 0 &&
    compare(point.base, base?.guid ?? NO_GUID) === 0;
  if (isSame) return point.position;
  throw new VaultError(
    "invalid",
    `Cannot resume with this token: it is about another snapshot, or another "from", than "${snapshot.name}"`,
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
  { passphrase }: StreamSecret,
): AsyncGenerator<Uint8Array> {
  const given = passphrase === undefined
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
