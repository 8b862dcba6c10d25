import { VaultError } from "../errors.ts";
import type { LockRecord } from "../format/lock_record.ts";

/** So many wrong passphrases cost no time but their derivation. */
const FREE_ATTEMPTS = 3;
const FIRST_DELAY_MS = 1000;
/** Whoever has the right passphrase never waits longer, whatever others have tried. */
const DELAY_MS_MAX = 15 * 60 * 1000;

/** How long nobody may try again after so many wrong passphrases. */
export function attemptDelayMs(attempts: number): number {
  if (attempts < FREE_ATTEMPTS) return 0;
  return Math.min(DELAY_MS_MAX, FIRST_DELAY_MS * 2 ** Math.min(20, attempts - FREE_ATTEMPTS));
}

/**
 * The record with one attempt more, as it must be durable before the passphrase is tried; where it is too early, how long nobody
 * may. A clock that was set back does not shorten the wait, which begins again at the time that it shows.
 */
export function countAttempt(
  record: LockRecord,
  now: number,
): { readonly record: LockRecord; readonly waitMs: number } {
  const delay = attemptDelayMs(record.attempts);
  const lastAttempt = Math.min(record.lastAttempt, now);
  const waitMs = Math.max(0, lastAttempt + delay - now);
  if (waitMs > 0) return { record: { ...record, lastAttempt }, waitMs };
  const attempts = Math.min(record.attempts + 1, 2 ** 32 - 1);
  return { record: { ...record, attempts, lastAttempt: now }, waitMs: 0 };
}

/** The error of a passphrase that comes too early. */
export function tooEarly(path: string, { attempts }: LockRecord, waitMs: number): VaultError {
  const seconds = Math.ceil(waitMs / 1000);
  return new VaultError(
    "denied",
    `Cannot unlock "${path}": ${attempts} wrong passphrases were tried; try again in ${seconds} s`,
    { operation: "unlock", errno: "EAGAIN" },
  );
}
