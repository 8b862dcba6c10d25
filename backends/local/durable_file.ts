import fs from "node:fs/promises";
import { dirname, join } from "node:path";
import { errorCode } from "../file/system_error.ts";

const MODE = 0o600;
/** Whoever has not written for so long has died. */
const ABANDONED_MS = 7 * 24 * 3600 * 1000;

/** Writes a file aside and makes it durable; the caller names it or removes it. */
export async function writeAside(
  path: string,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<void> {
  const file = await fs.open(path, "wx", MODE);
  try {
    for await (const chunk of chunks) {
      for (let at = 0; at < chunk.length;) at += (await file.write(chunk, at)).bytesWritten;
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Puts a file in place of another: after a crash there is one of the two. */
export async function replaceDurably(path: string, bytes: Uint8Array): Promise<void> {
  const aside = `${path}.${crypto.randomUUID()}`;
  try {
    await writeAside(aside, [bytes]);
    await fs.rename(aside, path);
  } catch (error) {
    await fs.rm(aside, { force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** Makes a directory, and those that it lies in, durably; does nothing where it is there. */
export async function makeDirectory(path: string): Promise<void> {
  try {
    await fs.mkdir(path);
  } catch (error) {
    if (errorCode(error) === "EEXIST") return;
    if (errorCode(error) !== "ENOENT") throw error;
    await makeDirectory(dirname(path));
    return await makeDirectory(path);
  }
  await syncDirectory(dirname(path)).catch((error) => {
    // Not permitted to look above: the name becomes durable in its own time.
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
  });
}

/** Removes files that were written aside and are so old that nobody names them any more. */
export async function removeAbandoned(directory: string, isAside: RegExp): Promise<void> {
  for (const name of await fs.readdir(directory)) {
    if (!isAside.test(name)) continue;
    const path = join(directory, name);
    const modified = await modifiedAt(path);
    if (modified !== null && modified < Date.now() - ABANDONED_MS) {
      await fs.rm(path, { force: true });
    }
  }
}

/** Null where a file has got its name, or was removed, meanwhile. */
async function modifiedAt(path: string): Promise<number | null> {
  try {
    return (await fs.lstat(path)).mtimeMs;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return null;
    throw error;
  }
}

/** Makes the names in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await fs.open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
