/**
 * Recovery codes: 160 random bits that a person can print and type again, in Crockford's base32 with a
 * 20-bit checksum: six groups of six. Typing is lenient: case, spaces and dashes do not matter, O reads
 * as 0, I and L read as 1.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { assert } from "../assert.ts";
import { equalConstantTime, wipe } from "../bytes.ts";
import { VaultError } from "../errors.ts";

/** Random bytes of a code: strong enough to need no stretching. */
export const RECOVERY_BYTES = 20;

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const SYMBOLS = 36; // 32 carry the bytes, 4 the checksum
const GROUP_SYMBOLS = 6;
const CHECKSUM_LABEL = new TextEncoder().encode("sigmavault 1 recovery code");
const DASH = 0x2d;
const BLANKS = [0x20, 0x09, 0x0a, 0x0d, DASH];

/** The printable form, as ASCII bytes that can be wiped: `XXXXXX-XXXXXX-…`. */
export function printRecoveryCode(secret: Uint8Array): Uint8Array<ArrayBuffer> {
  assert(secret.length === RECOVERY_BYTES, "a recovery secret has 20 bytes");
  const checked = withChecksum(secret);
  const text = new Uint8Array(SYMBOLS + SYMBOLS / GROUP_SYMBOLS - 1);
  let at = 0;
  for (let symbol = 0; symbol < SYMBOLS; symbol++) {
    if (symbol > 0 && symbol % GROUP_SYMBOLS === 0) text[at++] = DASH;
    text[at++] = ALPHABET.charCodeAt(readSymbol(checked, symbol));
  }
  wipe(checked);
  return text;
}

/** Reads a typed code. Throws `invalid` where it cannot be one, so that a typing error is told apart at once. */
export function parseRecoveryCode(text: Uint8Array): Uint8Array<ArrayBuffer> {
  const symbols = new Uint8Array(SYMBOLS);
  try {
    readSymbols(text, symbols);
    return checkedSecret(symbols);
  } finally {
    wipe(symbols);
  }
}

function readSymbols(text: Uint8Array, symbols: Uint8Array): void {
  let count = 0;
  for (const byte of text) {
    if (BLANKS.includes(byte)) continue;
    const value = symbolValue(byte);
    if (value < 0 || count === SYMBOLS) throw unreadable("it has 36 letters and digits");
    symbols[count++] = value;
  }
  if (count !== SYMBOLS) throw unreadable("it has 36 letters and digits");
}

function checkedSecret(symbols: Uint8Array): Uint8Array<ArrayBuffer> {
  const checked = new Uint8Array(RECOVERY_BYTES + 3);
  for (let i = 0; i < SYMBOLS; i++) writeSymbol(checked, i, symbols[i]);
  const secret = checked.slice(0, RECOVERY_BYTES);
  const expected = withChecksum(secret);
  const good = equalConstantTime(expected, checked);
  wipe(checked, expected);
  if (good) return secret;
  wipe(secret);
  throw unreadable("a letter or digit is mistyped");
}

function unreadable(why: string): VaultError {
  return new VaultError("invalid", `Cannot read the recovery code: ${why}`, {
    operation: "read recovery code",
  });
}

/** The secret and, in three more bytes, the first 20 bits of a hash of it. */
function withChecksum(secret: Uint8Array): Uint8Array<ArrayBuffer> {
  const hash = createHash("sha256").update(CHECKSUM_LABEL).update(secret).digest();
  const checked = new Uint8Array(RECOVERY_BYTES + 3);
  checked.set(secret);
  checked[RECOVERY_BYTES] = hash[0];
  checked[RECOVERY_BYTES + 1] = hash[1];
  checked[RECOVERY_BYTES + 2] = hash[2] & 0xf0;
  wipe(hash);
  return checked;
}

/** Five bits, most significant first, at bit 5 * `symbol`. */
function readSymbol(bytes: Uint8Array, symbol: number): number {
  const at = (symbol * 5) >>> 3;
  const pair = bytes[at] << 8 | (at + 1 < bytes.length ? bytes[at + 1] : 0);
  return (pair >>> (11 - (symbol * 5 & 7))) & 31;
}

function writeSymbol(bytes: Uint8Array, symbol: number, value: number): void {
  const at = (symbol * 5) >>> 3;
  const pair = value << (11 - (symbol * 5 & 7));
  bytes[at] |= pair >>> 8;
  if (at + 1 < bytes.length) bytes[at + 1] |= pair & 255;
}

function symbolValue(byte: number): number {
  const letter = String.fromCharCode(byte).toUpperCase();
  if (letter === "O") return 0;
  if (letter === "I" || letter === "L") return 1;
  return ALPHABET.indexOf(letter);
}
