import { VaultError } from "../errors.ts";
import { MIB } from "../limits.ts";

/** What one transaction may keep in memory until it ends: of changed tree pages, and of what undoing it needs. */
export const TRANSACTION_BYTES_MAX: number = 192 * MIB;

/** Refuses what would not fit into memory: the transaction can still be rolled back, or kept as it is. */
export function requireTransactionRoom(bytes: readonly number[], bytesMax: number): void {
  if (bytes.every((part) => part <= bytesMax)) return;
  throw new VaultError(
    "unavailable",
    `Cannot change so much in one transaction: it holds ${
      bytesMax / MIB
    } MiB of changes; make several`,
    { errno: "ENOSPC" },
  );
}
