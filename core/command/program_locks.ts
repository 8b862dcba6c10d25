import { type Command, Option } from "commander";
import type { Host } from "./host.ts";
import type { LockFlags, LockVerb } from "./lock.ts";
import type { OpenOptions } from "./open.ts";
import { examples, opening, parseDescriptor, printing, protecting } from "./program_options.ts";
import { print, type PrintOptions } from "./terminal/print.ts";

interface Flags extends OpenOptions, PrintOptions, LockFlags {}

interface ShreddableFlags {
  readonly off?: boolean;
  readonly show?: boolean;
}

/** lock, unlock, shred, shreddable. */
export function addLockVerbs(program: Command, host: Host): void {
  const act =
    (verb: LockVerb) => async (medium: string, path: string | undefined, flags: Flags) => {
      const { changeLock, lockText } = await import("./lock.ts");
      const report = await changeLock({ host, medium, options: flags }, verb, path, flags);
      await print(host, flags, report, lockText);
    };
  examples(
    asking(verb(program, "lock"))
      .description("lock a file under a passphrase of its own, in all snapshots too")
      .option("--free-cells", "overwrite all free cells: they may hold copies of before")
      .option("--yes", "do not ask whether free cells may be touched"),
    [
      "lock vault.sv /diary.txt",
      "lock /mnt/vault/diary.txt",
      "lock vault.sv /diary.txt --free-cells --yes --lock-passphrase-file extra",
    ],
  ).action(act("lock"));
  examples(
    asking(verb(program, "unlock"))
      .description("unlock a file for good, or on a mount until that ends")
      .option("--until-umount", "on a mount: only to be read, and locked again when it ends")
      .option("--yes", "do not ask before something that was cut short touches free cells"),
    [
      "unlock vault.sv /diary.txt",
      "unlock /mnt/vault/diary.txt --until-umount",
    ],
  ).action(act("unlock"));
  examples(
    verb(program, "shred")
      .description("remove a file and make its content unreadable in the whole vault")
      .option("--yes", "do not ask"),
    ["shred vault.sv /draft.txt", "shred /mnt/vault/draft.txt --yes"],
  ).action(act("shred"));
  addShreddableVerb(program, host);
}

function addShreddableVerb(program: Command, host: Host): void {
  examples(
    verb(program, "shreddable")
      .usage("[options] <medium> <directory> | [options] <directory-in-a-mount>")
      .description(
        "give files that are made in a directory secrets of their own, for shred to forget",
      )
      .option("--off", "files that are made from now on are as anywhere")
      .option("--show", "only say how it is"),
    ["shreddable vault.sv /drafts", "shreddable /mnt/vault/drafts --show"],
  ).action(
    async (medium: string, path: string | undefined, flags: Flags & ShreddableFlags) => {
      const { markShreddable, shreddableText } = await import("./shreddable.ts");
      const order = flags.show ? "show" : flags.off ? "off" : "on";
      const report = await markShreddable({ host, medium, options: flags }, path, order);
      await print(host, flags, report, shreddableText);
    },
  );
}

function verb(program: Command, name: LockVerb | "shreddable"): Command {
  return printing(protecting(opening(program.command(`${name} <medium> [path]`))))
    .usage("[options] <medium> <path> | [options] <file-in-a-mount>");
}

function asking(command: Command): Command {
  return command
    .option("--lock-passphrase-file <file>", "read the passphrase of the file from another file")
    .addOption(
      new Option("--lock-passphrase-fd <n>", "the same, from an open descriptor")
        .argParser(parseDescriptor),
    );
}
