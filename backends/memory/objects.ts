import { VaultError } from "../../core/errors.ts";
import { closed, readOnly } from "../../core/storage/medium_errors.ts";
import type { ObjectAccess, ObjectEntry } from "../../core/storage/object_access.ts";

/** Entries of one page of a listing. */
const PAGE_ENTRIES = 1000;

/** How to open objects in memory. */
export interface MemoryObjectsOptions {
  /** The name in messages; `memory:` unless given. */
  readonly name?: string;
  /** Refuses every change with `EROFS`. */
  readonly readOnly?: boolean;
  /** What is there already; several openers may share it, as they share a bucket. */
  readonly content?: Map<string, Uint8Array>;
}

/** Objects in memory: what a bucket is, without a network. */
export class MemoryObjects implements ObjectAccess {
  readonly name: string;
  readonly writable: boolean;
  /** The objects by name; outlives `close`. */
  readonly content: Map<string, Uint8Array>;
  #closed = false;

  constructor(options: MemoryObjectsOptions = {}) {
    this.name = options.name ?? "memory:";
    this.writable = options.readOnly !== true;
    this.content = options.content ?? new Map();
  }

  create(name: string, bytes: Uint8Array): void {
    this.#checkWritable("create");
    if (this.content.has(name)) {
      throw new VaultError("conflict", `Cannot create object "${name}": it exists already`, {
        operation: "create",
        errno: "EEXIST",
      });
    }
    this.content.set(name, bytes.slice());
  }

  read(name: string, offset: number, into: Uint8Array): void {
    this.#checkOpen("read");
    const bytes = this.content.get(name);
    if (bytes === undefined) {
      throw new VaultError("missing", `Cannot read object "${name}": there is none`, {
        operation: "read",
        errno: "ENOENT",
      });
    }
    if (offset + into.length > bytes.length) {
      throw new VaultError("corrupt", `Cannot read object "${name}": it ends at ${bytes.length}`, {
        operation: "read",
        errno: "EIO",
      });
    }
    into.set(bytes.subarray(offset, offset + into.length));
  }

  list(prefix: string, after: string): readonly ObjectEntry[] {
    this.#checkOpen("list");
    return [...this.content.keys()].filter((name) => name.startsWith(prefix) && name > after)
      .sort().slice(0, PAGE_ENTRIES)
      .map((name) => ({ name, size: this.content.get(name)!.length }));
  }

  delete(name: string): void {
    this.#checkWritable("delete");
    this.content.delete(name);
  }

  sync(): void {
    this.#checkOpen("sync");
  }

  close(): void {
    this.#closed = true;
  }

  #checkOpen(operation: string): void {
    if (this.#closed) throw closed(this.name, operation);
  }

  #checkWritable(operation: string): void {
    this.#checkOpen(operation);
    if (!this.writable) throw readOnly(this.name, operation);
  }
}
