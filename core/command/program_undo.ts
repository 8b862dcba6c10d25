/**
 * The `undo` verb of the command line.
 *
 * @module
 */
import { type Command, InvalidArgumentError, Option } from "commander";
import { VaultError } from "../errors.ts";
import type { Host } from "./host.ts";
import type { OpenOptions } from "./open.ts";
import { examples, opening, printing, protecting } from "./program_options.ts";
import { formatAge } from "./durations.ts";
import { print, type PrintOptions } from "./terminal/print.ts";
import { secondText } from "./times.ts";
import { parseWhen, type When } from "./when.ts";

type UndoOptions = OpenOptions & PrintOptions & {
  readonly to?: (now: number) => When;
  readonly list?: boolean;
  readonly yes?: boolean;
};

const UNDO_TEXT = `
WHEN: "10 minutes ago", 5m, 2h; a time of today or yesterday (14:30); a time like
2026-05-01T14:30; or a state of --list (@1234).
A mount keeps what its volume held, every minute while it changes, for an hour and in
a tenth of the vault's space, unless "volume set" says otherwise. An undo can be undone.
The medium may name a volume: vault.sv#photos.`;

/** undo. */
export function addUndoVerb(program: Command, host: Host): void {
  examples(
    printing(protecting(opening(program.command("undo <medium>"))))
      .description("take a volume back to what it held before")
      .addOption(new Option("--to <when>", "how far").argParser(whenArgument))
      .option("--list", "what there is to go back to")
      .option("--yes", "answer the question with yes")
      .addHelpText("after", UNDO_TEXT),
    ["undo /mnt/vault --to '10 minutes ago'", "undo /mnt/vault --list", "undo vault.sv --to 14:30"],
  ).action(async (medium: string, options: UndoOptions) => {
    const target = { host, medium, options };
    const { listSnapshots, undo } = await import("./datasets.ts");
    if (options.list === true) {
      const { snapshotsText } = await import("./dataset_rows.ts");
      const now = host.runtime.now();
      const list = await listSnapshots(target, "undo list");
      return await print(
        host,
        options,
        list,
        (value, style) => snapshotsText(value, { style, now }),
      );
    }
    if (options.to === undefined) {
      throw new VaultError("invalid", 'Cannot undo: say how far, as in --to "10 minutes ago"');
    }
    const now = host.runtime.now();
    const report = await undo(target, options.to(now), options);
    const text = (state: typeof report) =>
      `as of ${secondText(state.time)} (${formatAge(now - Date.parse(state.time))}) again\n`;
    await print(host, options, report, text);
  });
}

/** The clock is asked when the verb runs. */
function whenArgument(text: string): (now: number) => When {
  try {
    parseWhen(text, 0);
  } catch (error) {
    if (error instanceof VaultError) throw new InvalidArgumentError(error.message);
    throw error;
  }
  return (now) => parseWhen(text, now);
}
