import { type Command, Option } from "commander";
import { KDF_ORDER } from "../crypto/argon2.ts";
import { VaultError } from "../errors.ts";
import type { Redundancy } from "../format/redundancy.ts";
import type { AskedVault, CreateOptions, CreateReport } from "./create.ts";
import type { CreatedEvents, CreatedMount } from "./create_mounted.ts";
import { handedSecret, handedSecretArguments } from "./mount_handover.ts";
import type { ProgramParts } from "./program.ts";
import {
  cryptoLane,
  examples,
  parseDescriptor,
  printing,
  sizeArgument,
} from "./program_options.ts";
import { REDUNDANCY_HELP, redundancyArgument } from "./redundancy_option.ts";
import { wipeSecret } from "./secrets.ts";
import { printCode, type PrintOptions } from "./terminal/print.ts";

/** create. */
export function addCreateVerb(program: Command, parts: ProgramParts): void {
  const { host } = parts;
  createFlags(printing(program.command("create <medium>")))
    .action(async (medium: string, flags: CreateFlags) => {
      const { create, createText } = await import("./create.ts");
      const { size: sizeBytes, blockSize: blockBytes, mount } = flags;
      const options: CreateOptions = {
        ...flags,
        sizeBytes,
        blockBytes,
        dense: flags.dense === true,
        recoveryCode: flags.recoveryCode === true,
        force: flags.force === true,
        yes: flags.yes === true,
      };
      if (mount !== undefined) return await createMounted(parts, { medium, mount, flags, options });
      if (flags.background === true) {
        throw new VaultError(
          "invalid",
          "Cannot create in the background: nothing is served there; say --mount DIRECTORY too",
        );
      }
      await printCode(host, flags, await create(host, medium, options), {
        text: createText,
        remedy: UNKNOWN_CODE,
      });
    });
}

const UNKNOWN_CODE = 'the vault is made; remove its slot 1 by "key remove", and add another code';

interface CreateMountedCall {
  readonly medium: string;
  readonly mount: string;
  readonly flags: CreateFlags;
  readonly options: CreateOptions;
}

async function createMounted(
  parts: ProgramParts,
  { medium, mount, flags, options }: CreateMountedCall,
): Promise<void> {
  const { host } = parts;
  const { askForMounted, createMounted } = await import("./create_mounted.ts");
  const mountpoint = host.absolute(mount);
  const asked = await askForMounted(host, medium, { ...options, mountpoint });
  const telling = flags.reportReady === true ? tellParent(parts) : await tellUser(parts, flags);
  const warn = (message: string) => void host.err.write(`sigmavault: ${message}\n`);
  const events = { ...telling, warn };
  try {
    if (flags.background !== true) return await createMounted(host, asked, mountpoint, events);
    await inBackground(parts, asked, mountpoint, events);
  } catch (error) {
    await telling.failed();
    throw error;
  }
}

interface Telling extends Omit<CreatedEvents, "warn"> {
  failed(): Promise<void>;
}

/** In words as things happen, in JSON all at once; but a vault that is made is told of even where it could not be mounted. */
async function tellUser({ host }: ProgramParts, flags: CreateFlags): Promise<Telling> {
  const { createText } = await import("./create.ts");
  const { mountText } = await import("./mount.ts");
  let untold: CreateReport | null = null;
  // It is served all the same: who ends here would leave a dead mount.
  const tell = async <T extends object>(report: T, text: (report: T) => string) => {
    try {
      await printCode(host, flags, report, { text, remedy: UNKNOWN_CODE });
    } catch (error) {
      if (!(error instanceof VaultError)) throw error;
      await host.err.write(`sigmavault: warning: ${error.message}\n`);
    }
  };
  const isJson = flags.json === true;
  return {
    made: async (report) => {
      untold = report;
      if (!isJson) await tell(report, createText);
    },
    ready: async (report) => {
      untold = null;
      await tell(report, mountText);
    },
    failed: async () => {
      if (isJson && untold !== null) await tell(untold, createText);
    },
  };
}

/** For `startInBackground`. */
function tellParent({ host }: ProgramParts): Telling {
  const say = (line: unknown) => host.out.write(JSON.stringify(line) + "\n");
  return {
    made: (made) => say({ made }),
    ready: (ready) => say({ ready }),
    failed: () => Promise.resolve(),
  };
}

/** The same in a process of its own, which asks for nothing; the secret goes through its standard input. */
async function inBackground(
  parts: ProgramParts,
  asked: AskedVault,
  mountpoint: string,
  { made, ready }: CreatedEvents,
): Promise<void> {
  const { medium, secret } = asked;
  const args = [
    "create",
    asked.name,
    "--mount",
    mountpoint,
    "--report-ready",
    ...argumentsOf(asked),
  ];
  const bytes = handedSecret(secret);
  wipeSecret(secret);
  try {
    const report = await parts.startInBackground(args, bytes, async (report) => {
      await made({ ...report as CreateReport, medium });
    });
    await ready({ ...report as CreatedMount, medium });
  } finally {
    bytes.fill(0);
  }
}

function argumentsOf({ options, secret }: AskedVault): string[] {
  const { mode, kdf, cryptoLane, dense, force, recoveryCode, memory } = options;
  const { sizeBytes, blockBytes, redundancy, label } = options;
  const args = ["--mode", mode, "--kdf", kdf, "--crypto-lane", cryptoLane];
  if (dense) args.push("--dense");
  if (sizeBytes !== undefined) args.push("--size", `${sizeBytes}`);
  if (blockBytes !== undefined) args.push("--block-size", `${blockBytes}`);
  if (redundancy !== undefined) args.push("--redundancy", `${redundancy.k}+${redundancy.m}`);
  if (label !== undefined) args.push(`--label=${label}`);
  if (recoveryCode) args.push("--recovery-code");
  // Whoever was asked has agreed.
  if (force) args.push("--force", "--yes");
  if (memory === false) args.push("--no-memory");
  return "passphrase" in secret ? [...args, ...handedSecretArguments(secret)] : args;
}

interface CreateFlags
  extends PrintOptions, Pick<CreateOptions, "mode" | "kdf" | "label" | "cryptoLane" | "memory"> {
  readonly passphraseFile?: string;
  readonly passphraseFd?: number;
  readonly dense?: boolean;
  readonly size?: number;
  readonly blockSize?: number;
  readonly redundancy?: Redundancy;
  readonly recoveryCode?: boolean;
  readonly force?: boolean;
  readonly yes?: boolean;
  /** Where it is mounted. */
  readonly mount?: string;
  readonly background?: boolean;
  /** This process was started by `--background`: it says in JSON how that went. */
  readonly reportReady?: boolean;
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
      .option(
        "--size <size>",
        "of a dense vault, of a sparse one at most; in whole 4M",
        sizeArgument,
      )
      .option("--block-size <size>", "of file data: a power of two, 4K to 1M", sizeArgument)
      .option("--redundancy <k+m>", REDUNDANCY_HELP, redundancyArgument)
      .option("--label <text>", "a name for the key slot")
      .option("--recovery-code", "print a recovery code, which opens it too")
      .option("--force", "overwrite a file that is there, after a question")
      .option("--yes", "answer that question with yes")
      .option("--passphrase-file <file>", "read the passphrase from a file")
      .addOption(
        new Option("--passphrase-fd <n>", "read the passphrase from an open descriptor")
          .argParser(parseDescriptor),
      )
      .option("--mount <directory>", "mount it there at once, as mount does; Ctrl-C unmounts")
      .option("--background", "with --mount: return when it is mounted")
      .addOption(new Option("--report-ready").hideHelp())
      .option("--no-memory", "this device shall not remember the vault's newest root")
      .addOption(cryptoLane()),
    [
      "create vault.sv",
      "create vault.sv --mount /mnt/vault --background",
      "create vault.sv --dense --size 10G --recovery-code",
      "create vault.sv --redundancy 4+2",
      "create vault.sv --mode hybrid --kdf sensitive",
    ],
  );
}
