import { type Command, InvalidArgumentError } from "commander";
import { VaultError } from "../errors.ts";
import { parseDuration } from "./durations.ts";
import type { Host } from "./host.ts";
import { examples, sizeArgument } from "./program_options.ts";
import { addMoves } from "./program_storage_moves.ts";
import { momentOf } from "./when.ts";
import { addUpload, configured, pairArgument } from "./program_storage_upload.ts";
import type { StorageOptions } from "./storage.ts";
import { formatSize } from "./sizes.ts";
import { printable } from "./terminal/colours.ts";
import { print, type PrintOptions } from "./terminal/print.ts";

type Flags = StorageOptions & PrintOptions;

const verbs = () => import("./storage.ts");
const states = () => import("./storage_state.ts");

/** storage, with verbs of its own. */
export function addStorageVerbs(program: Command, host: Host): void {
  const storage = program.command("storage")
    .description("keep files at any provider: local disk, S3, Google, Azure, a vault");
  storage.helpCommand(false);
  addTransfers(storage, host);
  addLooks(storage, host);
  addHealth(storage, host);
  addReconcile(storage, host);
  addSearch(storage, host);
  addTest(storage, host);
  addChanges(storage, host);
  addMoves(storage, host);
}

function addTransfers(storage: Command, host: Host): void {
  addUpload(storage, host);
  examples(
    configured(storage.command("download <path> <file>"))
      .description("write a stored file to one of this machine, or to standard output (-)"),
    ["storage download docs/2026/report.pdf report.pdf"],
  ).action(async (path: string, file: string, flags: Flags) => {
    const { download } = await verbs();
    const row = await download({ host, options: flags }, [path, file]);
    if (file === "-") return;
    await print(host, flags, row, ({ path, size, provider }) => {
      return `downloaded ${printable(path)}: ${formatSize(size)} from ${provider}\n`;
    });
  });
}

function addLooks(storage: Command, host: Host): void {
  examples(
    configured(storage.command("ls [prefix]"))
      .description("list files below a prefix")
      .option("-r, --recursive", "all of them, not one level"),
    ["storage ls docs/", "storage ls --recursive --json"],
  ).action(async (prefix: string = "", flags: Flags & { readonly recursive?: boolean }) => {
    const { list, listingText } = await verbs();
    await print(host, flags, await list({ host, options: flags }, prefix, flags), listingText);
  });
  examples(
    configured(storage.command("info <path>")).description("say what is known of a file"),
    ["storage info docs/2026/report.pdf"],
  ).action(async (path: string, flags: Flags) => {
    const { fileInfo, fileText } = await verbs();
    await print(host, flags, await fileInfo({ host, options: flags }, path), fileText);
  });
  examples(
    configured(storage.command("url <path>"))
      .description("print a URL of a file: the public one, or one that works for a while")
      .option("--expires <time>", "a signed URL that works so long: 1h, 7d", secondsArgument),
    ["storage url docs/2026/report.pdf --expires 1h"],
  ).action(async (path: string, flags: Flags & { readonly expires?: number }) => {
    const { urlOf } = await verbs();
    const shown = await urlOf({ host, options: flags }, path, flags);
    await print(host, flags, shown, ({ url }) => `${url}\n`);
  });
  examples(
    configured(storage.command("explain <path>"))
      .description("say which provider a path belongs to, and why"),
    ["storage explain docs/2026/report.pdf"],
  ).action(async (path: string, flags: Flags) => {
    const { explain } = await verbs();
    const row = await explain({ host, options: flags }, path);
    await print(host, flags, row, ({ provider, rule, made }) => {
      return `${provider} (${rule})${made === undefined ? "" : `: ${made}`}\n`;
    });
  });
}

function addHealth(storage: Command, host: Host): void {
  examples(
    configured(storage.command("health")).description("ask every provider whether it is there"),
    ["storage health", "storage health --provider archive --json"],
  ).action(async (flags: Flags) => {
    const { health, healthText, requireHealth } = await states();
    const rows = await health({ host, options: flags });
    await print(host, flags, rows, healthText);
    requireHealth(rows);
  });
}

function addReconcile(storage: Command, host: Host): void {
  examples(
    configured(storage.command("reconcile"))
      .description("put right at fallbacks and mirrors what could not be done while one was away")
      .option("--all", "look at every file, not only at what was noted: for a fresh member"),
    ["storage reconcile", "storage reconcile --provider safe --all"],
  ).action(async (flags: Flags & { readonly all?: boolean }) => {
    const { reconcile, reconcileText, requireReconciled } = await states();
    const rows = await reconcile({ host, options: flags }, flags.all ? "everything" : "noted");
    await print(host, flags, rows, reconcileText);
    requireReconciled(rows);
  });
}

function addTest(storage: Command, host: Host): void {
  examples(
    configured(storage.command("test"))
      .description("check what a provider really does, against what every one promises")
      .addHelpText("after", "\nFiles are made below sigmavault-test-…, and removed again."),
    ["storage test", "storage test --provider archive --json"],
  ).action(async (flags: Flags) => {
    const { requirePromises, testProvider, testText } = await states();
    const report = await testProvider({ host, options: flags });
    await print(host, flags, report, testText);
    requirePromises(report);
  });
}

interface SearchFlags extends Flags {
  readonly tag?: Readonly<Record<string, string>>;
  readonly meta?: Readonly<Record<string, string>>;
  readonly prefix?: string;
  readonly type?: string;
  readonly minSize?: number;
  readonly maxSize?: number;
  readonly after?: string;
  readonly before?: string;
}

function addSearch(storage: Command, host: Host): void {
  examples(
    configured(storage.command("search"))
      .description("find files by what the catalogue knows of them")
      .option("--tag <key=value>", "with this tag (may be repeated)", pairArgument)
      .option("--meta <key=value>", "with this metadata (may be repeated)", pairArgument)
      .option("--prefix <path>", "whose paths begin so")
      .option("--type <type>", "of this content type: application/pdf, image/*")
      .option("--min-size <size>", "not smaller", sizeArgument)
      .option("--max-size <size>", "not larger", sizeArgument)
      .option("--after <when>", "changed then or later: a date, '2 hours ago'")
      .option("--before <when>", "changed then or earlier"),
    ["storage search --tag project=engine --type 'image/*'", "storage search --min-size 1G --json"],
  ).action(async (flags: SearchFlags) => {
    const [{ listingText }, { search }] = [await verbs(), await states()];
    const { tag: tags, meta: metadata, prefix, type: contentType, minSize, maxSize } = flags;
    const time = (text?: string) => text === undefined ? undefined : timeOf(host, text);
    const order = { tags, metadata, prefix, contentType, minSize, maxSize };
    const times = { after: time(flags.after), before: time(flags.before) };
    const files = await search({ host, options: flags }, { ...order, ...times });
    await print(host, flags, { files, prefixes: [] }, listingText);
  });
  examples(
    configured(storage.command("reindex"))
      .description("make the catalogue anew from what the providers hold"),
    ["storage reindex", "storage reindex --provider archive"],
  ).action(async (flags: Flags) => {
    const { reindex, reindexText } = await states();
    await print(host, flags, await reindex({ host, options: flags }), reindexText);
  });
}

function addChanges(storage: Command, host: Host): void {
  examples(
    configured(storage.command("rm <path...>")).description("remove files"),
    ["storage rm docs/2026/report.pdf"],
  ).action(async (paths: string[], flags: Flags) => {
    const { remove, removedText } = await verbs();
    await print(host, flags, await remove({ host, options: flags }, paths), removedText);
  });
  for (const [name, how, done] of [["cp", "copy", "copied"], ["mv", "move", "moved"]] as const) {
    examples(
      configured(storage.command(`${name} <from> <to>`)).description(`${how} a file`),
      [`storage ${name} docs/draft.txt docs/final.txt`],
    ).action(async (from: string, to: string, flags: Flags) => {
      const { transfer } = await verbs();
      const row = await transfer({ host, options: flags }, how, [from, to]);
      await print(host, flags, row, ({ path, size, provider }) => {
        return `${done} to ${printable(path)}: ${formatSize(size)} at ${provider}\n`;
      });
    });
  }
}

function secondsArgument(text: string): number {
  try {
    return Math.round(parseDuration(text) / 1000);
  } catch (error) {
    if (error instanceof VaultError) throw new InvalidArgumentError(error.message);
    throw error;
  }
}

function timeOf(host: Host, text: string): number {
  const time = momentOf(text, host.runtime.now());
  if (time !== null) return time;
  const wanted = 'want "2 hours ago", 7d, 14:30, or a date and time';
  throw new VaultError("invalid", `Cannot search by time "${text}": ${wanted}`);
}
