import { VaultError } from "../errors.ts";
import { MIB } from "../limits.ts";

/** Changed tree pages that one transaction may make: they stay in memory until it ends. */
const DIRTY_BYTES_MAX = 192 * MIB;
/** What undoing one transaction may take in memory. */
const UNDO_BYTES_MAX = 192 * MIB;

/** Refuses what would not fit into memory: the transaction can still be rolled back, or kept as it is. */
export function requireTransactionRoom(dirtyBytes: number, undoBytes: number): void {
  if (dirtyBytes <= DIRTY_BYTES_MAX && undoBytes <= UNDO_BYTES_MAX) return;
  throw new VaultError(
    "unavailable",
    "Cannot change so much in one transaction: it holds 192 MiB of changes; make several",
    { errno: "ENOSPC" },
  );
}
