import { Argument, type Command, Option } from "commander";
import { MIB } from "../limits.ts";
import type { Host } from "./host.ts";
import type { OpenOptions } from "./open.ts";
import type { ProgramParts } from "./program.ts";
import {
  cryptoLane,
  examples,
  opening,
  printing,
  protecting,
  sizeArgument,
} from "./program_options.ts";
import { print, type PrintOptions } from "./terminal/print.ts";

type Options = OpenOptions & PrintOptions;

interface RescatterFlags {
  readonly all?: boolean;
  readonly rate?: number;
  readonly yes?: boolean;
}

/** info, check, resize, compact, rescatter, demo, bench, completions. */
export function addVaultVerbs(program: Command, { host }: ProgramParts): void {
  examples(
    printing(opening(program.command("info <medium>")))
      .description("what the vault is, how full, and what opens it"),
    ["info vault.sv", "info /mnt/vault --json"],
  ).action(async (medium: string, options: Options) => {
    const { info, infoText } = await import("./info.ts");
    const report = await info({ host, medium, options });
    const now = host.runtime.now();
    await print(host, options, report, (value, style) => infoText(value, { style, now }));
  });
  addMaintenance(program, host);
  addShows(program, host);
}

function addMaintenance(program: Command, host: Host): void {
  examples(
    printing(opening(program.command("check <medium>")))
      .description("read and verify everything; exit code 7 where something is damaged"),
    ["check vault.sv", "check /mnt/vault --json"],
  ).action(async (medium: string, options: Options) => {
    const { check, checkText, requireClean } = await import("./maintenance.ts");
    const report = await check({ host, medium, options });
    await print(host, options, report, checkText);
    requireClean(medium, report);
  });
  examples(
    printing(opening(program.command("resize <medium>")))
      .description("a dense vault to this size, a sparse one to at most; in whole 4M")
      .addOption(
        new Option("--size <size>", "the new size").argParser(sizeArgument).makeOptionMandatory(),
      )
      .option("--yes", "do not ask before free cells of a dense vault are touched"),
    ["resize vault.sv --size 20G"],
  ).action(async (medium: string, options: Options & { size: number; yes?: boolean }) => {
    const { resize, resizeText } = await import("./maintenance.ts");
    const order = { sizeBytes: options.size, yes: options.yes === true };
    await print(host, options, await resize({ host, medium, options }, order), resizeText);
  });
  examples(
    printing(protecting(opening(program.command("rescatter <medium>"))))
      .description("seal everything anew in other places; goes on with a pass that was stopped")
      .option("--all", "begin anew, not where one before was stopped")
      .option("--rate <size>", "bytes written in a second at most; on a mount 32M", sizeArgument)
      .option("--yes", "do not ask in a dense vault"),
    ["rescatter vault.sv --all", "rescatter /mnt/vault --rate 10M"],
  ).action(async (medium: string, options: OpenOptions & PrintOptions & RescatterFlags) => {
    const { rescatter, rescatterText } = await import("./rescatter.ts");
    const { rate: rateBytes, all = false, yes = false } = options;
    const report = await rescatter({ host, medium, options }, { rateBytes, restart: all, yes });
    await print(host, options, report, rescatterText);
  });
  examples(
    printing(opening(program.command("compact <medium>")))
      .description("make a sparse vault as small as what it holds"),
    ["compact vault.sv", "compact /mnt/vault"],
  ).action(async (medium: string, options: Options) => {
    const { compact, resizeText } = await import("./maintenance.ts");
    await print(host, options, await compact({ host, medium, options }), resizeText);
  });
}

function addShows(program: Command, host: Host): void {
  examples(
    printing(program.command("demo"))
      .description("show one medium with and without the key: what is where, and noise")
      .option("--size <size>", "of the medium, in memory", sizeArgument, 32 * MIB),
    ["demo", "demo --size 64M", "demo --json"],
  ).action(async (options: PrintOptions & { size: number }) => {
    const { demo, demoText } = await import("./demo.ts");
    const report = await demo(host, options.size);
    const { columns } = host.out;
    await print(host, options, report, (value, style) => demoText(value, style, columns));
  });
  examples(
    printing(program.command("bench"))
      .description("how fast this machine seals, hashes, derives keys and stores")
      .addOption(cryptoLane()),
    ["bench", "bench --json"],
  ).action(async (options: PrintOptions & { cryptoLane: "wasm" | "native" }) => {
    const { bench, benchText } = await import("./bench.ts");
    await print(host, options, await bench(host, options), benchText);
  });
  examples(
    program.command("completions")
      .description("print a completion script for a shell")
      .addArgument(new Argument("<shell>", "which shell").choices(["bash", "zsh", "fish"])),
    ["completions bash > /etc/bash_completion.d/sigmavault", "completions fish | source"],
  ).action(async (shell: "bash" | "zsh" | "fish") => {
    const { completions } = await import("./completions.ts");
    await host.out.write(completions(shell, program));
  });
}
