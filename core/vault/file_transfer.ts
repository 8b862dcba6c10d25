import type { KernelMemory } from "../crypto/kernel.ts";
import type { FileSystem, ReadSpans } from "../fs/file_system.ts";
import { MIB } from "../limits.ts";

/** Bytes that one call moves at most: the size of the buffer that is set aside. */
export const TRANSFER_BYTES_MAX = MIB;

/** Moves bytes between callers' arrays and files, through kernel memory. Each call is one step of the filesystem. */
export class FileTransfer {
  readonly #fs: FileSystem;
  readonly #kernel: KernelMemory;
  readonly #buffer: number;
  readonly #spans: ReadSpans = { total: 0, count: 0, addresses: [], lengths: [] };

  constructor(fs: FileSystem, kernel: KernelMemory) {
    this.#fs = fs;
    this.#kernel = kernel;
    this.#buffer = kernel.reserve(TRANSFER_BYTES_MAX);
  }

  /** Overwrites what was written last. */
  wipe(): void {
    this.#kernel.bytes.fill(0, this.#buffer, this.#buffer + TRANSFER_BYTES_MAX);
  }

  /** Reads into `out`; returns how many bytes there were before the file's end, at most 1 MiB. */
  read(ino: number, offset: number, out: Uint8Array): number {
    const spans = this.#spans;
    this.#fs.read(ino, offset, Math.min(out.length, TRANSFER_BYTES_MAX), spans);
    let at = 0;
    for (let i = 0; i < spans.count; i++) {
      const address = spans.addresses[i];
      out.set(this.#kernel.bytes.subarray(address, address + spans.lengths[i]), at);
      at += spans.lengths[i];
    }
    return at;
  }

  /** Writes at most 1 MiB of `data`; returns how much. */
  write(ino: number, offset: number, data: Uint8Array): number {
    const length = Math.min(data.length, TRANSFER_BYTES_MAX);
    this.#kernel.bytes.set(data.subarray(0, length), this.#buffer);
    const address = this.#buffer;
    this.#fs.write(ino, { offset, length, address, buffer: null, killSetId: false });
    return length;
  }
}
