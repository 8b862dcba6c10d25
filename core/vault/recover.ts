import type { KdfChoice } from "../crypto/argon2.ts";
import type { VaultKeys } from "../crypto/vault_keys.ts";
import { VaultError } from "../errors.ts";
import { CELL_BYTES } from "../limits.ts";
import type { StorageBackend } from "../storage/storage_backend.ts";
import type { SlotOrder } from "../volume/header_area.ts";
import { BrokenMedium } from "./broken_medium.ts";
import type { LostReport } from "./lost_datasets.ts";
import { copyRoot, findWholeRoot } from "./recover_root.ts";
import { salvageVault } from "./salvage.ts";
import type { VaultParts } from "./vault.ts";
import { nextTurn } from "../turn.ts";

/** What recovering is doing. */
export type RecoverStage = "scan" | "verify" | "copy";

/** How to recover a vault. */
export interface RecoverOptions {
  /** The medium whose header is gone: it is only read. */
  readonly source: VaultParts;
  /** Where the vault is made anew. What it held is lost. */
  readonly target: VaultParts;
  /** From a key export; the caller wipes them. */
  readonly keys: VaultKeys;
  /** What opens the new vault. */
  readonly slot: SlotOrder;
  /** Where newer roots have holes, take what is whole of the newest one, not all of an older one. */
  readonly salvage?: boolean;
  /** Told how far a stage is, in bytes; a stage may be begun again. */
  readonly progress?: (stage: RecoverStage, doneBytes: number, totalBytes: number) => void;
  /** Stops it; what was made so far is of no use. */
  readonly signal?: AbortSignal;
}

/** A vault to be made anew by those who have its key export. */
export interface LostVault {
  /** What is left of it: only read, and closed at the end. */
  readonly medium: string | StorageBackend;
  /** Where it is made anew; closed at the end. A file must not be there yet. */
  readonly to: string | StorageBackend;
  /** What `exportKeys` gave. */
  readonly keyExport: Uint8Array;
  /** The passphrase that it was given. */
  readonly exportPassphrase: Uint8Array;
  /** What shall open the new vault. */
  readonly passphrase: Uint8Array;
  /** What guessing that passphrase costs: `interactive` unless given. */
  readonly kdf?: KdfChoice;
  /** Where newer states have holes, take what is whole of the newest one, not all of an older one. */
  readonly salvage?: boolean;
  /** Told how far a stage is, in bytes. */
  readonly progress?: (stage: RecoverStage, doneBytes: number, totalBytes: number) => void;
  /** Stops it; what was made so far is of no use. */
  readonly signal?: AbortSignal;
}

/** What was recovered. */
export interface RecoverReport extends LostReport {
  /**
   * `whole`: one state that was durable, with all volumes, snapshots and clones. `salvaged`: no such state is left;
   * the files of the volumes that are, without snapshots.
   */
  readonly how: "whole" | "salvaged";
  /** Sequence of the root that was taken; null where none could be read. */
  readonly sequence: number | null;
  /** When it was written, milliseconds since 1970. */
  readonly time: number | null;
  /** Newer roots with holes. */
  readonly skipped: number;
  /** Transactions taken over from the intent log. */
  readonly replayed: number;
  /** What the log held last was left out: blocks that it names are lost, or were never written. */
  readonly unfinished: boolean;
  /** Names of the volumes that there are now. */
  readonly volumes: readonly string[];
  /** Files of shreddable directories whose content is lost: their secrets were, with every superblock. */
  readonly unreadable: number;
}

/**
 * Makes a vault anew whose header and superblocks are gone: scans for what can be told by the keys alone, takes the newest
 * root of which nothing is lost, else whatever files are whole.
 */
export async function recoverVault(options: RecoverOptions): Promise<RecoverReport> {
  const { source, target, keys } = options;
  refuse(options);
  const broken = new BrokenMedium(source, keys);
  try {
    const turns = new Turns(options);
    const bytes = broken.cells * CELL_BYTES;
    for (const cell of broken.scan()) await turns.give("scan", cell * CELL_BYTES, bytes);
    const search = findWholeRoot(broken);
    let next = search.next();
    for (let done = 0; next.done !== true; next = search.next()) {
      await turns.give("verify", (done += next.value) * CELL_BYTES, bytes);
    }
    const { whole, skipped } = next.value;
    const isWanted = whole === null || (skipped > 0 && options.salvage === true);
    if (isWanted) return await salvageVault(broken, options, turns);
    const copying = copyRoot(broken, whole, options);
    let step = await copying.next();
    for (; step.done !== true; step = await copying.next()) {
      await turns.give("copy", step.value, bytes);
    }
    const { record } = whole.root;
    return {
      how: "whole",
      sequence: record.sequence,
      time: record.time,
      skipped,
      replayed: step.value.replayed,
      unfinished: step.value.unfinished,
      volumes: step.value.volumes,
      unreadable: step.value.unreadable,
      lost: 0,
      files: [],
      more: 0,
    };
  } finally {
    broken.wipe();
    await target.medium.sync();
  }
}

function refuse({ source, target, keys }: RecoverOptions): void {
  if (keys.hidden !== undefined) {
    throw new VaultError(
      "invalid",
      "Cannot recover a hidden vault: its place is in its header only",
    );
  }
  if (target.medium.capabilities.overwrite) return;
  throw new VaultError(
    "invalid",
    `Cannot recover "${source.medium.name}" to "${target.medium.name}": want a file or a device`,
  );
}

/** Tells how far it is, lets others run, and stops where that is wished. */
export class Turns {
  readonly #options: RecoverOptions;
  #last: number;

  /** For one recovery. */
  constructor(options: RecoverOptions) {
    this.#options = options;
    this.#last = options.source.runtime.now();
  }

  /** A piece is done. */
  async give(stage: RecoverStage, done: number, total: number): Promise<void> {
    const { progress, signal, source: { runtime } } = this.#options;
    if (runtime.now() - this.#last < TURN_MS) return;
    progress?.(stage, Math.min(done, total), total);
    await nextTurn();
    signal?.throwIfAborted();
    this.#last = runtime.now();
  }
}

const TURN_MS = 20;
