/**
 * A command line: arguments to verbs, kinds of errors to exit codes.
 *
 * @module
 */
import { CommanderError } from "commander";
import {
  CommandFailed,
  EXIT_CODES,
  exitCodeOf,
  INTERRUPTED,
} from "../../core/command/exit_codes.ts";
import {
  buildProgram,
  type ProgramText,
  type StartInBackground,
} from "../../core/command/program.ts";
import { printable } from "../../core/command/terminal/colours.ts";
import { Interrupted } from "../../core/command/terminal/prompt.ts";
import { VaultError } from "../../core/errors.ts";
import { denoHost } from "./deno_host.ts";

const REPORT_AT = "this is a bug of sigmavault; please report it with these lines";

/** Where a message names several mistakes. */
const LIST_ITEM = "\n  - ";

/** What runs it. */
export interface Program {
  readonly version: string;
  /** What starts it once more. */
  readonly mainModule: string;
}

/** Runs one command line; returns the exit code. */
export async function runCommandLine(
  args: readonly string[],
  { version, mainModule }: Program,
): Promise<number> {
  const startInBackground: StartInBackground = async (...how) =>
    (await import("./background.ts")).startInBackground(mainModule, ...how);
  const host = denoHost({ colours: !noColour() });
  const text: ProgramText = { out: "", err: "" };
  const program = buildProgram({ host, version, startInBackground }, text);
  const flush = async () => {
    await host.out.write(text.out);
    await host.err.write(text.err);
  };
  try {
    try {
      requireText(args);
      if (args.length === 0) program.outputHelp();
      else await program.parseAsync(args, { from: "user" });
    } finally {
      await flush();
    }
    return EXIT_CODES.ok;
  } catch (thrown) {
    const error = thrown instanceof Deno.errors.NotCapable
      ? new VaultError("denied", `Cannot go on: ${thrown.message}`, { cause: thrown })
      : thrown;
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_CODES.invalid;
    if (error instanceof Interrupted) return INTERRUPTED;
    if (error instanceof CommandFailed) return error.code;
    if (args.includes("--report-ready")) {
      const { toPosted } = await import("../posted_error.ts");
      await host.out.write(JSON.stringify({ error: toPosted(error) }) + "\n");
    } else if (error instanceof VaultError) {
      // Messages quote names, and a name of a stranger's file must not drive the terminal.
      const lines = error.message.split(LIST_ITEM).map(printable).join(LIST_ITEM);
      await host.err.write(`sigmavault: ${lines}\n`);
    } else {
      const stack = error instanceof Error ? error.stack ?? error.message : String(error);
      await host.err.write(`sigmavault: ${REPORT_AT}\n${stack}\n`);
    }
    return error instanceof VaultError ? exitCodeOf(error) : EXIT_CODES.bug;
  }
}

/** The runtime puts U+FFFD where an argument has bytes that are not UTF-8: the name would be another one. */
function requireText(args: readonly string[]): void {
  const broken = args.find((arg) => arg.includes("\uFFFD"));
  if (broken === undefined || isText()) return;
  throw new VaultError(
    "invalid",
    `Cannot use "${broken}": it has bytes that are not UTF-8; name the directory above, or use the mount`,
  );
}

/** True where it is known that U+FFFD was typed. */
function isText(): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(Deno.readFileSync("/proc/self/cmdline"));
    return true;
  } catch {
    return false; // it is not, or may not be looked at, or there is no such file
  }
}

/** Without permission to look, colours stay. */
function noColour(): boolean {
  const permission = Deno.permissions.querySync({ name: "env", variable: "NO_COLOR" });
  return permission.state === "granted" && (Deno.env.get("NO_COLOR") ?? "") !== "";
}
