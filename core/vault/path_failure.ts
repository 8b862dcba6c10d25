import { VaultError, type VaultErrorKind } from "../errors.ts";
import { ERRNO, type ErrnoName } from "../fs/errno.ts";
import { PosixError } from "../fs/file_system.ts";

/** A path inside a vault: text (taken as UTF-8), or bytes for names that are not UTF-8. */
export type FilePath = string | Uint8Array;

/** How a caller can react to an errno, and what it says to people. */
const MEANING: Record<ErrnoName, readonly [VaultErrorKind, string]> = {
  EPERM: ["denied", "this kind of file does not allow it"],
  ENOENT: ["missing", "no such file or directory"],
  EIO: ["corrupt", "its data is damaged"],
  ENXIO: ["invalid", "there is nothing at that offset"],
  EBADF: ["invalid", "the file is not open for that"],
  EAGAIN: ["unavailable", "it is busy; try again"],
  ENOMEM: ["unavailable", "out of memory"],
  EACCES: ["denied", "permission denied"],
  EBUSY: ["conflict", "it is in use"],
  EEXIST: ["conflict", "it exists already"],
  EXDEV: ["invalid", "it is in another filesystem"],
  ENODEV: ["invalid", "not a file"],
  ENOTDIR: ["invalid", "not a directory"],
  EISDIR: ["invalid", "it is a directory"],
  EINVAL: ["invalid", "not possible for this file, or a bad argument"],
  EFBIG: ["invalid", "files are at most 16 TiB long"],
  ENOSPC: ["unavailable", "the vault is full; remove something or make it larger"],
  EMFILE: ["unavailable", "too many volumes and snapshots are in use"],
  EROFS: ["denied", "the vault is open read-only"],
  EMLINK: ["invalid", "it has too many links"],
  ERANGE: ["invalid", "the name is too long"],
  ENAMETOOLONG: ["invalid", "a name is longer than 255 bytes"],
  ENOTEMPTY: ["invalid", "the directory is not empty"],
  ELOOP: ["invalid", "too many symbolic links"],
  ENODATA: ["missing", "no such attribute"],
  EOPNOTSUPP: ["invalid", "not supported for this file"],
  ESTALE: ["missing", "the file is gone"],
  EDQUOT: ["unavailable", "the quota is used up"],
};

/** Their causes say more than their names. */
const SAYS_WHY = new Set<ErrnoName>(["EIO", "EACCES", "ENOSPC"]);

/** Rollbacks that may come between. */
const TRIES_MAX = 10;

const NAME_OF = new Map(
  (Object.keys(ERRNO) as ErrnoName[]).map((name) => [ERRNO[name] as number, name]),
);

/** A path for people; bytes that are not UTF-8 show as U+FFFD. */
export function shownPath(path: FilePath): string {
  return typeof path === "string" ? path : new TextDecoder().decode(path);
}

/** What a filesystem's failure at `path` is to a program: `verb` says what was tried. Other errors stay as they are. */
export function asPathError(error: unknown, verb: string, path: FilePath): unknown {
  if (!(error instanceof PosixError)) return error;
  const name = NAME_OF.get(error.errno) ?? "EIO";
  const [kind, text] = MEANING[name];
  const { cause } = error;
  const what = `Cannot ${verb} "${shownPath(path)}"`;
  const options = { operation: verb, errno: name, cause };
  if (cause instanceof VaultError && SAYS_WHY.has(name)) {
    const why = cause.message.replace(/^Cannot store data: /, "");
    return new VaultError(cause.kind, `${what}: ${why}`, options);
  }
  return new VaultError(kind, `${what}: ${text}`, options);
}

/** What made a filesystem fail as a whole; other errors stay as they are. */
export function belowPath(error: unknown): unknown {
  return error instanceof PosixError && error.cause instanceof VaultError ? error.cause : error;
}

/** Does something by path; anew where the file is gone meanwhile because a rollback has put an older one in its place. */
export async function againIfReplaced<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1;; tries++) {
    try {
      return await work();
    } catch (error) {
      const isReplaced = error instanceof VaultError && error.errno === "ESTALE";
      if (!isReplaced || tries === TRIES_MAX) throw error;
    }
  }
}

/** A buffer can be given away, or shrunk, while it is written piece by piece. */
export function requireAllOf(data: Uint8Array, length: number, path: FilePath): void {
  if (data.length === length) return;
  throw new VaultError(
    "invalid",
    `Cannot write "${shownPath(path)}": its bytes were taken away meanwhile`,
    { operation: "write" },
  );
}

/** True for the error of a path that leads nowhere. */
export function isMissing(error: unknown): boolean {
  return error instanceof VaultError && (error.kind === "missing" || error.errno === "ENOTDIR");
}
