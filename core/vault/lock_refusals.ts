import { type KdfChoice, kdfParameters } from "../crypto/argon2.ts";
import { VaultError } from "../errors.ts";
import { isLockCost, type LockRecord } from "../format/lock_record.ts";
import type { LockableFile } from "./file_lock_options.ts";

/** A cost that no record can hold would be refused by whoever reads it. */
export function checkKdf(kdf: KdfChoice): void {
  if (isLockCost(kdfParameters(kdf))) return;
  throw new VaultError("invalid", "Cannot use this derivation: it costs more than a lock may");
}

/** What locking a file is answered with that has a lock. */
export function lockedAlready(file: LockableFile, { wrapped }: LockRecord): VaultError {
  if (wrapped === null) return shredded("lock", file);
  return new VaultError("conflict", `Cannot lock "${file.path}": it is locked already`, {
    operation: "lock",
    errno: "EBUSY",
  });
}

/** What has arrived is sealed under another secret. */
export function arriving({ path }: LockableFile): VaultError {
  return new VaultError(
    "conflict",
    `Cannot lock "${path}": a snapshot in which it is locked is being received; let that go on, or give it up`,
    { operation: "lock", errno: "EBUSY" },
  );
}

/** What is answered where nobody can do anything any more. */
export function shredded(verb: string, { path }: LockableFile): VaultError {
  return new VaultError("denied", `Cannot ${verb} "${path}": its content was shredded`, {
    operation: verb,
    errno: "EACCES",
  });
}
