import { VaultError } from "../../core/errors.ts";
import { checkInteger } from "../../core/runtime.ts";

/** How to open a directory of files as a medium. */
export interface DirectoryStorageOptions {
  /** Path of the directory. */
  path: string;
  /** Makes the directory (mode 0700) where there is none. */
  create?: boolean;
  /** With `create`: fails with `conflict` where the directory holds a vault already. */
  exclusive?: boolean;
  /** Opens for reading only, beside other readers. */
  readOnly?: boolean;
  /** Opens for reading only where writing is not permitted, and says so in the capabilities. */
  fallbackReadOnly?: boolean;
  /** The length in bytes that the medium cannot grow beyond: `ENOSPC`. */
  sizeMax?: number;
}

/** Checks the options that a caller gave. */
export function checkDirectoryStorageOptions(options: DirectoryStorageOptions): void {
  const { path, sizeMax, create, exclusive, readOnly } = options;
  if (path === "" || path.includes("\0")) {
    throw new VaultError("invalid", `Cannot open ${JSON.stringify(path)}: not a usable path`);
  }
  if (sizeMax !== undefined) checkInteger("sizeMax", sizeMax, [0, Number.MAX_SAFE_INTEGER]);
  if (readOnly && create) {
    throw new VaultError(
      "invalid",
      `Cannot open "${path}": "create" and "readOnly" exclude each other`,
    );
  }
  if (exclusive && !create) {
    throw new VaultError("invalid", `Cannot open "${path}": "exclusive" needs "create"`);
  }
}
