import { VaultError } from "../../core/errors.ts";
import { checkInteger } from "../../core/runtime.ts";
import type { PositionedIo } from "./positioned_io.ts";

/** How to open a regular file or block device as a medium. */
export interface FileStorageOptions {
  /** Path of the file or block device. */
  path: string;
  /** Makes the file (mode 0600) where there is none. */
  create?: boolean;
  /** With `create`: fails with `conflict` where the file exists already. */
  exclusive?: boolean;
  /** Opens for reading only, beside other readers. */
  readOnly?: boolean;
  /** Opens for reading only where writing is not permitted, and says so in the capabilities. */
  fallbackReadOnly?: boolean;
  /** The length in bytes that it cannot grow beyond: `ENOSPC`. */
  sizeMax?: number;
  /** The system calls to use; node:fs unless given. */
  io?: PositionedIo;
}

/** Checks the options that a caller gave for a file or a directory. */
export function checkPathOptions(options: Omit<FileStorageOptions, "io">): void {
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
