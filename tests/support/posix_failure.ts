import assert from "node:assert/strict";
import { ERRNO, type ErrnoName } from "../../core/fs/errno.ts";
import { PosixError } from "../../core/fs/file_system.ts";
import { errnoName } from "../../ffi/libc/errno.ts";

/** Throws a PosixError of `errno`. */
export function fail(errno: number): never {
  throw new PosixError(errno, `Cannot do that: ${errnoName(errno)}`);
}

/** What is done fails so. */
export function failsWith(name: ErrnoName, act: () => unknown): void {
  assert.throws(act, (error) => error instanceof PosixError && error.errno === ERRNO[name]);
}
