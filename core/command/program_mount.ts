import { type Command, Option } from "commander";
import type { KdfProfileName } from "../crypto/argon2.ts";
import { VaultError } from "../errors.ts";
import { encodeHiddenPlace } from "../format/hidden_place.ts";
import { statOrNull } from "./copy_tree.ts";
import type { CryptoLaneName, Host, MountOrder } from "./host.ts";
import type { MountReport } from "./mount.ts";
import { handoverArguments, handoverBytes, takePlace } from "./mount_handover.ts";
import type { ProgramParts } from "./program.ts";
import { scrubEvery, scrubEveryArgument } from "./program_scrub.ts";
import type { MemoryOptions } from "./open.ts";
import { examples, opening, printing, protecting, sizeArgument } from "./program_options.ts";
import { ruleArgument } from "./program_volumes.ts";
import { parseSize } from "./sizes.ts";
import { splitVaultName } from "./vault_name.ts";
import {
  type ProtectOptions,
  secretFor,
  type SecretOptions,
  wantsProtection,
  wipeSecret,
} from "./secrets.ts";
import { print, type PrintOptions } from "./terminal/print.ts";

interface MountFlags extends SecretOptions, ProtectOptions, MemoryOptions, PrintOptions {
  readonly readOnly?: boolean;
  readonly allowOther?: boolean;
  readonly noatime?: boolean;
  /** Milliseconds from one to the next. */
  readonly scrub?: number;
  /** Bytes in a second. */
  readonly rescatter?: number;
  readonly listSnapshots?: boolean;
  readonly allVolumes?: boolean;
  readonly keep?: string;
  readonly idlePolling?: boolean;
  readonly background?: boolean;
  /** This process was started by `--background`: it says in JSON how mounting went. */
  readonly reportReady?: boolean;
  /** Likewise: the place of the hidden vault comes before the secret. */
  readonly protectPlace?: boolean;
  readonly option?: readonly string[];
  readonly cryptoLane: CryptoLaneName;
  readonly kdf?: KdfProfileName;
}

interface UmountFlags extends PrintOptions {
  readonly force?: boolean;
  readonly commit?: boolean;
  readonly rollback?: boolean;
}

/** mount, umount, mount-helper. */
export function addMountVerbs(program: Command, parts: ProgramParts): void {
  const { host } = parts;
  examples(
    mountFlags(printing(protecting(opening(program.command("mount <medium> <mountpoint>")))))
      .description("mount the vault as a directory; Ctrl-C unmounts"),
    [
      "mount vault.sv /mnt/vault",
      "mount vault.sv /mnt/vault --background --passphrase-file pass.txt",
      "mount vault.sv#photos /mnt/photos --keep hourly=24,daily=7",
      "mount vault.sv /mnt/vault --all-volumes",
      "mount vault.sv /mnt/vault --read-only -o nodev,nosuid",
    ],
  ).action(async (medium: string, mountpoint: string, flags: MountFlags) => {
    await mount(parts, { medium, mountpoint, flags });
  });
  examples(
    printing(program.command("umount <mountpoint>"))
      .description("unmount a vault and wait until everything is written")
      .option("--force", "cut it off: what was not synced is lost")
      .addOption(new Option("--commit", "commit an open transaction first").conflicts("rollback"))
      .option("--rollback", "roll an open transaction back first"),
    ["umount /mnt/vault", "umount /mnt/vault --rollback"],
  ).action(async (mountpoint: string, options: UmountFlags) => {
    const { umount } = await import("./umount.ts");
    const transaction = options.commit ? "commit" : options.rollback ? "rollback" : null;
    const how = { force: options.force === true, transaction } as const;
    const report = await umount(host, host.absolute(mountpoint), how);
    const words = { unmounted: "unmounted", cleaned: "cleaned up the dead mount on" };
    await print(host, options, report, (made) => `${words[made.state]} ${made.mountpoint}\n`);
  });
  program.command("mount-helper <source> <target>", { hidden: true })
    .description("what mount(8) calls: mount.sigmavault SOURCE TARGET -o OPTIONS")
    .option("-o <options>", "as in fstab", collect, [])
    .option("-n").option("-s").option("-v").option("-f").option("-t <type>").option(
      "-N <namespace>",
    )
    .action(async (medium: string, mountpoint: string, { o, f }: { o: string[]; f?: true }) => {
      if (f) return; // mount(8) wants all but the mount itself
      const flags: MountFlags = { background: true, cryptoLane: "wasm", option: o };
      await mount(parts, { medium, mountpoint, flags });
    });
}

function mountFlags(command: Command): Command {
  return command
    .option("--background", "return when it is mounted; unmount with sigmavault umount")
    .option("--read-only", "nothing can be changed")
    .option("--allow-other", "other users may enter")
    .option("--noatime", "reading does not change access times")
    .option("--scrub <often>", "daily, weekly, monthly, or a time like 36h", scrubEveryArgument)
    .option("--rescatter <size>", "bytes written anew elsewhere in each idle second", sizeArgument)
    .addOption(
      command.createOption(
        "--keep <rule>",
        "make snapshots by itself, and keep hourly=24,daily=7,…",
      ).argParser(ruleArgument),
    )
    .option("--list-snapshots", "show .snapshots in listings; it is there in any case")
    .option("--all-volumes", "show each volume as a directory")
    .option("--no-idle-polling", "let processors of a virtual machine sleep between small requests")
    .option("-o, --option <options>", "options as mount(8) takes them", collect, [])
    .helpOption("-h, --help", "print this help")
    .addOption(command.createOption("--report-ready").hideHelp())
    .addOption(command.createOption("--protect-place").hideHelp());
}

function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}

interface MountCall {
  readonly medium: string;
  readonly mountpoint: string;
  readonly flags: MountFlags;
}

async function mount(parts: ProgramParts, call: MountCall): Promise<void> {
  const { host } = parts;
  const { prepareMount, mountText, parseMountOptions, serveMount } = await import("./mount.ts");
  const given = parseMountOptions(call.flags.option ?? []);
  const { cryptoLane, ...shared } = given;
  const flags = {
    ...call.flags,
    readOnly: call.flags.readOnly === true || shared.readOnly,
    allowOther: call.flags.allowOther === true || shared.allowOther,
    noatime: call.flags.noatime === true || shared.noatime,
    idlePolling: call.flags.idlePolling !== false && shared.idlePolling,
    listSnapshots: call.flags.listSnapshots === true || shared.listSnapshots,
    allVolumes: call.flags.allVolumes === true || shared.allVolumes,
    device: call.flags.device ?? (shared.device || undefined),
    passphraseFile: call.flags.passphraseFile ?? shared.passphraseFile,
    recoveryCodeFile: call.flags.recoveryCodeFile ?? shared.recoveryCodeFile,
    cryptoLane: laneOf(cryptoLane) ?? call.flags.cryptoLane,
    scrub: call.flags.scrub ?? (shared.scrub === undefined ? undefined : scrubEvery(shared.scrub)),
  };
  const mountpoint = host.absolute(call.mountpoint);
  await prepareMount(host, mountpoint);
  const { medium, view } = await splitVaultName(host, call.medium);
  if (flags.allVolumes) requireNoVolume(view, flags.keep);
  await requireMedium(host, host.absolute(medium));
  const order: MountOrder = {
    ...flags,
    scrubEveryMs: flags.scrub,
    rescatterBytes: call.flags.rescatter ??
      (shared.rescatter === undefined ? undefined : parseSize(shared.rescatter)),
    medium: host.absolute(medium),
    volume: view ?? undefined,
    mountpoint,
    extra: given.extra,
    ...await secretsFor(host, medium, flags),
  };
  if (flags.background === true) {
    try {
      const report = await inBackground(parts, order) as MountReport;
      return await print(host, flags, report, mountText);
    } finally {
      wipeSecret(order.secret);
      order.protect?.fill(0);
    }
  }
  await serveMount(host, order, {
    ready: async (report) => {
      const wrapped = flags.reportReady === true ? { ready: report } : report;
      const json = flags.json === true || flags.reportReady === true;
      if (json) return await host.out.write(JSON.stringify(wrapped) + "\n");
      await print(host, flags, report, mountText);
    },
    warn: (message) => void host.err.write(`sigmavault: ${message}\n`),
  });
}

/** What is about one volume does not go with all. */
function requireNoVolume(view: string | null, keep: string | undefined): void {
  if (view === null && keep === undefined) return;
  const what = view === null ? '"--keep"' : `volume "${view}"`;
  throw new VaultError("invalid", `Cannot mount all volumes with ${what}: leave one of both away`);
}

/** Nothing of the engine is loaded here where nothing is protected. */
async function protectedPlace(
  host: Host,
  medium: string,
  flags: MountFlags,
): Promise<Uint8Array | undefined> {
  if (!wantsProtection(flags)) return undefined;
  const { placeToProtect } = await import("./protect.ts");
  const parts = await host.openParts(host.absolute(medium), {
    access: "read",
    cryptoLane: flags.cryptoLane,
  });
  try {
    const place = await placeToProtect(host, parts, flags);
    const bytes = place && encodeHiddenPlace(place);
    place?.orderKey.fill(0);
    return bytes;
  } finally {
    await parts.closeParts();
  }
}

/** The secret, and where the hidden vault lies that is to be protected. */
async function secretsFor(
  host: Host,
  medium: string,
  flags: MountFlags,
): Promise<Pick<MountOrder, "secret" | "protect">> {
  if (flags.protectPlace !== true) {
    const secret = await secretFor(host, medium, flags);
    return { secret, protect: await protectedPlace(host, medium, flags) };
  }
  const handed = await takePlace(host);
  return { secret: await secretFor(handed.host, medium, flags), protect: handed.protect };
}

/** Who mistypes a name is told before a passphrase is asked for. */
async function requireMedium(host: Host, medium: string): Promise<void> {
  const path = host.pathOf(medium);
  if (path === null || await statOrNull(host.local, path) !== null) return;
  throw new VaultError("missing", `Cannot open "${path}": no such file`);
}

function laneOf(name: string | undefined): CryptoLaneName | undefined {
  if (name === undefined || name === "wasm" || name === "native") return name;
  throw new VaultError("invalid", `Cannot use crypto lane "${name}": want wasm or native`);
}

/** The same mount in a process of its own; the secret goes through its standard input. */
async function inBackground(parts: ProgramParts, order: MountOrder): Promise<unknown> {
  const volume = order.volume === undefined ? "" : `#${order.volume}`;
  const args = ["mount", order.medium + volume, order.mountpoint, "--report-ready"];
  args.push("--crypto-lane", order.cryptoLane);
  if (order.kdf !== undefined) args.push("--kdf", order.kdf);
  if (order.readOnly) args.push("--read-only");
  if (order.allowOther) args.push("--allow-other");
  if (order.noatime) args.push("--noatime");
  if (order.idlePolling === false) args.push("--no-idle-polling");
  if (order.scrubEveryMs !== undefined) args.push("--scrub", `${order.scrubEveryMs / 1000}s`);
  if (order.rescatterBytes !== undefined) args.push("--rescatter", `${order.rescatterBytes}`);
  if (order.listSnapshots) args.push("--list-snapshots");
  if (order.allVolumes === true) args.push("--all-volumes");
  if (order.keep !== undefined) args.push("--keep", order.keep);
  if (order.acceptRollback === true) args.push("--accept-rollback");
  if (order.memory === false) args.push("--no-memory");
  for (const option of order.extra) args.push("-o", option);
  args.push(...handoverArguments(order));
  const bytes = handoverBytes(order);
  try {
    return await parts.startInBackground(args, bytes);
  } finally {
    bytes.fill(0);
  }
}
