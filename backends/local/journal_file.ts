import fs from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { VaultError } from "../../core/errors.ts";
import type { JournalFile } from "../../core/objects/transfer_journal.ts";
import { fromSystemError } from "../file/system_error.ts";
import { syncDirectory, writeAside } from "./durable_file.ts";

const MODE = 0o600;
const READ_BYTES = 64 * 1024;

/** A journal in a file of this machine, locked while it is open. */
class LocalJournalFile implements JournalFile {
  readonly name: string;
  readonly #path: string;
  #file: Deno.FsFile;
  #closed = false;

  constructor(name: string, file: Deno.FsFile) {
    this.name = name;
    this.#path = resolve(name);
    this.#file = file;
  }

  async *read(): AsyncGenerator<Uint8Array> {
    const file = await fs.open(this.#path, "r");
    try {
      while (true) {
        const { bytesRead, buffer } = await file.read(new Uint8Array(READ_BYTES), 0, READ_BYTES);
        if (bytesRead === 0) return;
        yield buffer.subarray(0, bytesRead);
      }
    } finally {
      await file.close();
    }
  }

  async append(bytes: Uint8Array): Promise<void> {
    await this.#doing(async () => {
      for (let at = 0; at < bytes.length;) at += await this.#file.write(bytes.subarray(at));
      await this.#file.syncData();
    });
  }

  async replace(chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const aside = `${this.#path}.sorted`;
    await this.#doing(async () => {
      // Whoever has the lock has this name as well: what is there was left by a crash.
      await fs.rm(aside, { force: true });
      await writeAside(aside, chunks);
      const file = await openLocked(aside, this.name);
      await fs.rename(aside, this.#path);
      this.#file.close();
      this.#file = file;
      await syncDirectory(dirname(this.#path));
    });
  }

  async #doing(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      throw fromSystemError(error, "write journal", this.name);
    }
  }

  close(): Promise<void> {
    if (!this.#closed) this.#file.close();
    this.#closed = true;
    return Promise.resolve();
  }
}

/** Opens a journal's file, and makes it where it is not there; `conflict` while somebody else has it open. */
export async function openJournalFile(path: string): Promise<JournalFile> {
  try {
    return new LocalJournalFile(path, await openLocked(path, path));
  } catch (error) {
    throw fromSystemError(error, "open journal", path);
  }
}

async function openLocked(path: string, name: string): Promise<Deno.FsFile> {
  const file = await Deno.open(path, { read: true, append: true, create: true, mode: MODE });
  try {
    // Of two that opened it, one may have put another file in its place meanwhile.
    const isOurs = await file.tryLock(true) &&
      (await file.stat()).ino === (await fs.stat(path)).ino;
    if (isOurs) return file;
    throw new VaultError("conflict", `Cannot use journal "${name}": somebody else has it open`);
  } catch (error) {
    file.close();
    throw error;
  }
}
