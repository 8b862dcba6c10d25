import type {
  DirectAccess,
  StorageBackend,
  StorageCapabilities,
} from "../../core/storage/storage_backend.ts";
import { checkRange } from "../../core/storage/medium_errors.ts";
import { beyondEnd, closed, full, readOnly } from "../../core/storage/medium_errors.ts";
import { checkMemoryStorageOptions, type MemoryStorageOptions } from "./config.ts";
import { SparseBytes } from "./sparse_bytes.ts";

/**
 * A medium in memory, sparse: only chunks that were written take space.
 *
 * @example
 * ```ts
 * import { MemoryStorage } from "@sigmavault/sigmavault";
 * import assert from "node:assert/strict";
 * const medium = new MemoryStorage();
 * await medium.write(4096, new Uint8Array([1, 2, 3]));
 * assert.deepEqual(await medium.read(4095, 3), new Uint8Array([0, 1, 2]));
 * await medium.close();
 * ```
 */
export class MemoryStorage implements StorageBackend {
  readonly name: string;
  readonly supportsSparse = true;
  readonly capabilities: StorageCapabilities;
  readonly direct: DirectAccess;
  /** What the medium holds; outlives `close`, so that another `MemoryStorage` can open it again. */
  readonly content: SparseBytes;
  readonly #sizeMax: number;
  readonly #allocatedBytesMax: number;
  #closed = false;

  /** Opens a medium: empty, or with the `content` of an earlier one. */
  constructor(options: MemoryStorageOptions = {}) {
    checkMemoryStorageOptions(options);
    this.name = options.name ?? "memory:";
    this.content = options.content ?? new SparseBytes();
    this.#sizeMax = options.sizeMax ?? Number.MAX_SAFE_INTEGER;
    this.#allocatedBytesMax = options.allocatedBytesMax ?? Number.MAX_SAFE_INTEGER;
    const writable = options.readOnly !== true;
    this.capabilities = { overwrite: true, resize: writable, discard: writable, writable };
    this.direct = {
      read: (offset, into) => this.#read(offset, into),
      write: (offset, from) => this.#write(offset, from),
      size: () => {
        this.#checkOpen("measure");
        return this.content.length;
      },
      sync: () => this.#checkOpen("sync"),
      truncate: (size) => this.#truncate(size),
      discard: (offset, size) => this.#discard(offset, size),
    };
  }

  /** See {@linkcode StorageBackend.read}. */
  // deno-lint-ignore require-await
  async read(offset: number, size: number): Promise<Uint8Array<ArrayBuffer>> {
    checkRange(this.name, offset, size);
    this.#checkReadable(offset, size);
    const bytes = new Uint8Array(size);
    this.content.read(offset, bytes);
    return bytes;
  }

  /** See {@linkcode StorageBackend.write}. */
  // deno-lint-ignore require-await
  async write(offset: number, data: Uint8Array): Promise<void> {
    this.#write(offset, data);
  }

  /** See {@linkcode StorageBackend.size}. */
  // deno-lint-ignore require-await
  async size(): Promise<number> {
    return this.direct.size();
  }

  /** Nothing outlives the process, so there is nothing to wait for. */
  // deno-lint-ignore require-await
  async sync(): Promise<void> {
    this.direct.sync();
  }

  /** See {@linkcode StorageBackend.truncate}. */
  // deno-lint-ignore require-await
  async truncate(size: number): Promise<void> {
    this.#truncate(size);
  }

  /** See {@linkcode StorageBackend.discard}. */
  // deno-lint-ignore require-await
  async discard(offset: number, size: number): Promise<void> {
    this.#discard(offset, size);
  }

  /** See {@linkcode StorageBackend.close}. */
  close(): Promise<void> {
    this.#closed = true;
    return Promise.resolve();
  }

  #read(offset: number, into: Uint8Array): void {
    checkRange(this.name, offset, into.length);
    this.#checkReadable(offset, into.length);
    this.content.read(offset, into);
  }

  #write(offset: number, from: Uint8Array): void {
    checkRange(this.name, offset, from.length);
    this.#checkWritable("write");
    const end = offset + from.length;
    if (end > this.#sizeMax) throw full(this.name, `it may not grow beyond ${this.#sizeMax} bytes`);
    if (this.#allocatedBytesMax < Number.MAX_SAFE_INTEGER) {
      const more = this.content.bytesToAllocate(offset, from.length);
      if (more > 0 && this.content.allocatedBytes + more > this.#allocatedBytesMax) {
        throw full(this.name);
      }
    }
    this.content.write(offset, from);
  }

  #truncate(size: number): void {
    checkRange(this.name, size, 0);
    this.#checkWritable("resize");
    if (size > this.#sizeMax) {
      throw full(this.name, `it may not grow beyond ${this.#sizeMax} bytes`);
    }
    this.content.truncate(size);
  }

  #discard(offset: number, size: number): void {
    checkRange(this.name, offset, size);
    this.#checkWritable("discard");
    this.content.clear(offset, size);
  }

  #checkReadable(offset: number, size: number): void {
    this.#checkOpen("read");
    const end = this.content.length;
    if (offset + size > end) throw beyondEnd(this.name, { offset, size }, end);
  }

  #checkOpen(operation: string): void {
    if (this.#closed) throw closed(this.name, operation);
  }

  #checkWritable(operation: string): void {
    this.#checkOpen(operation);
    if (!this.capabilities.writable) throw readOnly(this.name, operation);
  }
}
