/**
 * The command line: which verbs there are and what they take. Verbs are loaded when they run.
 *
 * @module
 */
import { Command } from "commander";
import { VaultError } from "../errors.ts";
import { EXIT_CODES_TEXT } from "./exit_codes.ts";
import type { Host } from "./host.ts";
import { addCreateVerb } from "./program_create.ts";
import { addFileVerbs } from "./program_files.ts";
import { addHiddenVerbs } from "./program_hidden.ts";
import { addKeyVerbs } from "./program_keys.ts";
import { addLockVerbs } from "./program_locks.ts";
import { addMountVerbs } from "./program_mount.ts";
import { addScrubVerbs } from "./program_scrub.ts";
import { addStorageVerbs } from "./program_storage.ts";
import { addStreamVerbs } from "./program_streams.ts";
import { addTransactionVerbs } from "./program_transaction.ts";
import { addVaultVerbs } from "./program_vault.ts";
import { addUndoVerb } from "./program_undo.ts";
import { addVolumeVerbs } from "./program_volumes.ts";

/** Text that commander prints itself is collected, so that the caller writes it in order. */
export interface ProgramText {
  out: string;
  err: string;
}

/** What the program is built with. */
export interface ProgramParts {
  readonly host: Host;
  readonly version: string;
  /** Starts this program again, detached; see `mount --background`. */
  readonly startInBackground: StartInBackground;
}

/**
 * Starts this program with arguments and a secret on its standard input; resolves with what it reports when it serves. `made` is
 * told before of a vault that it has made.
 */
export type StartInBackground = (
  args: readonly string[],
  secret: Uint8Array,
  made?: (report: unknown) => Promise<void>,
) => Promise<unknown>;

const INTRODUCTION =
  `A medium is a path or URL: "vault.sv", "file:///x", "directory:///x", "memory:".
Verbs take a medium, with its secret, or the mount point of a running mount. Verbs on files
take a volume of it too, "vault.sv#photos", or a snapshot, "vault.sv#photos@monday".

Examples:
  $ sigmavault create photos.sv
  $ sigmavault put photos.sv ~/Pictures /
  $ sigmavault ls photos.sv /Pictures
  $ sigmavault mount photos.sv /mnt/photos
  $ sigmavault umount /mnt/photos
${EXIT_CODES_TEXT}`;

/** Builds the parser. */
export function buildProgram(parts: ProgramParts, text: ProgramText): Command {
  const program = new Command("sigmavault")
    .description("Turns any storage into one encrypted vault.")
    .version(parts.version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand(false)
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({
      writeOut: (part) => text.out += part,
      writeErr: (part) => text.err += part,
      outputError: (message, write) => write(message.replace(/^error: /, "sigmavault: ")),
      getOutHasColors: () => parts.host.out.colour,
      getOutHelpWidth: () => Math.min(100, parts.host.out.columns),
    })
    .addHelpText("after", `\n${INTRODUCTION}`);
  addCreateVerb(program, parts);
  addVaultVerbs(program, parts);
  addMountVerbs(program, parts);
  addTransactionVerbs(program, parts.host);
  addScrubVerbs(program, parts.host);
  addFileVerbs(program, parts.host);
  addLockVerbs(program, parts.host);
  addKeyVerbs(program, parts.host);
  addHiddenVerbs(program, parts.host);
  addVolumeVerbs(program, parts.host);
  addStreamVerbs(program, parts.host);
  addUndoVerb(program, parts.host);
  addStorageVerbs(program, parts.host);
  program.command("help [verb...]").description("print the help of a verb").action(
    (names: string[]) => helpOf(program, names).outputHelp(),
  );
  return program;
}

/** The command that some words name: `help key add`, which commander's own help does not look up. */
function helpOf(program: Command, names: readonly string[]): Command {
  let command = program;
  for (const name of names) {
    const below = command.commands.find((sub) => sub.name() === name);
    if (below === undefined) {
      throw new VaultError("invalid", `Cannot help with "${names.join(" ")}": no such verb`);
    }
    command = below;
  }
  return command;
}
