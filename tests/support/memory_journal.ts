import { concat } from "../../core/bytes.ts";
import { VaultError } from "../../core/errors.ts";
import type { JournalFile } from "../../core/objects/transfer_journal.ts";

/** A journal's file in memory. It can be told to break off, like a process that is killed. */
export class MemoryJournal implements JournalFile {
  readonly name = "memory";
  /** Calls that write. */
  writes = 0;
  /** Bytes that are still written before everything fails. */
  bytesLeft = Infinity;
  bytes: Uint8Array;

  /** With content. */
  constructor(content: Uint8Array | string = "") {
    this.bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  }

  /** As text. */
  get text(): string {
    return new TextDecoder().decode(this.bytes);
  }

  async *read(): AsyncGenerator<Uint8Array> {
    const { bytes } = this;
    // Pieces that end in the middle of lines and characters.
    for (let at = 0; at < bytes.length; at += 100) yield bytes.slice(at, at + 100);
    await Promise.resolve();
  }

  async append(bytes: Uint8Array): Promise<void> {
    this.writes++;
    await Promise.resolve();
    const written = bytes.subarray(0, this.bytesLeft);
    this.bytes = concat(this.bytes, written);
    this.#use(bytes.length);
  }

  async replace(chunks: AsyncIterable<Uint8Array>): Promise<void> {
    this.writes++;
    const all: Uint8Array[] = [];
    for await (const chunk of chunks) all.push(chunk);
    const bytes = concat(...all);
    this.#use(bytes.length);
    this.bytes = bytes;
  }

  #use(bytes: number): void {
    const isEnough = bytes <= this.bytesLeft;
    this.bytesLeft = Math.max(0, this.bytesLeft - bytes);
    if (!isEnough) throw new VaultError("unavailable", "Cannot write journal: a fault on demand");
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
