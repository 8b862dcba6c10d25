import { type Command, Option } from "commander";
import { KDF_ORDER } from "../crypto/argon2.ts";
import type { CreateHiddenOptions } from "./hidden.ts";
import type { Host } from "./host.ts";
import type { OpenOptions } from "./open.ts";
import { examples, printing, sizeArgument, takingNew, unlocking } from "./program_options.ts";
import { print, type PrintOptions } from "./terminal/print.ts";

/** hidden. */
export function addHiddenVerbs(program: Command, host: Host): void {
  const hidden = program.command("hidden").description("a second vault that nobody can see");
  examples(
    printing(takingNew(unlocking(hidden.command("create <medium>"))))
      .description("make a hidden vault in what a dense vault has never used")
      .addOption(
        new Option("--size <size>", "of the hidden vault").argParser(sizeArgument)
          .makeOptionMandatory(),
      )
      .option("--block-size <size>", "of file data: a power of two, 4K to 1M", sizeArgument)
      .addOption(
        new Option("--new-kdf <profile>", "how costly guessing its passphrase shall be")
          .choices(KDF_ORDER),
      )
      .option("--label <text>", "a name for its key slot")
      .option("--yes", "do not ask: a hidden vault that is there already is lost")
      .addHelpText(
        "after",
        "\nIts passphrase opens it with every verb. Writing to the outer vault destroys it, but with --protect-hidden.",
      ),
    ["hidden create vault.sv --size 2G", "mount vault.sv /mnt/vault --protect-hidden"],
  ).action(async (medium: string, options: OpenOptions & PrintOptions & CreateHiddenOptions) => {
    const { createHidden, createHiddenText } = await import("./hidden.ts");
    const report = await createHidden({ host, medium, options }, options);
    await print(host, options, report, createHiddenText);
  });
}
