import { KIB } from "../../core/limits.ts";
import type { StorageBackend } from "../../core/storage/storage_backend.ts";
import { WriteOnceMedium } from "../../core/storage/write_once/write_once_medium.ts";
import type { DirectoryStorageOptions } from "./config.ts";
import { checkPathOptions } from "../file/config.ts";
import { openDirectoryObjects } from "./objects.ts";

/** A local file answers at once, so reading far more than was asked for does not pay. */
const READ_BYTES = 64 * KIB;

/**
 * Opens a directory as a medium: a vault whose files are written once and then only deleted, for programs that copy
 * whole files (Syncthing, rclone, Dropbox).
 *
 * @example
 * ```ts
 * import { openDirectoryStorage } from "./store.ts";
 * import assert from "node:assert/strict";
 * const path = await Deno.makeTempDir();
 * const medium = await openDirectoryStorage({ path });
 * assert.equal(medium.capabilities.overwrite, false);
 * await medium.close();
 * await Deno.remove(path, { recursive: true });
 * ```
 */
// deno-lint-ignore require-await
export async function openDirectoryStorage(
  options: DirectoryStorageOptions,
): Promise<StorageBackend> {
  checkPathOptions(options);
  const { sizeMax } = options;
  const objects = openDirectoryObjects(options);
  try {
    // The lock keeps readers out while there is a writer, so nobody reads what is dead.
    return new WriteOnceMedium(objects, { sizeMax, readBytes: READ_BYTES, graceSyncs: 0 });
  } catch (error) {
    objects.close();
    throw error;
  }
}
