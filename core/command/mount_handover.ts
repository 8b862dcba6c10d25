/**
 * How `mount --background` hands secrets to the process that serves: through its standard input, never by arguments.
 *
 * @module
 */
import { concat } from "../bytes.ts";
import type { Secret } from "../crypto/key_encryption.ts";
import { HIDDEN_PLACE_BYTES } from "../format/hidden_place.ts";
import { KIB } from "../limits.ts";
import type { Host, MountOrder } from "./host.ts";

const NEWLINE = new Uint8Array([10]);
const HANDED_BYTES_MAX = 128 * KIB;
const STDIN = 0;
const STDIN_PATH = "/dev/stdin";

/** Arguments that say what comes through standard input. */
export function handoverArguments({ secret, protect }: MountOrder): string[] {
  return [...protect === undefined ? [] : ["--protect-place"], ...handedSecretArguments(secret)];
}

/** The same for a secret alone. */
export function handedSecretArguments(secret: Secret): string[] {
  if ("device" in secret) return ["--device"];
  if ("passphrase" in secret) return ["--passphrase-fd", `${STDIN}`];
  return ["--recovery-code-file", STDIN_PATH];
}

/** What goes there: the place of the hidden vault, then the secret. The caller wipes it. */
export function handoverBytes({ secret, protect }: MountOrder): Uint8Array<ArrayBuffer> {
  const handed = handedSecret(secret);
  const both = concat(protect ?? new Uint8Array(0), handed);
  handed.fill(0);
  return both;
}

/** A secret, with a newline behind it, because a reader drops one. The caller wipes it. */
export function handedSecret(secret: Secret): Uint8Array<ArrayBuffer> {
  if ("passphrase" in secret) return concat(secret.passphrase, NEWLINE);
  return "recoveryCode" in secret ? concat(secret.recoveryCode, NEWLINE) : new Uint8Array(0);
}

/** Takes the place from standard input; the host that is returned has what follows there. */
export async function takePlace(host: Host): Promise<{ host: Host; protect: Uint8Array }> {
  const all = await host.readSmall(STDIN, HANDED_BYTES_MAX);
  const protect = all.slice(0, HIDDEN_PLACE_BYTES);
  const rest = all.slice(HIDDEN_PLACE_BYTES);
  all.fill(0);
  const readSmall: Host["readSmall"] = (source, bytesMax) =>
    source === STDIN || source === STDIN_PATH
      ? Promise.resolve(rest)
      : host.readSmall(source, bytesMax);
  return { host: { ...host, readSmall }, protect };
}
