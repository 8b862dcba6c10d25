import { VaultError } from "../../core/errors.ts";
import { pathFor } from "./control_socket.ts";

/**
 * Holds a mount point, a canonical path, until the file is closed: two programs that mount on it at the same time would lie one over
 * the other. Null where there is no place for a lock; there is then no control socket either, and the mount says so.
 */
export async function holdMountpoint(
  mountpoint: string,
): Promise<Disposable & { close(): void } | null> {
  let file: Deno.FsFile;
  try {
    const path = await pathFor(mountpoint, "lock");
    // Never removed: whoever waits for the lock of a removed file would hold nothing.
    file = await Deno.open(path, { create: true, write: true, mode: 0o600 });
  } catch (error) {
    if (error instanceof VaultError || error instanceof Deno.errors.NotCapable) return null;
    throw error;
  }
  if (await file.tryLock(true)) return file;
  file.close();
  throw new VaultError(
    "conflict",
    `Cannot mount on "${mountpoint}": another process mounts there, or has not ended yet`,
  );
}
