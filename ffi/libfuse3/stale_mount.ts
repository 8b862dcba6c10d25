import { VaultError } from "../../core/errors.ts";
import { ERRNO, errnoName } from "../libc/errno.ts";
import { cString, type Libc } from "../libc/symbols.ts";

export const MNT_DETACH = 2;
const F_OK = 0;
/** Room for struct statfs: 120 bytes on 64-bit Linux. */
const STATFS_BYTES = 256;
/** How many dead mounts on top of each other are taken away before giving up. */
const STACKED_MAX = 16;

/** True where `mountpoint` answers ENOTCONN: the process that served it was killed. */
export function isStale(libc: Libc, mountpoint: string): boolean {
  // Not access(): the kernel answers that from its cache for a second after the death.
  const status = new Uint8Array(STATFS_BYTES);
  return libc.symbols.statfs(cString(mountpoint), status) < 0 && libc.errno() === ERRNO.ENOTCONN;
}

/** Takes a mount away whatever holds it: as root by system call, else by fusermount3. */
function detach(libc: Libc, mountpoint: string): void {
  if (libc.symbols.umount2(cString(mountpoint), MNT_DETACH) === 0) return;
  const errno = libc.errno();
  const run = new Deno.Command("fusermount3", { args: ["-uz", "--", mountpoint], stderr: "null" });
  if (!run.outputSync().success) {
    throw new VaultError(
      "unavailable",
      `Cannot remove the dead mount on "${mountpoint}": ${errnoName(errno)}; ` +
        `run "umount -l" on it as root`,
    );
  }
}

/**
 * Makes `mountpoint` usable: removes dead mounts (libfuse would silently stack a new one on top) and checks that
 * something is there. It touches the mount point synchronously: never call it on a mount that this thread serves.
 */
export function prepareMountpoint(libc: Libc, mountpoint: string): void {
  for (let removed = 0; isStale(libc, mountpoint); removed++) {
    if (removed === STACKED_MAX) {
      throw new VaultError("unavailable", `Cannot remove the dead mounts on "${mountpoint}"`);
    }
    detach(libc, mountpoint);
  }
  if (libc.symbols.access(cString(mountpoint), F_OK) < 0) {
    const name = errnoName(libc.errno());
    throw new VaultError("missing", `Cannot mount on "${mountpoint}": ${name}`);
  }
}
