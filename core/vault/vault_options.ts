import type { DamageObserver } from "../block/damage.ts";
import type { KdfChoice, Stretch } from "../crypto/argon2.ts";
import type { Secret } from "../crypto/key_encryption.ts";
import type { BegunHeader } from "../crypto/stretched.ts";
import type { RootMemory } from "../crypto/platform.ts";
import type { HiddenPlace } from "../format/hidden_place.ts";
import type { SlotMode } from "../format/key_slot.ts";
import type { Redundancy } from "../format/redundancy.ts";

/** How to make a vault. */
export interface CreateVaultOptions extends Pick<OpenVaultOptions, "rootMemory"> {
  /** What will open it. */
  readonly secret: Secret;
  /** What its first key slot wants: `user` unless given. */
  readonly mode?: Exclude<SlotMode, "export">;
  /** What guessing a passphrase costs: `interactive` unless given. */
  readonly kdf?: KdfChoice;
  /** A name for the first key slot, seen only with a key. */
  readonly label?: string;
  /** Fill the medium with noise first, so that used and free cells look alike. Needs a size. */
  readonly dense?: boolean;
  /** Bytes of each medium: of a dense vault, exactly; of a sparse one, at most. */
  readonly sizeBytes?: number;
  /** Bytes of a data block: a power of two, 4 KiB to 1 MiB. */
  readonly blockBytes?: number;
  /**
   * How much may be lost: data blocks are kept as `k` shards and `m` of parity, whatever is shorter and all trees as `m` + 1
   * copies, in different segments, and on different media where there are several. One place for everything unless given.
   */
  readonly redundancy?: Redundancy;
  /**
   * The derivation of its keys, where it was begun before the rest was there.
   *
   * @internal
   */
  readonly begun?: BegunHeader;
  /** Owner and mode of the root directory. */
  readonly root?: { readonly uid: number; readonly gid: number; readonly mode: number };
  /** Told how far filling a dense vault has come. */
  readonly progress?: (doneBytes: number, totalBytes: number) => void;
  /** As for opening one. */
  readonly onDamage?: DamageObserver;
}

/** How to open one. */
export interface OpenVaultOptions {
  /**
   * Where this device keeps the newest root that it has seen of each vault: an older medium, or a copy that was written
   * elsewhere, is then refused as `conflict`, and nothing of it is changed. Nothing is remembered unless given, nor of a
   * hidden vault, which must leave no trace.
   *
   * @example
   * ```ts
   * import { createVault, MemoryStorage, openVault } from "@sigmavault/sigmavault";
   * import assert from "node:assert/strict";
   *
   * const kept = new Map<string, Uint8Array>(); // a real one outlives the program
   * const rootMemory = {
   *   get: (label: string) => Promise.resolve(kept.get(label) ?? null),
   *   set: (label: string, record: Uint8Array) => Promise.resolve(void kept.set(label, record)),
   * };
   * const medium = new MemoryStorage();
   * const passphrase = new TextEncoder().encode("correct horse battery");
   * const vault = await createVault({ medium, passphrase, rootMemory });
   * const older = new MemoryStorage({ content: medium.content.fork() });
   * await vault.files.writeFile("/note", "newer");
   * await vault.close();
   *
   * await assert.rejects(openVault({ medium: older, passphrase, rootMemory }), { kind: "conflict" });
   * ```
   */
  readonly rootMemory?: RootMemory;
  /** Take what is found as the newest from now on, whatever `rootMemory` says. */
  readonly acceptRollback?: boolean;
  /** What opens it. */
  readonly secret: Secret;
  /** Change nothing, not even what a crash left to be finished. */
  readonly readOnly?: boolean;
  /**
   * Change the vault although so many of its media are missing or were away that it could only be read. Media that are left
   * out must never be changed without these from now on: they are brought up to date, or removed.
   */
  readonly acceptMissing?: boolean;
  /** The profiles to try, where the caller knows. */
  readonly profiles?: readonly KdfChoice[];
  /** Told which derivation is tried next: a wrong passphrase takes all of them. */
  readonly trying?: (kdf: KdfChoice) => void;
  /**
   * Who stretches a passphrase: a program that began it earlier has the result.
   *
   * @internal
   */
  readonly stretch?: Stretch;
  /**
   * Open it as for writing, over a medium that is only read: what is written stays in memory. Nothing is remembered of it.
   *
   * @internal
   */
  readonly scratch?: boolean;
  /** Leave a hidden vault alone: what `findHiddenPlace` gave. Its space is then not there for this one. */
  readonly protect?: HiddenPlace;
  /** The volume that `files` and a mount show, by its name; the first one unless given. */
  readonly volume?: string;
  /** Bytes of tree pages kept in memory. */
  readonly cacheBytes?: number;
  /** Bytes of kernel memory for dirty and cached blocks. */
  readonly blockMemoryBytes?: number;
  /** Bytes of kernel memory that volumes and snapshots may take beside the first volume: 40 MiB unless given. */
  readonly viewMemoryBytes?: number;
  /** Do not note when files are read. */
  readonly noatime?: boolean;
  /** Told of what was found bad and was right all the same, thanks to redundancy, and whether it is whole again. */
  readonly onDamage?: DamageObserver;
  /** Owner of what is made through `vault.files`; 0 and 0 unless given. */
  readonly owner?: { readonly uid: number; readonly gid: number };
}
