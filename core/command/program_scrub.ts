import { type Command, InvalidArgumentError, Option } from "commander";
import { KDF_ORDER } from "../crypto/argon2.ts";
import { VaultError } from "../errors.ts";
import { parseDuration } from "./durations.ts";
import type { Host } from "./host.ts";
import type { OpenOptions } from "./open.ts";
import {
  cryptoLane,
  examples,
  opening,
  parseDescriptor,
  printing,
  protecting,
  sizeArgument,
  takingNew,
} from "./program_options.ts";
import type { RecoverOrder } from "./recover.ts";
import { print, type PrintOptions } from "./terminal/print.ts";

interface ScrubFlags extends OpenOptions, PrintOptions {
  readonly rate?: number;
  readonly restart?: boolean;
  readonly background?: boolean;
}

/** scrub, recover. */
export function addScrubVerbs(program: Command, host: Host): void {
  addRecover(program, host);
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

interface RecoverFlags extends RecoverOrder, PrintOptions {}

function addRecover(program: Command, host: Host): void {
  examples(
    printing(takingNew(program.command("recover <medium>")))
      .description("make a vault anew whose header is gone, on another medium, from a key export")
      .requiredOption("--key-export <file>", "what key export has saved")
      .requiredOption("--to <medium>", "where it is made; the old one is only read")
      .option("--salvage", "take what is whole of the newest state, not all of an older one")
      .option("--passphrase-file <file>", "read the passphrase of the export from a file")
      .addOption(
        new Option("--passphrase-fd <n>", "the same from an open descriptor")
          .argParser(parseDescriptor),
      )
      .addOption(new Option("--kdf <profile>", "of the export, where known").choices(KDF_ORDER))
      .addOption(
        new Option("--new-kdf <profile>", "how costly guessing the new passphrase shall be")
          .choices(KDF_ORDER),
      )
      .option("--no-memory", "this device shall not remember the vault's newest root")
      .addOption(cryptoLane()),
    ["recover broken.sv --key-export vault.keys --to whole.sv"],
  ).action(async (medium: string, flags: RecoverFlags) => {
    const { recover, recoverText, requireAllRecovered } = await import("./recover.ts");
    const report = await recover(host, medium, flags);
    await print(host, flags, report, recoverText);
    requireAllRecovered(medium, report);
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
