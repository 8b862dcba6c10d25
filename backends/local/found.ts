import type { BigIntStats } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import type { ObjectCall, ReadablePart } from "../../core/storage/object_body.ts";
import { fromSystemError } from "../file/system_error.ts";

/** A file, as it is. */
export interface Found {
  readonly size: number;
  readonly etag: string;
  readonly lastModified: Date;
}

/** What a file is known by: another file has another etag, and so has one that was written to. */
export function foundOf({ ino, size, mtimeNs }: BigIntStats): Found {
  return {
    size: Number(size),
    etag: `${ino.toString(36)}-${mtimeNs.toString(36)}-${size.toString(36)}`,
    lastModified: new Date(Number(mtimeNs / 1_000_000n)),
  };
}

/** A file to be read piece by piece. */
export function partOf(file: FileHandle, { operation, path, provider }: ObjectCall): ReadablePart {
  return {
    async read(offset, size) {
      const buffer = new Uint8Array(size);
      const { bytesRead } = await file.read(buffer, 0, size, offset).catch((error) => {
        throw fromSystemError(error, operation, path, provider);
      });
      return buffer.subarray(0, bytesRead);
    },
    close: () => file.close(),
  };
}
