/**
 * Asking a person: secrets without echo, and yes or no.
 *
 * @module
 */
import { equalConstantTime } from "../../bytes.ts";
import { VaultError } from "../../errors.ts";
import type { Host } from "../host.ts";

/** Bytes that a typed secret may have. */
const SECRET_BYTES_MAX = 1024;
const END_OF_TEXT = 3;
const END_OF_TRANSMISSION = 4;
const BACKSPACE = 8;
const NEWLINE = 10;
const RETURN = 13;
const ERASE_LINE = 21;
const DELETE = 127;

/** Ctrl-C at a prompt. */
export class Interrupted extends Error {
  override name = "Interrupted";
}

type Terminal = Pick<Host, "keyboard" | "err">;

/** Asks for a secret; what is typed is not shown. The caller wipes it. */
export async function askSecret({ keyboard, err }: Terminal, prompt: string): Promise<Uint8Array> {
  if (!keyboard.isTerminal) {
    throw new VaultError(
      "invalid",
      "Cannot ask for the passphrase: no terminal; use --passphrase-file or --passphrase-fd",
    );
  }
  // Shown only when the echo is off: whoever types at once must not see it either.
  try {
    return await keyboard.raw(async (next) => {
      await err.write(prompt);
      return await readLine(next);
    });
  } finally {
    await err.write("\n");
  }
}

/** Asks twice, so that a slip of the finger locks nobody out. */
export async function askSecretTwice(terminal: Terminal, what: string): Promise<Uint8Array> {
  const first = await askSecret(terminal, `${what}: `);
  try {
    const second = await askSecret(terminal, `${what} again: `);
    const isSame = equalConstantTime(first, second);
    second.fill(0);
    if (isSame) return first;
    throw new VaultError("invalid", "Cannot use the passphrase: the two do not match; try again");
  } catch (error) {
    first.fill(0);
    throw error;
  }
}

/** Asks a question; anything but yes is no. False at once where there is no terminal. */
export async function confirm(terminal: Terminal, question: string): Promise<boolean> {
  const { keyboard, err } = terminal;
  if (!keyboard.isTerminal) return false;
  const answer = await keyboard.raw(async (next) => {
    await err.write(`${question} [y/N] `);
    const typed = await readLine(next, (byte) => err.write(new Uint8Array([byte])));
    return new TextDecoder().decode(typed).trim().toLowerCase();
  });
  await err.write("\n");
  return answer === "y" || answer === "yes";
}

/** Goes on where somebody says that something may be lost: a person at the question, or a script beforehand with `--yes`. */
export async function agree(terminal: Terminal, question: string, yes: boolean): Promise<void> {
  if (yes) return;
  if (!terminal.keyboard.isTerminal) {
    throw new VaultError("invalid", `Cannot ask "${question}": no terminal; use --yes`);
  }
  if (await confirm(terminal, question)) return;
  throw new VaultError("conflict", "Cannot go on: the answer was no");
}

async function readLine(
  next: () => Promise<number | null>,
  echo?: (byte: number) => Promise<void>,
): Promise<Uint8Array> {
  const typed = new Uint8Array(SECRET_BYTES_MAX);
  try {
    return typed.slice(0, await readTyped(next, typed, echo));
  } finally {
    typed.fill(0);
  }
}

async function readTyped(
  next: () => Promise<number | null>,
  typed: Uint8Array,
  echo?: (byte: number) => Promise<void>,
): Promise<number> {
  let length = 0;
  for (;;) {
    const byte = await next();
    if (byte === END_OF_TEXT) throw new Interrupted("interrupted");
    const ended = byte === null || byte === RETURN || byte === NEWLINE ||
      byte === END_OF_TRANSMISSION;
    if (ended) break;
    if (byte === BACKSPACE || byte === DELETE) length = withoutLast(typed, length);
    else if (byte === ERASE_LINE) length = 0;
    else if (length === SECRET_BYTES_MAX) continue;
    else {
      typed[length++] = byte;
      await echo?.(byte);
    }
  }
  return length;
}

/** The length without the last character of UTF-8: continuation bytes go with their first. */
function withoutLast(typed: Uint8Array, length: number): number {
  let end = length;
  while (end > 0 && (typed[end - 1] & 0xc0) === 0x80) end--;
  return Math.max(0, end - 1);
}
