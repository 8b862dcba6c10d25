import { VaultError, type VaultErrorKind } from "../../core/errors.ts";

const KINDS: Readonly<Record<string, VaultErrorKind>> = {
  ENOENT: "missing",
  ENOTDIR: "missing",
  EEXIST: "conflict",
  EBUSY: "conflict",
  ENOTEMPTY: "conflict",
  EACCES: "denied",
  EPERM: "denied",
  EROFS: "denied",
  EISDIR: "invalid",
  EINVAL: "invalid",
  ENAMETOOLONG: "invalid",
  EXDEV: "invalid",
};

/** What people read instead of the names of errors. */
const WORDS: Readonly<Record<string, string>> = {
  ENOENT: "no such file or directory",
  ENOTDIR: "a name on the way is no directory",
  EEXIST: "it exists already",
  EBUSY: "it is in use",
  ENOTEMPTY: "the directory is not empty",
  EACCES: "permission denied",
  EPERM: "operation not permitted",
  EROFS: "read-only file system",
  EISDIR: "it is a directory",
  ENOSPC: "no space left",
  EIO: "input/output error: data may be damaged, check the vault",
  ENOTCONN: 'the mount there has died; run "sigmavault umount" on it, and mount again',
  EDQUOT: "the disk quota is used up",
  EMFILE: "too many files are open; raise the limit (ulimit -n)",
  ELOOP: "too many symbolic links",
  ENAMETOOLONG: "the name is too long",
};

/** A failure of the system below as a `VaultError` that says what was tried; bugs pass unchanged. */
export function hostError(action: string, error: unknown): unknown {
  if (error instanceof VaultError || !(error instanceof Error)) return error;
  if (error instanceof Deno.errors.NotCapable) {
    return new VaultError("denied", `${action}: ${error.message}`, { cause: error });
  }
  if (error instanceof Deno.errors.InvalidData) {
    return new VaultError("invalid", `${action}: it is not UTF-8, which needs --allow-ffi`, {
      cause: error,
      errno: "EILSEQ",
    });
  }
  const code = (error as { code?: unknown }).code;
  if (typeof code !== "string") return error;
  const kind = KINDS[code] ?? "unavailable";
  return new VaultError(kind, `${action}: ${WORDS[code] ?? code}`, { cause: error, errno: code });
}

/** Runs `act`; its failure says that it could not `action`. */
export async function doing<T>(action: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw hostError(`Cannot ${action}`, error);
  }
}
