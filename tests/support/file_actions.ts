import type { FileSystem, RequestBuffer } from "../../core/fs/file_system.ts";
import { S_IFREG } from "../../core/fs/mode.ts";
import { emptyAttributes, emptySpans, named, ROOT } from "./open_memory_volume.ts";

/** Bytes of a request buffer, and how many there are. */
const REQUEST_BYTES = 256 * 1024;
const REQUESTS = 4;

/** The part of kernel memory that requests need. */
interface RequestMemory {
  readonly bytes: Uint8Array;
  reserve(size: number): number;
}

/** Reads and writes files as a driver would: from request buffers that are not touched while in use. */
export class FileActions {
  readonly fs: FileSystem;
  readonly #memory: RequestMemory;
  readonly #requests: RequestBuffer[] = [];
  readonly #spare: number;
  #next = 0;

  constructor(fs: FileSystem, memory: RequestMemory) {
    this.fs = fs;
    this.#memory = memory;
    for (let i = 0; i < REQUESTS; i++) {
      this.#requests.push({ address: memory.reserve(REQUEST_BYTES), references: 0 });
    }
    this.#spare = memory.reserve(REQUEST_BYTES);
  }

  /** Makes an empty file and returns its number. */
  create(name: string, parent = 1): number {
    const out = emptyAttributes();
    this.fs.mknod(ROOT, { parent, name: named(name) }, { mode: S_IFREG | 0o644, rdev: 0 }, out);
    return out.ino;
  }

  /** Writes from a request buffer; from one that may not be kept where all are in use. */
  write(ino: number, offset: number, data: Uint8Array): void {
    for (let at = 0; at < data.length || at === 0; at += REQUEST_BYTES) {
      this.#writePiece(ino, offset + at, data.subarray(at, at + REQUEST_BYTES));
    }
  }

  /** Reads everything between two offsets. */
  read(ino: number, offset: number, length: number): Uint8Array {
    const spans = emptySpans();
    this.fs.read(ino, offset, length, spans);
    const data = new Uint8Array(spans.total);
    let at = 0;
    for (let i = 0; i < spans.count; i++) {
      const from = spans.addresses[i];
      data.set(this.#memory.bytes.subarray(from, from + spans.lengths[i]), at);
      at += spans.lengths[i];
    }
    return data;
  }

  /** Sets the size. */
  truncate(ino: number, size: number): void {
    this.fs.setattr(ROOT, ino, { size }, emptyAttributes());
  }

  /** The size. */
  size(ino: number): number {
    const out = emptyAttributes();
    this.fs.getattr(ino, out);
    return out.size;
  }

  #writePiece(ino: number, offset: number, data: Uint8Array): void {
    this.#next = (this.#next + 1) % REQUESTS;
    const request = this.#requests[this.#next];
    const isFree = request.references === 0;
    const address = isFree ? request.address : this.#spare;
    this.#memory.bytes.set(data, address);
    this.fs.write(ino, {
      offset,
      length: data.length,
      address,
      buffer: isFree ? request : null,
      killSetId: false,
    });
  }
}
