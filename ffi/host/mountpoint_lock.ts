import { VaultError } from "../../core/errors.ts";
import { ignoreMissing, pathFor } from "./control_socket.ts";

/** A mount point that is held. */
export interface HeldMountpoint {
  close(): void;
}

/**
 * Holds a mount point, a canonical path, until it is closed or this process ends: two programs that mount on it at the same time would
 * lie one over the other. Null where there is no place for a lock; there is then no control socket either, and the mount says so.
 */
export async function holdMountpoint(mountpoint: string): Promise<HeldMountpoint | null> {
  let path: string;
  try {
    path = await pathFor(mountpoint, "lock");
  } catch (error) {
    if (error instanceof VaultError || error instanceof Deno.errors.NotCapable) return null;
    throw error;
  }
  for (;;) {
    const file = await Deno.open(path, { create: true, write: true, mode: 0o600 });
    if (!await file.tryLock(true)) {
      file.close();
      throw new VaultError(
        "conflict",
        `Cannot mount on "${mountpoint}": another process mounts there, or has not ended yet`,
      );
    }
    if (await isThere(path, file)) {
      return {
        close() {
          try {
            Deno.removeSync(path);
          } catch (error) {
            ignoreMissing(error);
          } finally {
            file.close();
          }
        },
      };
    }
    file.close();
  }
}

/** Removes what a killed process left for a mount point, unless another one mounts there meanwhile. */
export async function forgetMountpoint(mountpoint: string): Promise<void> {
  const held = await holdMountpoint(mountpoint).catch(() => null);
  if (held === null) return;
  try {
    await Deno.remove(await pathFor(mountpoint, "sock")).catch(() => {});
  } finally {
    held.close();
  }
}

/** False where whoever held it before has removed it meanwhile: others would hold another file of that name. */
async function isThere(path: string, file: Deno.FsFile): Promise<boolean> {
  try {
    return (await Deno.stat(path)).ino === (await file.stat()).ino;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
