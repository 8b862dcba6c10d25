/**
 * What a device remembers of a vault: the newest root that it has seen, so that an older medium, or a copy that was written
 * elsewhere, is not taken for the vault as it was left (FORMAT.md §17).
 *
 * @module
 */
import type { OpenedRoot } from "../block/root_store.ts";
import { AssertionError } from "../assert.ts";
import { concat, wipe } from "../bytes.ts";
import { expandKey, subkey } from "../crypto/hkdf.ts";
import type { Kernel } from "../crypto/kernel.ts";
import type { RootMemory } from "../crypto/platform.ts";
import { openBytes, sealBytes } from "../crypto/sealed_bytes.ts";
import type { VaultKeys } from "../crypto/vault_keys.ts";
import { isoTime } from "../dates.ts";
import { VaultError } from "../errors.ts";
import {
  decodeRootMemory,
  encodeRootMemory,
  type RememberedRoot,
  ROOT_MEMORY_BYTES,
  type RootPoint,
} from "../format/root_memory.ts";
import { NONCE_BYTES } from "../limits.ts";
import type { Runtime } from "../runtime.ts";
import type { StorageBackend } from "../storage/storage_backend.ts";
import type { TreeStore } from "../tree/tree_store.ts";
import { relationOf } from "./root_history.ts";

/** While roots come, the newest is written down so often: a crash then leaves an older one, which alarms nobody. */
const INTERVAL_MS = 5000;
const LABEL_BYTES = 16;

/** What remembering takes. */
export interface DeviceMemoryParts {
  readonly rootMemory: RootMemory;
  /** Of the vault; the first is named in messages. */
  readonly media: readonly StorageBackend[];
  readonly kernel: Kernel;
  readonly runtime: Runtime;
  /** May be wiped afterwards. */
  readonly keys: VaultKeys;
  /** Take whatever is found as the newest from now on. */
  readonly acceptRollback?: boolean;
}

/** The newest root of one vault that this device has seen. */
export class DeviceMemory {
  /** What the device remembers now; null where it has not seen the vault before. */
  remembered: RememberedRoot | null = null;
  /** Why less is known, or kept, than should be; for people. */
  warning: string | null = null;
  readonly #parts: Omit<DeviceMemoryParts, "keys">;
  readonly #key: Uint8Array;
  readonly #vaultId: Uint8Array;
  readonly #label: string;
  /** Durable on the medium, and to be remembered. */
  #newest: RootPoint | null = null;
  #writing: Promise<void> | null = null;
  #wroteAt: number;

  private constructor({ keys, ...parts }: DeviceMemoryParts) {
    this.#parts = parts;
    this.#key = subkey(keys.layoutKey, "root-memory");
    this.#vaultId = keys.vaultId.slice();
    this.#label = expandKey(keys.layoutKey, "root memory label", undefined, LABEL_BYTES).toHex();
    this.#wroteAt = parts.runtime.now();
  }

  /** Reads what the device remembers of the vault with these keys. */
  static async recall(parts: DeviceMemoryParts): Promise<DeviceMemory> {
    const memory = new DeviceMemory(parts);
    await memory.#daring("read", async () => {
      const record = await parts.rootMemory.get(memory.#label);
      if (record !== null) memory.remembered = memory.#unseal(record);
    });
    return memory;
  }

  /** Whatever fails in a memory that somebody else wrote: the vault is as it should be. */
  async #daring(verb: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (error instanceof AssertionError) throw error;
      this.#warn(verb, error instanceof Error ? error.message : String(error));
    }
  }

  /**
   * Throws `conflict` where the root that was found is not the one that was seen, nor came from it. Nothing has been written
   * by then. A root that is not `held` by every medium that it counts on may be taken back once more by a crash.
   */
  admit(found: OpenedRoot, store: TreeStore, held: boolean): void {
    const { remembered } = this;
    const { acceptRollback, media: [medium] } = this.#parts;
    const relation = remembered === null ? "newer" : relationOf(remembered, found, store.catalog);
    if (relation === "same") return;
    if (remembered !== null && acceptRollback !== true) {
      if (relation === "older") throw wentBack(medium.name, remembered, found);
      if (relation === "forked") throw isForked(medium.name, remembered, found);
    }
    if (relation === "unknown") {
      this.#warn("compare", "too many sessions ago for the vault to know whether it is the same");
    }
    if (held || acceptRollback === true) this.#newest = pointOf(store);
  }

  /** A root of this process is durable. Is remembered now and then, and by {@linkcode settle}. */
  rootDurable(root: RootPoint): void {
    this.#newest = root;
    this.tick();
  }

  /** Notes what waits, if the last note is some seconds old. Whoever keeps a vault open calls it now and then. */
  tick(): void {
    // Either way: a clock that was set back must not stop it.
    const waited = Math.abs(this.#parts.runtime.now() - this.#wroteAt);
    if (this.#writing === null && waited >= INTERVAL_MS) void this.#write();
  }

  /** Remembers what opening has found. What was seen may have been written by one who died before it was durable. */
  async keepFound(): Promise<void> {
    if (this.#newest === null) return;
    try {
      for (const medium of this.#parts.media) await medium.sync();
    } catch (error) {
      if (!(error instanceof VaultError)) throw error;
      this.#newest = null;
      return;
    }
    await this.settle();
  }

  /** Resolves when the newest durable root is remembered, or a warning says why not. */
  async settle(): Promise<void> {
    await this.#writing;
    if (this.#newest !== null) await this.#write();
  }

  /** Overwrites the key: nothing is remembered afterwards. */
  wipe(): void {
    wipe(this.#key);
    this.#newest = null;
  }

  #write(): Promise<void> {
    const root = this.#newest;
    if (root === null) return Promise.resolve();
    this.#newest = null;
    const { rootMemory, runtime } = this.#parts;
    const remembered = { ...root, seen: Math.floor(runtime.now()) };
    this.#wroteAt = remembered.seen;
    const record = this.#seal(remembered);
    this.#writing = this.#daring("keep", async () => {
      await rootMemory.set(this.#label, record);
      this.remembered = remembered;
    }).finally(() => this.#writing = null);
    return this.#writing;
  }

  #warn(verb: string, why: string): void {
    const { media: [{ name }] } = this.#parts;
    this.warning =
      `Cannot ${verb} what this device remembers of "${name}": ${why}; an older medium may not be noticed`;
  }

  #seal(remembered: RememberedRoot): Uint8Array {
    const { kernel, runtime } = this.#parts;
    const nonce = new Uint8Array(NONCE_BYTES);
    runtime.random(nonce);
    const binding = { key: this.#key, nonce, aad: this.#vaultId };
    return concat(nonce, sealBytes(kernel, binding, encodeRootMemory(remembered)));
  }

  #unseal(record: Uint8Array): RememberedRoot {
    const nonce = record.subarray(0, NONCE_BYTES);
    const binding = { key: this.#key, nonce, aad: this.#vaultId };
    const plaintext = record.length === ROOT_MEMORY_BYTES
      ? openBytes(this.#parts.kernel, binding, record.subarray(NONCE_BYTES))
      : null;
    if (plaintext !== null) return decodeRootMemory(plaintext);
    throw new VaultError("corrupt", "authentication failed");
  }
}

/** The newest durable root of a store. */
function pointOf({ catalog, sequence, rootHash: hash }: TreeStore): RootPoint {
  const session = catalog.sessionAt(sequence);
  if (session !== null) return { sequence, session: session.id, hash };
  throw new VaultError("corrupt", `Cannot read the catalog: no session wrote root ${sequence}`);
}

const ACCEPT = "--accept-rollback takes what is there as the newest";

function wentBack(
  medium: string,
  remembered: RememberedRoot,
  { record, skipped }: OpenedRoot,
): VaultError {
  const damaged = skipped.length > 0 ? `; newer roots are there and damaged: ${skipped}` : "";
  return new VaultError(
    "conflict",
    `Cannot open "${medium}": the medium went back in time: this device has seen ${
      named(remembered)
    }, and the newest root there is ${record.sequence} of ${isoTime(record.time)}${damaged}; ` +
      `if you put an older copy back yourself: ${ACCEPT}`,
    { operation: "open vault" },
  );
}

function isForked(
  medium: string,
  remembered: RememberedRoot,
  { record }: OpenedRoot,
): VaultError {
  return new VaultError(
    "conflict",
    `Cannot open "${medium}": it is another history of this vault: this device has seen ${
      named(remembered)
    }, which is not part of what led to root ${record.sequence} of ${
      isoTime(record.time)
    } there. ` +
      `A copy, or an older state, was written to apart from it, and the two cannot be joined: ` +
      `go on with the one that you want; ${ACCEPT}`,
    { operation: "open vault" },
  );
}

function named({ sequence, seen }: RememberedRoot): string {
  return `root ${sequence}, noted ${isoTime(seen)}`;
}
