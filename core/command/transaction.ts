/**
 * `begin`, `commit`, `rollback`, `transaction`: one atomic step around programs that work in a mount.
 *
 * @module
 */
import { VaultError } from "../errors.ts";
import { CommandFailed } from "./exit_codes.ts";
import type { Host, RunningMount } from "./host.ts";
import { printable } from "./terminal/colours.ts";
import type { TransactionRow } from "./transaction_verbs.ts";

/** A transaction that was begun or ended. */
export interface TransactionReport extends TransactionRow {
  readonly mountpoint: string;
}

/** Runs one of the three verbs on a running mount. */
export async function changeTransaction(
  host: Host,
  mountpoint: string,
  verb: { readonly name: "begin" | "commit" | "rollback"; readonly timeoutMs?: number },
): Promise<TransactionReport> {
  const mount = await requireMount(host, mountpoint, verb.name);
  try {
    const row = await mount.call(verb.name, { timeoutMs: verb.timeoutMs ?? null });
    return { mountpoint: mount.mountpoint, ...row as TransactionRow };
  } finally {
    mount.close();
  }
}

/** What to run inside a transaction. */
export interface TransactionCommand {
  readonly command: readonly string[];
  readonly timeoutMs?: number;
}

/** Runs a command inside a transaction: commits where it succeeds; rolls back, and throws its exit code, where it does not. */
export async function runInTransaction(
  host: Host,
  mountpoint: string,
  { command, timeoutMs }: TransactionCommand,
): Promise<void> {
  const mount = await requireMount(host, mountpoint, "begin");
  try {
    // Bound: whatever ends this process, and the connection with it, rolls back.
    const begun = await mount.call("begin", { timeoutMs: timeoutMs ?? null, bound: true });
    const { id } = begun as TransactionRow;
    const rollBack = () => mount.call("rollback", { id }).catch(ignoreMissing);
    const code = await host.runCommand(command).catch(async (error) => {
      await rollBack();
      throw error;
    });
    if (code === 0) return void await mount.call("commit", { id });
    await rollBack();
    const name = printable(command[0]);
    await host.err.write(`sigmavault: rolled back: "${name}" ended with ${code}\n`);
    throw new CommandFailed(code);
  } finally {
    mount.close();
  }
}

/** It may have been rolled back already, because it took too long. */
function ignoreMissing(error: unknown): void {
  if (!(error instanceof VaultError && error.kind === "missing")) throw error;
}

async function requireMount(host: Host, mountpoint: string, verb: string): Promise<RunningMount> {
  const mount = await host.runningMount(mountpoint);
  if (mount !== null) return mount;
  throw new VaultError("missing", `Cannot ${verb}: no vault is mounted on "${mountpoint}"`);
}

/** For people. */
export function begunText({ mountpoint, timeoutMs }: TransactionReport): string {
  const limit = timeoutMs === null ? "" : `, which is rolled back after ${timeoutMs / 1000} s`;
  return `began a transaction on ${mountpoint}${limit}\n`;
}
