import { type Command, Option } from "commander";
import { KDF_ORDER } from "../crypto/argon2.ts";
import type { Host } from "./host.ts";
import type { NewKeyOptions, NewKeyReport } from "./keys.ts";
import type { OpenOptions } from "./open.ts";
import type { RotateOptions } from "./key_rotate.ts";
import {
  examples,
  opening,
  parseSlot,
  printing,
  protecting,
  takingNew,
  unlocking,
} from "./program_options.ts";
import type { NewSecretOptions, ProtectOptions } from "./secrets.ts";
import { print, printCode, type PrintOptions } from "./terminal/print.ts";

type Options = OpenOptions & PrintOptions;

const keys = () => import("./keys.ts");

const newKdf = () =>
  new Option("--new-kdf <profile>", "how costly guessing the new one shall be").choices(KDF_ORDER);

/** passwd, key, header. */
export function addKeyVerbs(program: Command, host: Host): void {
  examples(
    printing(takingNew(unlocking(program.command("passwd <medium>"))))
      .description("change the passphrase that opens the vault")
      .addOption(newKdf()),
    ["passwd vault.sv", "passwd vault.sv --passphrase-file old --new-passphrase-file new"],
  ).action(async (medium: string, options: Options & NewKeyOptions) => {
    const { changePassphrase } = await keys();
    const report = await changePassphrase({ host, medium, options }, options);
    await print(host, options, report, ({ slot }) => `changed: key slot ${slot} opens now\n`);
  });
  const key = program.command("key").description("list and change what opens the vault");
  addKey(key, host);
  addRotate(key, host);
  addHeader(program.command("header").description("save and restore the key slots"), host);
}

function addKey(key: Command, host: Host): void {
  examples(
    printing(unlocking(key.command("list <medium>"))).description("list the key slots"),
    ["key list vault.sv", "key list /mnt/vault --json"],
  ).action(async (medium: string, options: Options) => {
    const { listKeys, rowsOfSlots } = await keys();
    await print(host, options, await listKeys({ host, medium, options }), rowsOfSlots);
  });
  examples(
    printing(takingNew(unlocking(key.command("add <medium>"))))
      .description("add a passphrase, this device, or a recovery code")
      .addOption(
        new Option("--mode <mode>", "what the new slot takes")
          .choices(["user", "device", "hybrid", "recovery"]).default("user"),
      )
      .addOption(newKdf())
      .option("--label <text>", "a name for the listing"),
    ["key add vault.sv --label Anna", "key add vault.sv --mode recovery"],
  ).action(async (medium: string, options: Options & NewKeyOptions) => {
    const report = await (await keys()).addKey({ host, medium, options }, options);
    const remedy = `remove it again: "key remove --slot ${report.slot}"`;
    await printCode(host, options, report, { text: addedText, remedy });
  });
  examples(
    printing(unlocking(key.command("remove <medium>")))
      .description("remove a key slot; the last one stays")
      .addOption(
        new Option("--slot <n>", "which one, as listed").argParser(parseSlot).makeOptionMandatory(),
      ),
    ["key remove vault.sv --slot 2"],
  ).action(async (medium: string, options: Options & { slot: number }) => {
    const report = await (await keys()).removeKey({ host, medium, options }, options.slot);
    await print(host, options, report, ({ slot }) => `removed key slot ${slot}\n`);
  });
  examples(
    printing(takingNew(unlocking(key.command("export <medium> [file]"))))
      .description("save the keys under a passphrase of their own, for when the header is lost")
      .option("--force", "overwrite the file"),
    ["key export vault.sv vault.keys", "key export vault.sv > vault.keys"],
  ).action(async (
    medium: string,
    file: string | undefined,
    options: Options & Forced & NewSecretOptions,
  ) => {
    const { exportKey, STANDARD } = await keys();
    const report = await exportKey({ host, medium, options }, file ?? STANDARD, options);
    // Standard output is the export.
    if (report.file === STANDARD) return;
    await print(host, options, report, (made) => `exported to ${made.file}\n`);
  });
}

function addRotate(key: Command, host: Host): void {
  const files = (file: string, before: readonly string[] = []) => [...before, file];
  examples(
    printing(protecting(opening(key.command("rotate <medium>"))))
      .description(
        "move everything to fresh keys; what was copied with the old ones stays readable there",
      )
      .option(
        "--keep-passphrase-file <file>",
        "a passphrase that shall stay valid; repeatable",
        files,
      )
      .option("--keep-recovery-code-file <file>", "a recovery code that shall; repeatable", files)
      .option("--yes", "do not ask: drop the key slots whose secrets are not presented")
      .addHelpText(
        "after",
        "\nAll is written anew and free cells are overwritten. Interrupted, it goes on when it is run again.",
      ),
    ["key rotate vault.sv", "key rotate vault.sv --keep-passphrase-file anna --yes"],
  ).action(async (medium: string, options: Options & ProtectOptions & RotateOptions) => {
    const { rotateKey, rotateText } = await import("./key_rotate.ts");
    const report = await rotateKey({ host, medium, options }, options);
    await print(host, options, report, rotateText);
  });
}

interface Forced {
  readonly force?: boolean;
}

function addedText({ slot, mode, recoveryCode }: NewKeyReport): string {
  const added = `added key slot ${slot} (${mode})\n`;
  return recoveryCode === undefined
    ? added
    : `${added}recovery code, shown only now: ${recoveryCode}\nprint it and keep it apart\n`;
}

function addHeader(header: Command, host: Host): void {
  examples(
    printing(unlocking(header.command("backup <medium> <file>")))
      .description("save the key slots to a file; it is noise without a secret")
      .option("--force", "overwrite the file"),
    ["header backup vault.sv vault.header"],
  ).action(async (medium: string, file: string, options: Options & Forced) => {
    const { backup } = await import("./header.ts");
    const report = await backup({ host, medium, options }, file, options.force === true);
    await print(host, options, report, (made) => `saved ${made.bytes} bytes to ${made.file}\n`);
  });
  examples(
    printing(unlocking(header.command("restore <medium> <file>")))
      .description("write saved key slots back; takes a secret that the backup knows"),
    ["header restore vault.sv vault.header"],
  ).action(async (medium: string, file: string, options: Options) => {
    const { restore } = await import("./header.ts");
    const report = await restore({ host, medium, options }, file);
    await print(host, options, report, (made) => `restored the header of ${made.medium}\n`);
  });
}
