import { VaultError, type VaultErrorKind } from "../../core/errors.ts";

/** What is the matter with a medium that somebody else has open, and what to do. */
export const IN_USE =
  "in use by another process; if it is mounted, unmount it or name its mount point";

/** What a caller can do about an errno; whatever is not named here is `unavailable`. */
const MEANINGS: Record<string, { kind: VaultErrorKind; errno: string; says: string }> = {
  ENOSPC: { kind: "unavailable", errno: "ENOSPC", says: "no space left on the device" },
  EDQUOT: { kind: "unavailable", errno: "ENOSPC", says: "the disk quota is used up" },
  EFBIG: { kind: "unavailable", errno: "EFBIG", says: "the filesystem allows no file that large" },
  EIO: { kind: "unavailable", errno: "EIO", says: "the device reports an input/output error" },
  ENOTCONN: {
    kind: "unavailable",
    errno: "ENOTCONN",
    says: 'a mount has died there; run "sigmavault umount" on it',
  },
  EROFS: { kind: "denied", errno: "EROFS", says: "the filesystem is read-only" },
  EACCES: { kind: "denied", errno: "EACCES", says: "permission denied" },
  EPERM: { kind: "denied", errno: "EPERM", says: "operation not permitted" },
  ENOENT: { kind: "missing", errno: "ENOENT", says: "no such file" },
  ENOTDIR: { kind: "missing", errno: "ENOENT", says: "a part of the path is not a directory" },
  ENXIO: { kind: "missing", errno: "ENXIO", says: "no such device" },
  ENODEV: { kind: "missing", errno: "ENXIO", says: "no such device" },
  EISDIR: { kind: "invalid", errno: "EISDIR", says: "it is a directory" },
  EINVAL: { kind: "invalid", errno: "EINVAL", says: "not a regular file or block device" },
  ELOOP: { kind: "invalid", errno: "ELOOP", says: "too many symbolic links" },
  ENAMETOOLONG: { kind: "invalid", errno: "ENAMETOOLONG", says: "the name is too long" },
  EEXIST: { kind: "conflict", errno: "EEXIST", says: "it exists already" },
  EBUSY: { kind: "conflict", errno: "EBUSY", says: IN_USE },
  ETXTBSY: { kind: "conflict", errno: "EBUSY", says: IN_USE },
};

/** Turns what a system call threw into an error that says what the caller can do. */
export function fromSystemError(
  error: unknown,
  operation: string,
  name: string,
  provider?: string,
): VaultError {
  if (error instanceof VaultError) return error;
  const says = (kind: VaultErrorKind, text: string, errno: string) =>
    new VaultError(kind, `Cannot ${operation} "${name}": ${text}`, {
      operation,
      cause: error,
      errno,
      provider,
    });
  if (error instanceof Deno.errors.NotCapable) {
    return says("denied", "Deno has no permission, pass --allow-read and --allow-write", "EACCES");
  }
  const code = errorCode(error);
  // Only opening says EINVAL about the file; elsewhere it is about a call that we made.
  const meaning = code === "EINVAL" && operation !== "open" ? undefined : MEANINGS[code];
  if (meaning !== undefined) return says(meaning.kind, meaning.says, meaning.errno);
  return says("unavailable", code === "" ? "the system call failed" : code, code || "EIO");
}

/** The errno name of a thrown value, or `""`. */
export function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string"
    ? error.code
    : "";
}

/** True where a write found no room, or more than its owner may use. */
export function isFull(error: unknown): boolean {
  return ["ENOSPC", "EDQUOT"].includes(errorCode(error));
}
