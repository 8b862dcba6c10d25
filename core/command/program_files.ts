import type { Command } from "commander";
import { CommandFailed, EXIT_CODES } from "./exit_codes.ts";
import type { TransferReport } from "./files.ts";
import type { Host } from "./host.ts";
import type { OpenOptions } from "./open.ts";
import { examples, opening, printing, protecting } from "./program_options.ts";
import { print, type PrintOptions } from "./terminal/print.ts";

type Options = OpenOptions & PrintOptions;

const files = () => import("./files.ts");
const texts = () => import("./list_text.ts");

/** ls, tree, cat, get, put, mkdir, mv, rm. */
export function addFileVerbs(program: Command, host: Host): void {
  addListing(program, host);
  addTransfer(program, host);
  addChanges(program, host);
}

function addListing(program: Command, host: Host): void {
  examples(
    printing(opening(program.command("ls <medium> [path]")))
      .description("list a directory of the vault")
      .option("-l, --long", "with mode, owner, size and time"),
    ["ls vault.sv", "ls -l /mnt/vault /photos", "ls vault.sv / --json"],
  ).action(async (medium: string, path = "/", options: Options & { long?: boolean }) => {
    const entries = await (await files()).list({ host, medium, options }, path);
    const { listText, longListText } = await texts();
    await print(host, options, entries, options.long ? longListText : listText);
  });
  examples(
    printing(opening(program.command("tree <medium> [path]")))
      .description("draw the directories of the vault")
      .option("--depth <n>", "go down so many levels", Number, 64),
    ["tree vault.sv", "tree vault.sv /photos --depth 2"],
  ).action(async (medium: string, path = "/", options: Options & { depth: number }) => {
    const { depth } = options;
    const root = await (await files()).tree({ host, medium, options }, path, { depth });
    await print(host, options, root, (await texts()).treeText);
  });
  examples(
    opening(program.command("cat <medium> <paths...>"))
      .description("write files of the vault to standard output"),
    ["cat vault.sv /notes.txt", "cat vault.sv /photo.jpg > photo.jpg"],
  ).action(async (medium: string, paths: string[], options: OpenOptions) => {
    await (await files()).cat({ host, medium, options }, paths);
  });
}

function addTransfer(program: Command, host: Host): void {
  examples(
    printing(protecting(opening(program.command("put <medium> <paths...>"))))
      .description("copy files and whole trees into the vault")
      .usage("[options] <medium> <source...> [target]")
      .addHelpText(
        "after",
        '\nThe last of several paths is the target in the vault; alone, it goes to "/".',
      ),
    [
      "put vault.sv ~/Pictures",
      "put vault.sv a.txt b.txt /notes/",
      "put vault.sv draft.txt /final.txt",
    ],
  ).action(async (medium: string, paths: string[], options: Options) => {
    const { sources, to } = split(paths, "/");
    const report = await (await files()).put({ host, medium, options }, sources, to);
    const { transferText } = await texts();
    await print(host, options, report, (value) => transferText("stored", value));
    endAsTold(report);
  });
  examples(
    printing(opening(program.command("get <medium> <paths...>")))
      .description("copy files and whole trees out of the vault")
      .usage("[options] <medium> <path...> [target]")
      .addHelpText(
        "after",
        '\nThe last of several paths is the target on this machine; alone, it is "./".',
      ),
    ["get vault.sv /Pictures", "get vault.sv /notes/a.txt /tmp/", "get vault.sv / backup"],
  ).action(async (medium: string, paths: string[], options: Options) => {
    const { sources, to } = split(paths, "./");
    const report = await (await files()).get({ host, medium, options }, sources, to);
    const { transferText } = await texts();
    await print(host, options, report, (value) => transferText("fetched", value));
    endAsTold(report);
  });
}

/** What could not be read has been told; the code says that there was something. */
function endAsTold({ unreadable: [first] }: TransferReport): void {
  if (first !== undefined) throw new CommandFailed(EXIT_CODES[first.kind]);
}

/** As with cp: the last of several paths is the target. */
function split(paths: string[], fallback: string): { sources: string[]; to: string } {
  if (paths.length === 1) return { sources: paths, to: fallback };
  return { sources: paths.slice(0, -1), to: paths[paths.length - 1] };
}

function addChanges(program: Command, host: Host): void {
  examples(
    printing(protecting(opening(program.command("mkdir <medium> <paths...>"))))
      .description("make directories in the vault")
      .option("-p, --parents", "also those above; no error where they exist"),
    ["mkdir vault.sv /notes", "mkdir -p vault.sv /a/b/c"],
  ).action(async (medium: string, paths: string[], options: Options & { parents?: boolean }) => {
    const { makeDirectories } = await files();
    const parents = options.parents === true;
    const report = await makeDirectories({ host, medium, options }, paths, { parents });
    const { changeText } = await texts();
    await print(host, options, report, (value) => changeText("made directories:", value));
  });
  examples(
    printing(protecting(opening(program.command("mv <medium> <from> <to>"))))
      .description("move or rename inside the vault"),
    ["mv vault.sv /draft.txt /final.txt", "mv vault.sv /a.txt /notes/"],
  ).action(async (medium: string, from: string, to: string, options: Options) => {
    const report = await (await files()).move({ host, medium, options }, from, to);
    const { changeText } = await texts();
    await print(host, options, report, (value) => changeText("moved:", value));
  });
  examples(
    printing(protecting(opening(program.command("rm <medium> <paths...>"))))
      .description("remove files, and with --recursive whole trees, from the vault")
      .option("-r, --recursive", "also directories with all they hold")
      .option("-f, --force", "no error where nothing is there"),
    ["rm vault.sv /notes.txt", "rm -r vault.sv /old"],
  ).action(async (medium: string, paths: string[], options: Options & RemoveFlags) => {
    const { remove } = await files();
    const flags = { recursive: options.recursive === true, force: options.force === true };
    const report = await remove({ host, medium, options }, paths, flags);
    const { changeText } = await texts();
    await print(host, options, report, (value) => changeText("removed:", value));
  });
}

interface RemoveFlags {
  readonly recursive?: boolean;
  readonly force?: boolean;
}
