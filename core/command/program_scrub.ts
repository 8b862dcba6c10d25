import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import { VaultError } from "../errors.ts";
import { parseDuration } from "./durations.ts";
import type { Host } from "./host.ts";
import type { OpenOptions } from "./open.ts";
import { examples, opening, printing, protecting, sizeArgument } from "./program_options.ts";
import { print, type PrintOptions } from "./terminal/print.ts";

interface ScrubFlags extends OpenOptions, PrintOptions {
  readonly rate?: number;
  readonly restart?: boolean;
  readonly background?: boolean;
}

/** scrub. */
export function addScrubVerb(program: Command, host: Host): void {
  examples(
    printing(protecting(opening(program.command("scrub <medium>"))))
      .description("read every shard and copy, repair what is bad, name the files that are lost")
      .option("--rate <size>", "bytes read in a second at most; on a mount 32M", sizeArgument)
      .option("--restart", "begin anew, not where one before was stopped")
      .option("--background", "on a mount: return at once; info says how far it is"),
    ["scrub vault.sv", "scrub vault.sv --rate 100M --json", "scrub /mnt/vault --background"],
  ).action(async (medium: string, flags: ScrubFlags) => {
    const { requireNothingLost, scrub, scrubInBackground, scrubText } = await import("./scrub.ts");
    const target = { host, medium, options: flags };
    const order = { rateBytes: flags.rate, restart: flags.restart === true };
    const report = await (flags.background ? scrubInBackground : scrub)(target, order);
    if (report === null) {
      return await print(host, flags, { underWay: true }, () => "scrubbing in the background\n");
    }
    await print(host, flags, report, scrubText);
    requireNothingLost(medium, report);
  });
}

const EVERY: Readonly<Record<string, string>> = { daily: "1d", weekly: "7d", monthly: "30d" };

/** Reads `weekly`, or a time: milliseconds. */
export function scrubEvery(text: string): number {
  return parseDuration(EVERY[text] ?? text);
}

/** The same for commander. */
export function scrubEveryArgument(text: string): number {
  try {
    return scrubEvery(text);
  } catch (error) {
    if (error instanceof VaultError) throw new InvalidArgumentError(error.message);
    throw error;
  }
}
