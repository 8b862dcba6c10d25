import type { KdfChoice } from "../crypto/argon2.ts";
import type { LineFile, LockState } from "../format/lock_record.ts";

/** How it is with a file: `open` is locked, and readable until the vault is closed. */
export type FileLockState = "none" | "open" | LockState;

/** How far locking, unlocking or shredding is. */
export interface LockProgress {
  /** Blocks get other seals; then what they left is overwritten. */
  readonly stage: "sealing" | "erasing";
  /** Of this stage. */
  readonly doneBytes: number;
  /** Of this stage; 0 where that is not known. */
  readonly totalBytes: number;
}

/** What locking and shredding can be told. */
export interface EraseOptions {
  /**
   * Overwrite all free cells that were ever used, too: they may hold what the file was before, or copies of small files. They may
   * also be part of a hidden vault that is not protected. Shredding always does.
   */
  readonly freeCells?: boolean;
  /** Told how far it is. */
  readonly progress?: (progress: LockProgress) => void;
  /** Ends it between two steps: the next one finishes it, and until then the content is denied. */
  readonly signal?: AbortSignal;
}

/** How to lock a file. */
export interface LockOptions extends EraseOptions {
  /** What unlocks it; the vault's own does not. */
  readonly passphrase: string | Uint8Array;
  /** What trying a passphrase costs; `moderate` unless given. */
  readonly kdf?: KdfChoice;
}

/** How to unlock one. */
export interface UnlockOptions extends Pick<EraseOptions, "progress" | "signal"> {
  /** What it was locked with. */
  readonly passphrase: string | Uint8Array;
  /** `"close"`: only to be read until the vault is closed; on the medium it stays locked. For good unless given. */
  readonly until?: "close";
}

/** A regular file, and what it is called in messages. */
export interface LockableFile extends LineFile {
  readonly path: string;
}
