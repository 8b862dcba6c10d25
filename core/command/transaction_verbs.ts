import { VaultError } from "../errors.ts";
import type { ControlVerb } from "../vault/control.ts";
import type { MountTransactionState } from "../vault/mount_transaction.ts";
import { isoTime } from "../dates.ts";

/** A mount's transaction in JSON. */
export interface TransactionRow {
  readonly id: number;
  /** ISO 8601. */
  readonly since: string;
  /** Rolled back after so many milliseconds; null: never. */
  readonly timeoutMs: number | null;
}

/** What `info` and the verbs show of a transaction. */
export function transactionRow(state: MountTransactionState): TransactionRow;
export function transactionRow(state: MountTransactionState | null): TransactionRow | null;
export function transactionRow(state: MountTransactionState | null): TransactionRow | null {
  return state && { ...state, since: isoTime(state.since) };
}

function numberOrNull(name: string, value: unknown): number | null {
  if (value === undefined || value === null) return null;
  if (typeof value === "number") return value;
  throw new VaultError("invalid", `Cannot use "${name}" of a transaction: want a number`);
}

/** Verbs of a running mount: the transaction over all of it. */
export const TRANSACTION_VERBS: Readonly<Record<string, ControlVerb>> = {
  begin: async ({ transaction, options: { timeoutMs } }) =>
    transactionRow(await transaction.begin(numberOrNull("timeoutMs", timeoutMs))),
  commit: async ({ transaction, options: { id } }) =>
    transactionRow(await transaction.commit(numberOrNull("id", id))),
  /** The mount is about to end: with what becomes of a transaction that is open. */
  leave: async ({ transaction, options: { how } }) => {
    if (transaction.state !== null && how === "commit") await transaction.commit(null);
    if (transaction.state !== null && how === "rollback") await transaction.rollback(null);
    await transaction.without("unmount", () => Promise.resolve());
    return {};
  },
  rollback: async ({ transaction, options: { id } }) =>
    transactionRow(await transaction.rollback(numberOrNull("id", id))),
};
