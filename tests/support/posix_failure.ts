import { PosixError } from "../../core/fs/file_system.ts";
import { errnoName } from "../../ffi/libc/errno.ts";

/** Throws a PosixError of `errno`. */
export function fail(errno: number): never {
  throw new PosixError(errno, `Cannot do that: ${errnoName(errno)}`);
}
