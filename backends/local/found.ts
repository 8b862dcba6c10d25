import type { BigIntStats } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import type { Abortable } from "../../core/storage/object_store.ts";

const READ_BYTES = 256 * 1024;

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

/** Reads a part of a file, and closes it in the end. */
export async function* chunksOf(
  file: FileHandle,
  { offset, length, signal }: Abortable & { readonly offset: number; readonly length: number },
): AsyncGenerator<Uint8Array> {
  try {
    for (let done = 0; done < length;) {
      signal?.throwIfAborted();
      const buffer = new Uint8Array(Math.min(READ_BYTES, length - done));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, offset + done);
      if (bytesRead === 0) return;
      done += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}
