import { type Command, InvalidArgumentError, Option } from "commander";
import { KDF_ORDER } from "../crypto/argon2.ts";
import { VaultError } from "../errors.ts";
import { EXIT_CODES_TEXT } from "./exit_codes.ts";
import { parseSize } from "./sizes.ts";

/** Reads a file descriptor's number. */
export function parseDescriptor(text: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number > 1023) {
    throw new InvalidArgumentError("want the number of an open descriptor");
  }
  return number;
}

/** Reads a key slot's number. */
export function parseSlot(text: string): number {
  if (!/^\d+$/.test(text) || Number(text) > 15) throw new InvalidArgumentError("want 0 to 15");
  return Number(text);
}

/** Reads a size for commander. */
export function sizeArgument(text: string): number {
  try {
    return parseSize(text);
  } catch (error) {
    if (error instanceof VaultError) throw new InvalidArgumentError(error.message);
    throw error;
  }
}

/** Options of every verb that opens a vault. */
export function opening(command: Command): Command {
  return unlocking(command)
    .option("--accept-rollback", "take what is there as the newest, although it is older")
    .option("--no-memory", "neither compare with what this device has seen nor remember it");
}

/** Options of verbs that open key slots only: they look at no root. */
export function unlocking(command: Command): Command {
  return command
    .option(
      "--passphrase-file <file>",
      "read the passphrase from a file (one newline at its end is dropped)",
    )
    .addOption(
      new Option("--passphrase-fd <n>", "read the passphrase from an open descriptor").argParser(
        parseDescriptor,
      ),
    )
    .option("--recovery-code-file <file>", "open with the recovery code in a file")
    .option("--device", "open with the secret that this device keeps")
    .addOption(new Option("--kdf <profile>", "try this derivation only").choices(KDF_ORDER))
    .addOption(cryptoLane());
}

/** Options of verbs that write to a vault which may have a hidden one in it. */
export function protecting(command: Command): Command {
  return command
    .option("--protect-hidden", "ask for the hidden vault's passphrase too, and leave it alone")
    .option("--hidden-passphrase-file <file>", "the same, read from a file")
    .addOption(
      new Option("--hidden-passphrase-fd <n>", "the same, read from an open descriptor")
        .argParser(parseDescriptor),
    );
}

/** Who seals. */
export function cryptoLane(): Option {
  return new Option("--crypto-lane <lane>", "who encrypts").choices(["wasm", "native"]).default(
    "wasm",
  );
}

/** Options of verbs that take a new passphrase. */
export function takingNew(command: Command): Command {
  return command
    .option("--new-passphrase-file <file>", "read the new passphrase from a file")
    .addOption(
      new Option("--new-passphrase-fd <n>", "read the new passphrase from an open descriptor")
        .argParser(parseDescriptor),
    );
}

/** `--json`. */
export function printing(command: Command): Command {
  return command.option("--json", "print one line of JSON");
}

/** Examples and exit codes at the end of a help text. */
export function examples(command: Command, lines: readonly string[]): Command {
  const text = lines.map((line) => `  $ sigmavault ${line}`).join("\n");
  return command.addHelpText("after", `\nExamples:\n${text}\n${EXIT_CODES_TEXT}`);
}
