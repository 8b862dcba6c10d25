/**
 * The one error class of ΣVAULT.
 *
 * @module
 */

/** Six kinds, because a caller can react in six ways. */
export type VaultErrorKind =
  | "invalid" // caller's mistake: fix the call
  | "denied" // wrong secret or policy: ask for another
  | "missing" // no such thing: create it
  | "conflict" // another writer won: reopen
  | "unavailable" // store or network: retry later
  | "corrupt"; // authentication failed: stop, run `check`

/** What an error carries beside its message. */
export interface VaultErrorOptions {
  /** The operation that failed, for example `"open vault"`. */
  operation?: string;
  /** The error below this one. */
  cause?: unknown;
  /** POSIX errno name, where a filesystem caller needs one finer than the kind. */
  errno?: string;
  /** The storage provider that it is about: `"s3"`, `"azure"`. */
  provider?: string;
}

/**
 * An error of the world (never of our own code: that is {@linkcode assert}).
 * The message starts with a verb, quotes values, has no secrets and no final stop.
 *
 * @example
 * ```ts
 * import { VaultError } from "@sigmavault/sigmavault";
 * import assert from "node:assert/strict";
 * const error = new VaultError("missing", `Cannot open vault "/x": no such file`);
 * assert.equal(error.kind, "missing");
 * ```
 */
export class VaultError extends Error {
  /** How the caller can react. */
  readonly kind: VaultErrorKind;
  /** The operation that failed. */
  readonly operation: string;
  /** POSIX errno name (`"ENOSPC"`), or `""` where the kind says it all. */
  readonly errno: string;
  /** The storage provider that it is about, or `""`. */
  readonly provider: string;

  /** Builds an error of `kind` with a message for people. */
  constructor(kind: VaultErrorKind, message: string, options: VaultErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "VaultError";
    this.kind = kind;
    this.operation = options.operation ?? "";
    this.errno = options.errno ?? "";
    this.provider = options.provider ?? "";
  }
}

/** True for the error of who has as much as he may: nothing was changed. */
export function isOverQuota(error: unknown): boolean {
  return error instanceof VaultError && error.errno === "EDQUOT";
}

/** True for the error of who finds no room: nothing was changed. */
export function isFull(error: unknown): boolean {
  return error instanceof VaultError && error.errno === "ENOSPC";
}
