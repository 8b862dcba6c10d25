import { VaultError } from "../errors.ts";

/** The errors that every medium raises in the same words. */

/** Checks an offset and size given by a caller. */
export function checkRange(name: string, offset: number, size: number): void {
  if (
    !Number.isSafeInteger(offset) || offset < 0 || !Number.isSafeInteger(size) || size < 0 ||
    !Number.isSafeInteger(offset + size)
  ) {
    throw new VaultError(
      "invalid",
      `Cannot use range ${offset}+${size} of "${name}": offsets and sizes are integers from 0`,
    );
  }
}

/** A read that asks for bytes past the end. */
export function beyondEnd(
  name: string,
  range: { offset: number; size: number },
  end: number,
): VaultError {
  return new VaultError(
    "invalid",
    `Cannot read "${name}" at ${range.offset}+${range.size}: it ends at ${end}`,
    { operation: "read" },
  );
}

/** No room for more bytes. */
export function full(name: string, reason = "no space left"): VaultError {
  return new VaultError("unavailable", `Cannot write "${name}": ${reason}`, {
    operation: "write",
    errno: "ENOSPC",
  });
}

/** A change to a medium that is open for reading only. */
export function readOnly(name: string, operation: string): VaultError {
  return new VaultError("denied", `Cannot ${operation} "${name}": it is open for reading only`, {
    operation,
    errno: "EROFS",
  });
}

/** A sync after one that failed: it could succeed without what the first one lost. */
export function syncedNoMore(name: string, cause: unknown): VaultError {
  return new VaultError(
    "unavailable",
    `Cannot sync "${name}": an earlier sync failed, so written data may be lost; open it again`,
    { operation: "sync", errno: "EIO", cause },
  );
}

/** Use after `close`. */
export function closed(name: string, operation: string): VaultError {
  return new VaultError("invalid", `Cannot ${operation} "${name}": it is closed`, {
    operation,
    errno: "EBADF",
  });
}
