import { VaultError } from "../../core/errors.ts";
import { ERRNO, errnoName } from "../libc/errno.ts";
import { addressOf, openLibc } from "../libc/symbols.ts";

const F_GETFD = 1;
const FD_CLOEXEC = 1;
const POLLIN = 1;

/**
 * Reads a descriptor that whoever started this program has handed over, from where it stands: a pipe, a file or a socket. Any other
 * number is refused, since low ones are Deno's own, and what they hold would be taken for a secret; Deno closes those in the
 * programs that it starts, which tells them apart.
 */
export function readInherited(descriptor: number, buffer: Uint8Array<ArrayBuffer>): number {
  const libc = openLibc();
  try {
    const flags = libc.symbols.fcntl(descriptor, F_GETFD, 0);
    if (flags < 0 || (flags & FD_CLOEXEC) !== 0) {
      throw new VaultError("missing", `Cannot read descriptor ${descriptor}: it is not open`);
    }
    if (isStandardInput(descriptor)) {
      throw new VaultError(
        "invalid",
        `Cannot read descriptor ${descriptor}: it is the standard input; name 0`,
      );
    }
    const address = addressOf(buffer);
    let length = 0;
    while (length < buffer.length) {
      const left = BigInt(buffer.length - length);
      const read = libc.symbols.read(descriptor, address + BigInt(length), left);
      if (read === 0) break;
      if (read > 0) length += read;
      else waitFor(descriptor, libc.errno(), libc.symbols.poll);
    }
    return length;
  } finally {
    libc.close();
  }
}

/** Deno holds one more of that, which it does not close in others. */
function isStandardInput(descriptor: number): boolean {
  try {
    const [own, input] = [descriptor, 0].map((number) => Deno.statSync(`/dev/fd/${number}`));
    return own.dev === input.dev && own.ino === input.ino;
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable || error instanceof Deno.errors.NotFound) {
      return false;
    }
    throw error;
  }
}

/** Waits where the other end is only slow. */
function waitFor(
  descriptor: number,
  errno: number,
  poll: (waiting: bigint, count: bigint, milliseconds: number) => number,
): void {
  if (errno === ERRNO.EINTR) return;
  if (errno !== ERRNO.EAGAIN) {
    const isWrong = errno === ERRNO.EBADF || errno === ERRNO.EISDIR || errno === ERRNO.EINVAL;
    throw new VaultError(
      isWrong ? "invalid" : "unavailable",
      `Cannot read descriptor ${descriptor}: ${
        isWrong ? "nothing is open there to be read" : errnoName(errno)
      }`,
    );
  }
  const waiting = new Int32Array([descriptor, POLLIN]);
  poll(addressOf(new Uint8Array(waiting.buffer)), 1n, -1);
}
