import { constants } from "node:fs";
import { createHash } from "node:crypto";
import fs from "node:fs/promises";
import { join } from "node:path";
import { decodeSaid, NOTHING_SAID, type Said } from "../../core/storage/object_said.ts";
import { DEFAULT_CONTENT_TYPE } from "../../core/storage/object_store.ts";
import { errorCode } from "../file/system_error.ts";
import { replaceDurably } from "./durable_file.ts";

/** What descriptions may have, and room for its form. */
const RECORD_BYTES_MAX = 64 * 1024;

/**
 * What was said of the objects of a directory: a file for each state of each object of which something was said. Its name holds
 * the etag, so that a description is there before its object is, and one that a crash left behind describes nothing.
 */
export class SaidRecords {
  readonly #directory: string;

  /** In a directory of their own. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  #pathOf(path: string, etag: string): string {
    const name = createHash("sha256").update(path).digest("hex").slice(0, 40);
    return join(this.#directory, `${name}-${etag}.json`);
  }

  /** Durable when it resolves. */
  async write(path: string, etag: string, said: Said): Promise<void> {
    if (isNothing(said)) return await this.drop(path, etag);
    const text = JSON.stringify({ path, ...said });
    await replaceDurably(this.#pathOf(path, etag), new TextEncoder().encode(text));
  }

  /** What is said; nothing where there is no record that can be read. */
  async read(path: string, etag: string): Promise<Said> {
    const bytes = await startOf(this.#pathOf(path, etag));
    const isRecord = bytes !== null && bytes.length <= RECORD_BYTES_MAX;
    return isRecord ? decodeSaid(new TextDecoder().decode(bytes)) : NOTHING_SAID;
  }

  /** Forgets a state that is gone. */
  async drop(path: string, etag: string): Promise<void> {
    await fs.rm(this.#pathOf(path, etag), { force: true });
  }
}

/** As much of a file as shows whether it can be a record; null where there is none. */
async function startOf(path: string): Promise<Uint8Array | null> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await fs.open(path, flags).catch((error) => {
    if (errorCode(error) === "ENOENT") return null;
    throw error;
  });
  if (file === null) return null;
  try {
    const buffer = new Uint8Array(RECORD_BYTES_MAX + 1);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

function isNothing({ contentType, metadata, tags }: Said): boolean {
  return contentType === DEFAULT_CONTENT_TYPE && Object.keys(metadata).length === 0 &&
    Object.keys(tags).length === 0;
}
