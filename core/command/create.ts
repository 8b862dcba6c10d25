import type { KdfProfileName } from "../crypto/argon2.ts";
import type { Secret } from "../crypto/key_encryption.ts";
import { type Stretched, stretchUnder, wipeAhead } from "../crypto/stretched.ts";
import { VaultError } from "../errors.ts";
import { SALT_BYTES } from "../format/header.ts";
import type { Redundancy } from "../format/redundancy.ts";
import { statOrNull } from "./copy_tree.ts";
import type { NodeKind } from "./file_tree.ts";
import type { CryptoLaneName, Host } from "./host.ts";
import type { MadeReport, MakeInputs, MakeOrder } from "./make_vault.ts";
import { blockBytesFor } from "./redundancy_option.ts";
import { newPassphrase, wipeSecret } from "./secrets.ts";
import { formatSize } from "./sizes.ts";
import { printable } from "./terminal/colours.ts";
import { interruptible } from "./terminal/interruption.ts";
import { progressOn } from "./terminal/progress.ts";
import { confirm } from "./terminal/prompt.ts";

/** What `create` is told. */
export interface CreateOptions {
  readonly mode: "user" | "device" | "hybrid";
  readonly kdf: KdfProfileName;
  readonly dense: boolean;
  readonly sizeBytes?: number;
  readonly blockBytes?: number;
  readonly redundancy?: Redundancy;
  readonly label?: string;
  readonly recoveryCode: boolean;
  readonly force: boolean;
  readonly yes: boolean;
  readonly passphraseFile?: string;
  readonly passphraseFd?: number;
  readonly cryptoLane: CryptoLaneName;
  /** False: this device does not remember the vault. */
  readonly memory?: boolean;
}

/** A symlink is followed. */
const MEDIUM_KINDS: readonly NodeKind[] = ["file", "block-device", "symlink"];

/** What was made. */
export interface CreateReport {
  readonly medium: string;
  readonly mediumBytes: number;
  readonly dense: boolean;
  readonly mode: string;
  /** Shown once. */
  readonly recoveryCode?: string;
}

/** What is known of a vault before it is made: nothing has to be asked any more. */
export interface AskedVault {
  /** As it was typed. */
  readonly medium: string;
  /** The same, absolute. */
  readonly name: string;
  /** Nothing was there, so that what this program begins is its own to remove. */
  readonly isNew: boolean;
  readonly blockBytes: number;
  readonly options: CreateOptions;
  /** Wiped by whoever makes the vault. */
  readonly secret: Secret;
}

/** A vault whose keys are being derived. */
export interface BegunVault {
  readonly order: MakeOrder;
  /** Wiped by whoever makes the vault. */
  readonly stretched: Promise<readonly Stretched[]>;
}

/** Makes a vault on a medium. */
export async function create(
  host: Host,
  medium: string,
  options: CreateOptions,
): Promise<CreateReport> {
  const asked = await askForVault(host, medium, options);
  const { order, stretched } = beginVault(host, asked);
  const { secret } = asked;
  const bar = progressOn(host.err, host.runtime);
  const progress = (done: number, total: number) => bar.show(done, total, "noise");
  const beginning = new Beginning();
  const begun = () => beginning.happened();
  const make = (made: () => void) =>
    beginning.of(makeAndClose(host, asked, order, { secret, stretched, progress, begun, made }));
  try {
    return reportOf(asked, await interruptible(host, make));
  } catch (error) {
    if (await beginning.hasHappened()) await removeUnfinished(host, asked);
    throw error;
  } finally {
    await bar.clear();
    wipeSecret(secret);
    void wipeAhead(stretched);
  }
}

/** What makes a vault is loaded while its keys are being derived. */
async function makeAndClose(
  host: Host,
  { name, isNew, options: { cryptoLane, force } }: AskedVault,
  order: MakeOrder,
  { begun, made, ...inputs }: MakeInputs & { begun(): void; made(): void },
): Promise<MadeReport> {
  const { makeVault } = await import("./make_vault.ts");
  const how = { access: "create", cryptoLane, overwrite: force, isNew, begun } as const;
  const parts = await host.openParts(name, how);
  try {
    const { vault, report } = await makeVault(parts, order, inputs);
    made();
    await vault.close();
    return report;
  } finally {
    await parts.closeParts();
  }
}

/** Whether a medium was made: only then is it ours to remove. */
export class Beginning {
  #isThere = false;
  readonly #over = Promise.withResolvers<void>();

  /** Watches what is to make it. */
  of<T>(work: Promise<T>): Promise<T> {
    void work.catch(() => {}).then(() => this.#over.resolve());
    return work;
  }

  happened(): void {
    this.#isThere = true;
    this.#over.resolve();
  }

  /** Waits until it has happened or will not any more: who is interrupted has left the work to itself. */
  async hasHappened(): Promise<boolean> {
    await this.#over.promise;
    return this.#isThere;
  }
}

/** What is told about a vault that was made. */
export function reportOf({ medium, options }: AskedVault, made: MadeReport): CreateReport {
  const { dense, mode } = options;
  return { medium, mediumBytes: made.mediumBytes, dense, mode, recoveryCode: made.recoveryCode };
}

/** A vault that was begun and is not finished opens with no passphrase, and would be in the way of the next try. */
export async function removeUnfinished(host: Host, { name, isNew }: AskedVault): Promise<void> {
  const path = host.pathOf(name);
  const left = (why: string) =>
    host.err.write(`sigmavault: warning: "${path ?? name}" is left, unfinished: ${why}\n`);
  if (!isNew || path === null) {
    if (name !== "memory:") await left("to make a vault there after all, use --force");
    return;
  }
  try {
    await host.local.remove(path);
  } catch (error) {
    if (!(error instanceof VaultError)) throw error;
    if (error.kind !== "missing") await left(error.message);
  }
}

/** Asks for everything that a vault takes, and writes nothing. */
export async function askForVault(
  host: Host,
  medium: string,
  options: CreateOptions,
): Promise<AskedVault> {
  const name = host.absolute(medium);
  const blockBytes = blockBytesFor(options);
  const isNew = await allowOverwriting(host, name, options) === "nothing there";
  const secret = await newSecret(host, options);
  return { medium, name, isNew, blockBytes, options, secret };
}

/** Begins what takes longest, deriving the keys. */
export function beginVault(
  { runtime, owner }: Pick<Host, "runtime" | "owner">,
  { secret, blockBytes, options }: AskedVault,
): BegunVault {
  const { mode, kdf, label, dense, sizeBytes, redundancy, recoveryCode, memory } = options;
  const salts = [new Uint8Array(SALT_BYTES), new Uint8Array(SALT_BYTES)] as const;
  for (const salt of salts) runtime.random(salt);
  const stretched = "passphrase" in secret
    ? stretchUnder(salts, secret.passphrase, kdf)
    : Promise.resolve([]);
  const shape = { mode, kdf, label, dense, sizeBytes, blockBytes, redundancy };
  return { order: { ...shape, recoveryCode, memory, salts, owner: owner() }, stretched };
}

async function newSecret(host: Host, options: CreateOptions): Promise<Secret> {
  const { mode, passphraseFile, passphraseFd } = options;
  if (mode === "device") return { device: true };
  return {
    passphrase: await newPassphrase(host, passphraseFile ?? passphraseFd, "New passphrase"),
  };
}

/** An existing file with anything in it is only overwritten when a person says so. */
async function allowOverwriting(
  host: Host,
  name: string,
  options: CreateOptions,
): Promise<"nothing there" | "overwrite"> {
  const path = host.pathOf(name);
  if (path === null) {
    if (options.force) await agreeTo(host, name, "maybe in use", options);
    return "overwrite";
  }
  const stat = await statOrNull(host.local, path);
  if (stat === null) return "nothing there";
  if (!MEDIUM_KINDS.includes(stat.kind)) {
    throw new VaultError(
      "invalid",
      `Cannot create a vault on "${name}": it is a ${stat.kind}; name a file or a block device`,
    );
  }
  const isDevice = stat.kind === "block-device";
  if (stat.kind === "file" && stat.bytes === 0) return "overwrite";
  const what = isDevice ? "a device" : `a file of ${formatSize(stat.bytes)}`;
  if (!options.force) {
    throw new VaultError(
      "conflict",
      `Cannot create a vault on "${name}": it is ${what} already; use --force to overwrite it`,
    );
  }
  await agreeTo(host, name, what, options);
  return "overwrite";
}

/** Somebody says that what is there may be lost. */
async function agreeTo(
  host: Host,
  name: string,
  what: string,
  { yes }: CreateOptions,
): Promise<void> {
  if (yes || await confirm(host, `"${name}" is ${what}. Overwrite it?`)) return;
  throw new VaultError(
    "conflict",
    `Cannot create a vault on "${name}": nobody agreed; confirm at the question, or use --yes`,
  );
}

/** For people. */
export function createText(report: CreateReport): string {
  const { medium, mediumBytes, mode, recoveryCode } = report;
  let text = `created ${printable(medium)}: ${formatSize(mediumBytes)}, opened by ${
    mode === "user" ? "its passphrase" : mode === "device" ? "this device" : "passphrase and device"
  }\n`;
  if (recoveryCode !== undefined) {
    text += `recovery code, shown only now: ${recoveryCode}\nprint it and keep it apart\n`;
  }
  return text;
}
