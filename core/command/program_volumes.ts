import { type Command, InvalidArgumentError, Option } from "commander";
import { VaultError } from "../errors.ts";
import { ACCESS_TIMES, COMPRESSIONS } from "../format/catalog_record.ts";
import type { ControlOptions } from "../vault/control.ts";
import { parseRetention } from "../volume/retention.ts";
import type { Host } from "./host.ts";
import type { OpenOptions } from "./open.ts";
import { examples, opening, printing, protecting } from "./program_options.ts";
import { parseDuration } from "./durations.ts";
import { parseSize } from "./sizes.ts";
import { print, type PrintOptions } from "./terminal/print.ts";

type Options = OpenOptions & PrintOptions;
type CreateOptions = Options & { readonly set?: ControlOptions; readonly blockSize?: number };
type YesOptions = Options & { readonly yes?: boolean };

const datasets = () => import("./datasets.ts");
const rows = () => import("./dataset_rows.ts");

/** volume, snapshot. */
export function addVolumeVerbs(program: Command, host: Host): void {
  const volume = program.command("volume").description("make and change volumes of a vault");
  addVolumeLists(volume, host);
  addVolumeChanges(volume, host);
  const snapshot = program.command("snapshot")
    .description("keep what a volume held, and go back to it");
  addSnapshotLists(snapshot, host);
  addSnapshotChanges(snapshot, host);
  addPrune(snapshot, host);
}

function changing(command: Command): Command {
  return printing(protecting(opening(command)));
}

function asking(command: Command): Command {
  return changing(command).option("--yes", "answer the question with yes");
}

function addVolumeLists(volume: Command, host: Host): void {
  examples(
    printing(opening(volume.command("list <medium>"))).description("list the volumes"),
    ["volume list vault.sv", "volume list /mnt/vault --json"],
  ).action(async (medium: string, options: Options) => {
    const list = await (await datasets()).listVolumes({ host, medium, options });
    await print(host, options, list, (await rows()).volumesText);
  });
  examples(
    changing(volume.command("create <medium> <name>"))
      .description("make a volume: files of its own in the same vault")
      .addOption(
        new Option("--set <properties>", "properties, with commas between them").argParser(
          propertiesArgument,
        ),
      )
      .addOption(
        new Option("--block-size <size>", "bytes of a data block, 4K to 1M").argParser(
          (text) => argument(() => parseSize(text)),
        ),
      )
      .addHelpText("after", PROPERTIES_TEXT),
    ["volume create vault.sv photos", "volume create vault.sv logs --set compression=zstd"],
  ).action(async (medium: string, name: string, options: CreateOptions) => {
    const target = { host, medium, options };
    const { set, blockSize } = options;
    const blockBytes = blockSize === undefined ? {} : { blockBytes: blockSize };
    const properties = { name, ...set, ...blockBytes };
    const report = await (await datasets()).changeVolume(target, "create", properties);
    await print(host, options, report, (made) => `made volume ${made.volume}\n`);
  });
}

function addVolumeChanges(volume: Command, host: Host): void {
  examples(
    changing(volume.command("rename <medium> <name> <to>")).description("rename a volume"),
    ["volume rename vault.sv photos pictures"],
  ).action(async (medium: string, name: string, to: string, options: Options) => {
    const target = { host, medium, options };
    const report = await (await datasets()).changeVolume(target, "rename", { name, to });
    await print(host, options, report, (made) => `renamed to ${made.volume}\n`);
  });
  examples(
    changing(volume.command("set <medium> <name> <properties...>"))
      .description("change properties of a volume")
      .addHelpText("after", PROPERTIES_TEXT),
    ["volume set vault.sv photos readonly=on", "volume set vault.sv photos quota=none"],
  ).action(async (medium: string, name: string, list: string[], options: Options) => {
    const target = { host, medium, options };
    const properties = { name, ...parseProperties(list.join(",")) };
    const report = await (await datasets()).changeVolume(target, "set", properties);
    await print(host, options, report, (made) => `changed volume ${made.volume}\n`);
  });
  examples(
    asking(volume.command("delete <medium> <name>"))
      .description("delete a volume with its snapshots; clones of them stay"),
    ["volume delete vault.sv scratch", "volume delete /mnt/vault scratch --yes"],
  ).action(async (medium: string, name: string, options: YesOptions) => {
    const report = await (await datasets()).deleteVolume({ host, medium, options }, name, options);
    await print(host, options, report, (made) => `deleted volume ${made.volume}\n`);
  });
}

const VIEW_TEXT = `
The medium may name a volume: vault.sv#photos.`;

function addSnapshotLists(snapshot: Command, host: Host): void {
  examples(
    printing(opening(snapshot.command("list <medium>")))
      .description("list snapshots, with the space that each has alone and shares")
      .addHelpText("after", VIEW_TEXT),
    ["snapshot list vault.sv", "snapshot list vault.sv#photos --json"],
  ).action(async (medium: string, options: Options) => {
    const list = await (await datasets()).listSnapshots({ host, medium, options });
    const { snapshotsText } = await rows();
    const now = host.runtime.now();
    await print(host, options, list, (value, style) => snapshotsText(value, { style, now }));
  });
  examples(
    printing(opening(snapshot.command("diff <medium> <from> [to]")))
      .description("what was added (A), deleted (D), modified (M), renamed (R)")
      .addHelpText("after", `${VIEW_TEXT}\nWithout a second snapshot: what is there now.`),
    ["snapshot diff vault.sv monday tuesday", "snapshot diff /mnt/vault monday"],
  ).action(async (medium: string, from: string, to: string | undefined, options: Options) => {
    const changes = await (await datasets()).diffSnapshots({ host, medium, options }, from, to);
    await print(host, options, changes, (await rows()).changesText);
  });
}

function addSnapshotChanges(snapshot: Command, host: Host): void {
  examples(
    changing(snapshot.command("create <medium> <name>"))
      .description("keep what a volume holds now; takes no space yet")
      .addHelpText("after", VIEW_TEXT),
    ["snapshot create vault.sv monday", "snapshot create /mnt/vault before-upgrade"],
  ).action(async (medium: string, name: string, options: Options) => {
    const report = await (await datasets()).createSnapshot({ host, medium, options }, name);
    await print(host, options, report, (made) => `made snapshot ${made.volume}@${made.snapshot}\n`);
  });
  examples(
    asking(snapshot.command("delete <medium> <name>"))
      .description("delete a snapshot; clones of it stay")
      .addHelpText("after", VIEW_TEXT),
    ["snapshot delete vault.sv monday", "snapshot delete vault.sv#photos monday --yes"],
  ).action(async (medium: string, name: string, options: YesOptions) => {
    const target = { host, medium, options };
    const report = await (await datasets()).deleteSnapshot(target, name, options);
    const text = (made: typeof report) => `deleted snapshot ${made.volume}@${made.snapshot}\n`;
    await print(host, options, report, text);
  });
  examples(
    asking(snapshot.command("rollback <medium> <name>"))
      .description("take a volume back to a snapshot; later snapshots stay")
      .addHelpText("after", VIEW_TEXT),
    ["snapshot rollback vault.sv monday", "snapshot rollback /mnt/vault before-upgrade --yes"],
  ).action(async (medium: string, name: string, options: YesOptions) => {
    const report = await (await datasets()).rollBack({ host, medium, options }, name, options);
    const text = (made: typeof report) => `${made.volume} is as in ${made.snapshot} again\n`;
    await print(host, options, report, text);
  });
  examples(
    changing(snapshot.command("clone <medium> <name> <volume>"))
      .description("make a volume that holds what a snapshot holds, without a copy")
      .addHelpText("after", VIEW_TEXT),
    ["snapshot clone vault.sv monday experiment"],
  ).action(async (medium: string, name: string, to: string, options: Options) => {
    const report = await (await datasets()).cloneSnapshot({ host, medium, options }, name, to);
    await print(host, options, report, (made) => `made volume ${made.volume}\n`);
  });
}

type PruneOptions = YesOptions & { readonly keep: string; readonly dryRun?: boolean };

function addPrune(snapshot: Command, host: Host): void {
  examples(
    asking(snapshot.command("prune <medium>"))
      .description("delete the snapshots that a rule does not keep")
      .addOption(
        new Option(
          "--keep <rule>",
          "the newest (last=5), and the newest of so many hours, days, …",
        ).argParser(ruleArgument).makeOptionMandatory(),
      )
      .option("--dry-run", "only say what would go")
      .addHelpText("after", VIEW_TEXT),
    [
      "snapshot prune vault.sv --keep hourly=24,daily=7,weekly=4,monthly=12,yearly=3,last=5",
      "snapshot prune vault.sv#photos --keep daily=7 --dry-run",
    ],
  ).action(async (medium: string, options: PruneOptions) => {
    const { keep } = options;
    const report = await (await datasets()).prune({ host, medium, options }, keep, options);
    const { pruneText } = await rows();
    const isPlan = options.dryRun === true;
    await print(host, options, report, (value) => pruneText(value, isPlan));
  });
}

/** A rule of retention, as it is typed. */
export function ruleArgument(text: string): string {
  return argument(() => {
    parseRetention(text);
    return text;
  });
}

function propertiesArgument(text: string): ControlOptions {
  return argument(() => parseProperties(text));
}

function argument<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof VaultError) throw new InvalidArgumentError(error.message);
    throw error;
  }
}

const PROPERTY_NAMES =
  "quota, quota-files, readonly, access-times, compression, block-size, history or history-space";

const PROPERTIES_TEXT = `
Properties:
  quota=10G           bytes that it may take; quota=none for no limit
  quota-files=50000   inodes that it may have; quota-files=none
  readonly=on         no file in it can be changed, from when it is opened next;
                      undo, rollback and receive still replace all of it; readonly=off
  access-times=${ACCESS_TIMES.join(" or ")}
  compression=${COMPRESSIONS.join(" or ")}
                      of what is written from now on
  block-size=64K      of data blocks, 4K to 1M; only when a volume is made
  history=1h          how far back undo reaches; history=off
  history-space=10%   of the vault's space that it may take`;

/** Reads `quota=10G,readonly=on`. */
export function parseProperties(text: string): ControlOptions {
  const parts = text.split(",").map((part) => part.trim());
  return Object.assign({}, ...parts.map(parseProperty));
}

function parseProperty(part: string): ControlOptions {
  const cut = part.indexOf("=");
  const [name, value] = [part.slice(0, cut), part.slice(cut + 1)];
  const isSwitch = value === "on" || value === "off";
  if (name === "quota") return { quotaBytes: value === "none" ? 0 : parseSize(value) };
  if (name === "quota-files" && value === "none") return { quotaFiles: 0 };
  if (name === "quota-files" && /^\d{1,15}$/.test(value)) return { quotaFiles: Number(value) };
  if (name === "block-size") return { blockBytes: parseSize(value) };
  if (name === "readonly" && isSwitch) return { readOnly: value === "on" };
  const accessTimes = ACCESS_TIMES.find((known) => known === value);
  if (name === "access-times" && accessTimes !== undefined) return { accessTimes };
  const compression = COMPRESSIONS.find((known) => known === value);
  if (name === "compression" && compression !== undefined) return { compression };
  if (name === "history") {
    return { historySeconds: value === "off" ? 0 : Math.ceil(parseDuration(value) / 1000) };
  }
  const [, percent] = /^(\d{1,3})%$/.exec(value) ?? [];
  if (name === "history-space" && percent !== undefined) return { historyPercent: Number(percent) };
  throw new VaultError(
    "invalid",
    `Cannot set "${part}": want ${PROPERTY_NAMES}, as in "quota=10G"`,
  );
}
