import { type Command, Option } from "commander";
import { KDF_ORDER } from "../crypto/argon2.ts";
import type { CreateOptions } from "./create.ts";
import type { OpenOptions } from "./open.ts";
import type { ProgramParts } from "./program.ts";
import {
  cryptoLane,
  examples,
  opening,
  parseDescriptor,
  printing,
  sizeArgument,
} from "./program_options.ts";
import { print, type PrintOptions } from "./terminal/print.ts";

type Options = OpenOptions & PrintOptions;

/** create, info, check, resize, compact, demo, bench, completions. */
export function addVaultVerbs(program: Command, { host }: ProgramParts): void {
  createFlags(printing(program.command("create <medium>")))
    .action(async (medium: string, flags: CreateFlags) => {
      const { create, createText } = await import("./create.ts");
      const { size: sizeBytes, blockSize: blockBytes } = flags;
      const report = await create(host, medium, {
        ...flags,
        sizeBytes,
        blockBytes,
        dense: flags.dense === true,
        recoveryCode: flags.recoveryCode === true,
        force: flags.force === true,
        yes: flags.yes === true,
      });
      await print(host, flags, report, createText);
    });
  examples(
    printing(opening(program.command("info <medium>")))
      .description("what the vault is, how full, and what opens it"),
    ["info vault.sv", "info /mnt/vault --json"],
  ).action(async (medium: string, options: Options) => {
    const { info, infoText } = await import("./info.ts");
    await print(host, options, await info({ host, medium, options }), infoText);
  });
}

interface CreateFlags
  extends PrintOptions, Pick<CreateOptions, "mode" | "kdf" | "label" | "cryptoLane"> {
  readonly passphraseFile?: string;
  readonly passphraseFd?: number;
  readonly dense?: boolean;
  readonly size?: number;
  readonly blockSize?: number;
  readonly recoveryCode?: boolean;
  readonly force?: boolean;
  readonly yes?: boolean;
}

function createFlags(command: Command): Command {
  return examples(
    command
      .description("make a vault")
      .addOption(
        new Option("--mode <mode>", "what opens it: a passphrase, this device, or both together")
          .choices(["user", "device", "hybrid"]).default("user"),
      )
      .addOption(
        new Option("--kdf <profile>", "how costly guessing the passphrase shall be")
          .choices(KDF_ORDER).default("interactive"),
      )
      .option("--dense", "fill it with noise first, so that nobody sees how much is used")
      .option("--size <size>", "of a dense vault exactly, of a sparse one at most", sizeArgument)
      .option("--block-size <size>", "of file data: a power of two, 4K to 1M", sizeArgument)
      .option("--label <text>", "a name for the key slot")
      .option("--recovery-code", "print a recovery code, which opens it too")
      .option("--force", "overwrite a file that is there, after a question")
      .option("--yes", "answer that question with yes")
      .option("--passphrase-file <file>", "read the passphrase from a file")
      .addOption(
        new Option("--passphrase-fd <n>", "read the passphrase from an open descriptor")
          .argParser(parseDescriptor),
      )
      .addOption(cryptoLane()),
    [
      "create vault.sv",
      "create vault.sv --dense --size 10G --recovery-code",
      "create vault.sv --mode hybrid --kdf sensitive",
    ],
  );
}
