import { MemoryStorage } from "../../backends/memory/store.ts";
import { SparseBytes } from "../../backends/memory/sparse_bytes.ts";
import type { DirectAccess, StorageBackend } from "../../core/storage/storage_backend.ts";
import {
  type CrashImage,
  type CrashImageOptions,
  CrashLog,
  IMAGE_CHUNK_BYTES,
} from "./crash_log.ts";

/** What a crash medium starts with. */
export interface CrashMediumOptions<Mark> {
  /** What it holds durably at the start; empty unless given. */
  content?: SparseBytes;
  /** The log that several media share, so that one crash hits them all. Its own unless given. */
  log?: CrashLog<Mark>;
  /** It can sync aside: such a sync lasts until {@linkcode CrashMedium.finishSync}. */
  syncsAside?: boolean;
}

/**
 * A medium in memory that records what is written and synced, and afterwards shows every state in
 * which a power cut could have left it.
 */
export class CrashMedium<Mark = string> implements StorageBackend {
  readonly name = "crash:";
  readonly supportsSparse = true;
  readonly capabilities = { overwrite: true, resize: true, discard: true, writable: true };
  readonly direct: DirectAccess;
  /** What happened so far. */
  readonly log: CrashLog<Mark>;
  readonly #member: number;
  readonly #now: MemoryStorage;
  /** Ends of the syncs that go on aside. */
  readonly #aside: (() => void)[] = [];

  /** A medium with the given content, all of it durable. */
  constructor(options: CrashMediumOptions<Mark> = {}) {
    const content = options.content ?? new SparseBytes(IMAGE_CHUNK_BYTES);
    this.log = options.log ?? new CrashLog<Mark>();
    this.#member = this.log.addMember(content);
    this.#now = new MemoryStorage({ name: this.name, content: content.fork() });
    const now = this.#now.direct;
    this.direct = {
      read: (offset, into) => now.read(offset, into),
      write: (offset, from) => {
        now.write(offset, from);
        // A copy: the caller may reuse its buffer, and `slice` of a shared view would be shared.
        const data = new Uint8Array(from.length);
        data.set(from);
        this.log.change(this.#member, { kind: "write", offset, data });
      },
      size: () => now.size(),
      sync: () => {
        now.sync();
        this.log.sync(this.#member);
      },
      syncLater: options.syncsAside ? () => this.#syncAside() : undefined,
      truncate: (size) => {
        now.truncate(size);
        this.log.change(this.#member, { kind: "truncate", size });
      },
      discard: (offset, size) => {
        now.discard(offset, size);
        this.log.change(this.#member, { kind: "discard", offset, size });
      },
    };
  }

  #syncAside(): Promise<void> {
    const upTo = this.log.length;
    return new Promise((resolve) => {
      this.#aside.push(() => {
        this.log.sync(this.#member, upTo);
        resolve();
      });
    });
  }

  /** Lets the oldest sync end that goes on aside; false where there is none. */
  finishSync(): boolean {
    const end = this.#aside.shift();
    end?.();
    return end !== undefined;
  }

  /** Notes what the program has been promised by now; later images carry it. */
  mark(mark: Mark): void {
    this.log.mark(mark);
  }

  /** See {@linkcode CrashLog.images}. */
  images(seed: number, options?: CrashImageOptions): Generator<CrashImage<Mark>> {
    return this.log.images(seed, options);
  }

  /** See {@linkcode StorageBackend.read}. */
  read(offset: number, size: number): Promise<Uint8Array<ArrayBuffer>> {
    return this.#now.read(offset, size);
  }

  /** See {@linkcode StorageBackend.write}. */
  // deno-lint-ignore require-await
  async write(offset: number, data: Uint8Array): Promise<void> {
    this.direct.write(offset, data);
  }

  /** See {@linkcode StorageBackend.size}. */
  size(): Promise<number> {
    return this.#now.size();
  }

  /** See {@linkcode StorageBackend.sync}. */
  // deno-lint-ignore require-await
  async sync(): Promise<void> {
    this.direct.sync();
  }

  /** See {@linkcode StorageBackend.truncate}. */
  // deno-lint-ignore require-await
  async truncate(size: number): Promise<void> {
    this.direct.truncate(size);
  }

  /** See {@linkcode StorageBackend.discard}. */
  // deno-lint-ignore require-await
  async discard(offset: number, size: number): Promise<void> {
    this.direct.discard(offset, size);
  }

  /** See {@linkcode StorageBackend.close}. Closing syncs nothing: neither does a file. */
  close(): Promise<void> {
    return this.#now.close();
  }
}
