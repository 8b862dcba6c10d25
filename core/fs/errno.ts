import { AssertionError } from "../assert.ts";
import { VaultError, type VaultErrorKind } from "../errors.ts";
import { PosixError } from "./file_system.ts";

/** Linux errno numbers that the filesystem answers with. */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  EIO: 5,
  ENXIO: 6,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  EMFILE: 24,
  EFBIG: 27,
  ENOSPC: 28,
  EROFS: 30,
  EMLINK: 31,
  ERANGE: 34,
  ENAMETOOLONG: 36,
  ENOTEMPTY: 39,
  ELOOP: 40,
  ENODATA: 61,
  EOPNOTSUPP: 95,
  ESTALE: 116,
  EDQUOT: 122,
} as const;

/** Name of an errno. */
export type ErrnoName = keyof typeof ERRNO;

/** Made once and without a stack: looking up a missing name happens all the time. */
const frequent = new Map<ErrnoName, PosixError>();

/** The error with this errno. */
export function posixError(name: ErrnoName): PosixError {
  let error = frequent.get(name);
  if (error === undefined) {
    error = new PosixError(ERRNO[name], name);
    error.stack = `PosixError: ${name}`;
    frequent.set(name, error);
  }
  return error;
}

/** Throws the error with this errno. */
export function fail(name: ErrnoName): never {
  throw posixError(name);
}

const ERRNO_OF_KIND: Record<VaultErrorKind, ErrnoName> = {
  invalid: "EINVAL",
  denied: "EACCES",
  missing: "ENOENT",
  conflict: "ESTALE",
  unavailable: "EIO",
  corrupt: "EIO",
};

/** What a driver answers for an error of the layers below; assertions stay what they are. */
export function asPosixError(error: unknown): unknown {
  if (error instanceof PosixError || error instanceof AssertionError) return error;
  if (!(error instanceof VaultError)) return error;
  const name = isErrnoName(error.errno) ? error.errno : ERRNO_OF_KIND[error.kind];
  return new PosixError(ERRNO[name], error.message, error);
}

/** Runs what makes something durable: what it throws, or rejects with, is what a driver answers. */
export function answering(run: () => void | Promise<void>): void | Promise<void> {
  const rethrow = (error: unknown) => {
    throw asPosixError(error);
  };
  try {
    const waiting = run();
    return waiting instanceof Promise ? waiting.catch(rethrow) : undefined;
  } catch (error) {
    return rethrow(error);
  }
}

function isErrnoName(name: string): name is ErrnoName {
  return Object.hasOwn(ERRNO, name);
}
