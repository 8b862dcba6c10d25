import { type Command, Option } from "commander";
import { VaultError } from "../errors.ts";
import type { Host } from "./host.ts";
import type { OpenOptions } from "./open.ts";
import { examples, opening, parseDescriptor, printing, protecting } from "./program_options.ts";
import type { StreamSecretOptions } from "./streams.ts";
import { print, type PrintOptions } from "./terminal/print.ts";

type Flags = OpenOptions & PrintOptions & StreamSecretOptions;

interface SendFlags extends Flags {
  readonly from?: string;
  readonly resume?: string;
  readonly raw?: boolean;
  readonly open?: boolean;
}

interface ReceiveFlags extends Flags {
  readonly resumeToken?: boolean;
  readonly abandon?: boolean;
  readonly raw?: boolean;
}

const STREAM_TEXT = `
Without a passphrase the stream is sealed under the vault's own key: only a vault with the same
keys can receive it. To another vault, give both sides a --stream-passphrase-file.`;

const streams = () => import("./streams.ts");

/** send, receive. */
export function addStreamVerbs(program: Command, host: Host): void {
  addSend(program, host);
  addReceive(program, host);
}

function sharing(command: Command): Command {
  return command
    .option("--stream-passphrase-file <file>", "what both sides know, read from a file")
    .addOption(
      new Option("--stream-passphrase-fd <n>", "the same, read from an open descriptor")
        .argParser(parseDescriptor),
    );
}

function addSend(program: Command, host: Host): void {
  examples(
    printing(sharing(opening(program.command("send <medium> <snapshot>"))))
      .description("write a snapshot to standard output as a sealed stream; the report to stderr")
      .option("--from <base>", "only what differs from this snapshot, which the receiver has")
      .option("--resume <token>", "go on where a receive was interrupted")
      .option(
        "--raw",
        "as sealed blocks, for a receiver that keeps them without a key: receive --raw",
      )
      .option("--open", "what the sealed blocks of a volume are that was received with --raw")
      .addHelpText("after", `\nThe medium may name a volume: vault.sv#photos.${STREAM_TEXT}`),
    [
      "send vault.sv monday > monday.stream",
      "send vault.sv#photos tuesday --from monday --stream-passphrase-file key |" +
      " ssh host sigmavault receive backup.sv photos --stream-passphrase-file key" +
      " --passphrase-file secret",
    ],
  ).action(async (medium: string, snapshot: string, options: SendFlags) => {
    const { send, sentText } = await streams();
    const report = await send({ host, medium, options }, snapshot, options);
    await print({ ...host, out: host.err }, options, report, sentText);
  });
}

function addReceive(program: Command, host: Host): void {
  examples(
    printing(sharing(protecting(opening(program.command("receive <medium> <volume>")))))
      .description("make a volume of a stream on standard input, or bring it to a later snapshot")
      .option("--resume-token", "print what send --resume takes, after a receive that failed")
      .option("--abandon", "give up what a receive that failed has left")
      .option(
        "--raw",
        "keep blocks that were sent raw, sealed as they are: nothing here opens them",
      )
      .addHelpText("after", STREAM_TEXT),
    [
      "receive vault.sv restored < monday.stream",
      "receive backup.sv photos --resume-token",
      "receive server.sv laptop --raw < monday.raw",
    ],
  ).action(async (medium: string, volume: string, options: ReceiveFlags) => {
    const { abandonReceive, receive, receivedText, resumeToken } = await streams();
    const target = { host, medium, options };
    const { resumeToken: isAsked, abandon } = options;
    if (isAsked === true && abandon === true) {
      throw new VaultError("invalid", "Cannot do two things at once: say one of the options");
    }
    if (isAsked === true) {
      return await print(
        host,
        options,
        await resumeToken(target, volume),
        ({ token }) => `${token}\n`,
      );
    }
    if (abandon === true) {
      const report = await abandonReceive(target, volume);
      return await print(host, options, report, () => `gave up what ${volume} was to receive\n`);
    }
    const report = await receive(target, volume, options);
    await print(host, options, report, receivedText);
  });
}
