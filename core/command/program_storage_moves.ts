import { type Command, InvalidArgumentError } from "commander";
import type { Host } from "./host.ts";
import { examples, printing, sizeArgument } from "./program_options.ts";
import type { MoveOptions, SyncOrder } from "./storage_moves.ts";
import { print, type PrintOptions } from "./terminal/print.ts";

type Flags = MoveOptions & PrintOptions;

interface MigrateFlags extends Flags {
  readonly deleteSource?: boolean;
  readonly overwrite?: boolean;
}

const verbs = () => import("./storage_moves.ts");

/** storage migrate and storage sync. */
export function addMoves(storage: Command, host: Host): void {
  examples(
    moving(storage.command("migrate [pattern]"))
      .description("copy files to another provider, each read back and compared before it counts")
      .option("--delete-source", "remove from the source what was verified at the target")
      .option("--overwrite", "replace what else the target has at these paths"),
    [
      "storage migrate --from disk --to cloud 'docs/*|*.pdf' --journal docs.journal",
      "storage migrate --from disk --to cloud --delete-source --rate 50M",
    ],
  ).action(async (pattern: string | undefined, flags: MigrateFlags) => {
    const { migrateFiles, moveText, requireAll } = await verbs();
    const report = await migrateFiles(host, pattern, flags);
    await print(host, flags, report, moveText);
    requireAll(report, "migrate");
  });
  examples(
    moving(storage.command("sync [pattern]"))
      .description("make the target the same as the source, or both sides the same")
      .option("--delete", "remove from the target what the source does not have")
      .option("--two-way", "carry changes both ways; what changed on both sides is kept twice")
      .option("--accept-empty", "a side that is empty is meant to be"),
    [
      "storage sync --from disk --to cloud --delete --dry-run",
      "storage sync --from disk --to cloud --two-way --journal both.journal",
    ],
  ).action(async (pattern: string | undefined, flags: Flags & SyncOrder) => {
    const { moveText, requireAll, syncFiles } = await verbs();
    const report = await syncFiles(host, pattern, flags);
    await print(host, flags, report, moveText);
    requireAll(report, "sync");
  });
}

function moving(command: Command): Command {
  return printing(command)
    .option("--config <file>", "settings in JSON or TOML; else STORAGE_… of the environment")
    .requiredOption("--from <name>", "provider that has the files")
    .requiredOption("--to <name>", "provider that gets them")
    .option("--journal <file>", "note here what is the same on both sides, and do not repeat it")
    .option("--parallel <number>", "files at once, 1 to 64; 8 unless given", countArgument)
    .option("--rate <size>", "bytes read in a second at most, on both sides together", sizeArgument)
    .option("--dry-run", "only say what would be done");
}

function countArgument(text: string): number {
  if (!/^\d{1,2}$/.test(text)) throw new InvalidArgumentError("want a number, 1 to 64");
  return Number(text);
}
