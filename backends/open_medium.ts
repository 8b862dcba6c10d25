import { VaultError } from "../core/errors.ts";
import { pathOfUrl } from "../core/storage/medium_url.ts";
import type { StorageBackend } from "../core/storage/storage_backend.ts";
import { openDirectoryStorage } from "./directory/store.ts";
import type { FileStorageOptions } from "./file/config.ts";
import { openFileStorage } from "./file/store.ts";
import { MemoryStorage } from "./memory/store.ts";

/** How to open a medium whose name says what it is; what a kind of medium cannot use is left out. */
export type OpenMediumOptions = Omit<FileStorageOptions, "path">;

const SCHEMES = ["file:", "directory:", "memory:"];

/**
 * Opens the medium that `name` names: a path, `file:///path`, `directory:///path` (a directory of files that are written
 * once), or `memory:` (empty, gone when closed).
 *
 * @example
 * ```ts
 * import { openMedium } from "@sigmavault/sigmavault";
 * const medium = await openMedium("memory:");
 * await medium.write(0, new Uint8Array(4096));
 * await medium.close();
 * ```
 */
export async function openMedium(
  name: string,
  options: OpenMediumOptions = {},
): Promise<StorageBackend> {
  const scheme = schemeOf(name);
  switch (scheme) {
    case "":
      return await openFileStorage({ ...options, path: name });
    case "file:":
      return await openFileStorage({ ...options, path: pathOfUrl(name) });
    case "directory:":
      return await openDirectoryStorage({ ...options, path: pathOfUrl(name) });
    case "memory:": {
      const { sizeMax, readOnly } = options;
      return new MemoryStorage({ name, sizeMax, readOnly });
    }
    default:
      throw new VaultError(
        "invalid",
        `Cannot open medium with scheme "${scheme}": known are ${
          SCHEMES.join(", ")
        } and plain paths`,
        { operation: "open" },
      );
  }
}

/** The scheme with its colon, or `""` for a path; one letter is a Windows drive. */
function schemeOf(name: string): string {
  return /^[A-Za-z][A-Za-z0-9+.-]+:/.exec(name)?.[0].toLowerCase() ?? "";
}
