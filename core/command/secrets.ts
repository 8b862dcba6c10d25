/**
 * Where secrets come from: a prompt, a file, an open descriptor. Never from arguments or the environment, which others can
 * see.
 *
 * @module
 */
import { KDF_ORDER, type KdfProfileName } from "../crypto/argon2.ts";
import type { Secret } from "../crypto/key_encryption.ts";
import { VaultError } from "../errors.ts";
import { statOrNull } from "./copy_tree.ts";
import { KIB } from "../limits.ts";
import type { Host } from "./host.ts";
import { askSecret, askSecretTwice } from "./terminal/prompt.ts";

const SECRET_FILE_BYTES_MAX = 64 * KIB;
const READABLE_BY_OTHERS = 0o044;
const NEWLINE = 10;
const RETURN = 13;

/** What the options of a verb say about the secret. */
export interface SecretOptions {
  readonly passphraseFile?: string;
  readonly passphraseFd?: number;
  readonly recoveryCodeFile?: string;
  readonly device?: boolean;
  /** The only profile to try. */
  readonly kdf?: KdfProfileName;
}

/** Where a new passphrase comes from. */
export interface NewSecretOptions {
  readonly newPassphraseFile?: string;
  readonly newPassphraseFd?: number;
}

/** What verbs that write to an outer vault are told about a hidden one. */
export interface ProtectOptions {
  readonly protectHidden?: boolean;
  readonly hiddenPassphraseFile?: string;
  readonly hiddenPassphraseFd?: number;
}

/** Saying where its passphrase is says it too. */
export function wantsProtection(options: ProtectOptions): boolean {
  const { protectHidden, hiddenPassphraseFile, hiddenPassphraseFd } = options;
  return protectHidden === true || hiddenPassphraseFile !== undefined ||
    hiddenPassphraseFd !== undefined;
}

/** The passphrase of a hidden vault that is to be protected. The caller wipes it. */
export async function hiddenSecretFor(
  host: Host,
  medium: string,
  { hiddenPassphraseFile, hiddenPassphraseFd }: ProtectOptions,
): Promise<Secret> {
  const source = hiddenPassphraseFile ?? hiddenPassphraseFd;
  if (source !== undefined) return { passphrase: await readSecret(host, source) };
  return { passphrase: await askSecret(host, `Passphrase of the hidden vault in "${medium}": `) };
}

/** A passphrase from a file or a descriptor, else typed. The caller wipes it. */
export async function readPassphrase(
  host: Host,
  source: string | number | undefined,
  question: string,
): Promise<Uint8Array> {
  return source === undefined ? await askSecret(host, question) : await readSecret(host, source);
}

/** The secret that opens a vault. The caller wipes it with {@linkcode wipeSecret}. */
export async function secretFor(
  host: Host,
  medium: string,
  options: SecretOptions,
): Promise<Secret> {
  const { passphraseFile, passphraseFd, recoveryCodeFile, device } = options;
  const sources = [passphraseFile, passphraseFd, recoveryCodeFile, device || undefined];
  if (sources.filter((source) => source !== undefined).length > 1) {
    throw new VaultError("invalid", "Cannot use several secrets at once: give one");
  }
  if (device === true) return { device: true };
  if (recoveryCodeFile !== undefined) {
    return { recoveryCode: await readSecret(host, recoveryCodeFile) };
  }
  const source = passphraseFile ?? passphraseFd;
  if (source !== undefined) return { passphrase: await readSecret(host, source) };
  const passphrase = await askSecret(host, `Passphrase of "${medium}": `);
  if (passphrase.length > 0) return { passphrase };
  throw new VaultError("denied", `Cannot open "${medium}": no passphrase was typed`);
}

/** A passphrase for something new: from a file or descriptor, else typed twice. */
export async function newPassphrase(
  host: Host,
  source: string | number | undefined,
  what: string,
): Promise<Uint8Array> {
  const passphrase = source === undefined
    ? await askSecretTwice(host, what)
    : await readSecret(host, source);
  await warnOfReturn(host, passphrase);
  if (passphrase.length > 0) return passphrase;
  throw new VaultError("invalid", "Cannot use an empty passphrase: choose a longer one");
}

/** Overwrites the bytes of a secret. */
export function wipeSecret(secret: Secret): void {
  if ("passphrase" in secret) secret.passphrase.fill(0);
  if ("recoveryCode" in secret) secret.recoveryCode.fill(0);
}

/** The profiles to try. */
export function profilesOf({ kdf }: SecretOptions): readonly KdfProfileName[] {
  return kdf === undefined ? KDF_ORDER : [kdf];
}

/** The secret in a file or an open descriptor; one newline at the end belongs to the editor that wrote it. The caller wipes it. */
export async function readSecret(host: Host, source: string | number): Promise<Uint8Array> {
  if (typeof source === "string") await warnOfReaders(host, source);
  const bytes = await host.readSmall(source, SECRET_FILE_BYTES_MAX + 1);
  if (bytes.length > SECRET_FILE_BYTES_MAX) {
    bytes.fill(0);
    throw new VaultError("invalid", "Cannot use a secret of more than 64 KiB: name another file");
  }
  const length = bytes.at(-1) === NEWLINE ? bytes.length - 1 : bytes.length;
  const secret = bytes.slice(0, length);
  bytes.fill(0);
  return secret;
}

/** Who types it later cannot type that. */
async function warnOfReturn({ err }: Host, secret: Uint8Array): Promise<void> {
  if (secret.at(-1) !== RETURN) return;
  await err.write(
    "sigmavault: warning: the new passphrase ends with a carriage return, as editors on Windows write it; " +
      "typed without it, it opens nothing\n",
  );
}

/** What a path leads to; a symlink that leads nowhere is itself, as one to a pipe is. */
async function targetOf(host: Host, path: string): Promise<{ mode: number; kind: string }> {
  const stat = await host.local.stat(path);
  if (stat.kind !== "symlink") return stat;
  const target = await statOrNull(host.local, await host.canonical(path).catch(() => path));
  return target ?? stat;
}

async function warnOfReaders(host: Host, path: string): Promise<void> {
  const { mode, kind } = await targetOf(host, host.absolute(path));
  if (kind === "file" && (mode & READABLE_BY_OTHERS) !== 0) {
    await host.err.write(
      `sigmavault: warning: others can read "${path}"; run "chmod 600" on it\n`,
    );
  }
}
