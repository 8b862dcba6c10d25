import { type Command, InvalidArgumentError, Option } from "commander";
import { VaultError } from "../errors.ts";
import { parseDuration } from "./durations.ts";
import type { Host } from "./host.ts";
import { examples, printing } from "./program_options.ts";
import { print, type PrintOptions } from "./terminal/print.ts";

interface TimeoutOption {
  readonly timeout?: number;
}

/** begin, commit, rollback, transaction. */
export function addTransactionVerbs(program: Command, host: Host): void {
  examples(
    printing(timing(program.command("begin <mountpoint>")))
      .description(
        "begin a transaction: all that programs do in the mount until commit is one step",
      ),
    ["begin /mnt/vault", "begin /mnt/vault --timeout 10m"],
  ).action(async (mountpoint: string, options: PrintOptions & TimeoutOption) => {
    const { begunText, changeTransaction } = await import("./transaction.ts");
    const verb = { name: "begin", timeoutMs: options.timeout } as const;
    const report = await changeTransaction(host, host.absolute(mountpoint), verb);
    await print(host, options, report, begunText);
  });
  examples(
    printing(program.command("commit <mountpoint>"))
      .description("make the mount's transaction durable, as one"),
    ["commit /mnt/vault"],
  ).action(async (mountpoint: string, options: PrintOptions) => {
    const { changeTransaction } = await import("./transaction.ts");
    const report = await changeTransaction(host, host.absolute(mountpoint), { name: "commit" });
    await print(host, options, report, (made) => `committed on ${made.mountpoint}\n`);
  });
  examples(
    printing(program.command("rollback <mountpoint>"))
      .description("take back everything since the mount's transaction began"),
    ["rollback /mnt/vault"],
  ).action(async (mountpoint: string, options: PrintOptions) => {
    const { changeTransaction } = await import("./transaction.ts");
    const report = await changeTransaction(host, host.absolute(mountpoint), { name: "rollback" });
    await print(host, options, report, (made) => `rolled back on ${made.mountpoint}\n`);
  });
  examples(
    timing(program.command("transaction <mountpoint> <command...>"))
      .usage("<mountpoint> [options] -- <command...>")
      .description("run a command as one step: committed if it succeeds, else rolled back"),
    [
      "transaction /mnt/vault -- make install DESTDIR=/mnt/vault",
      "transaction /mnt/vault --timeout 5m -- sh -c 'cd /mnt/vault && ./rename-all'",
    ],
  ).action(async (mountpoint: string, command: string[], { timeout }: TimeoutOption) => {
    const { runInTransaction } = await import("./transaction.ts");
    await runInTransaction(host, host.absolute(mountpoint), { command, timeoutMs: timeout });
  });
}

function timing(command: Command): Command {
  return command.addOption(
    new Option("--timeout <time>", "roll back when it takes longer: 30s, 5m, 2h")
      .argParser(durationArgument),
  );
}

function durationArgument(text: string): number {
  try {
    return parseDuration(text);
  } catch (error) {
    if (error instanceof VaultError) throw new InvalidArgumentError(error.message);
    throw error;
  }
}
