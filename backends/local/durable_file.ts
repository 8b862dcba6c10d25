import fs from "node:fs/promises";
import { dirname } from "node:path";

const MODE = 0o600;

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

/** Makes the names in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await fs.open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
