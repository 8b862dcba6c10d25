import type { Kernel } from "../../core/crypto/kernel.ts";
import type { RequestBuffer } from "../../core/fs/file_system.ts";
import { addressOf } from "../libc/symbols.ts";
import { PAGE_BYTES, WRITE_HEADERS_BYTES } from "./protocol.ts";

/** The part of the kernel that the driver uses: its memory. */
export type KernelMemory = Pick<Kernel, "bytes" | "reserve">;

/** One request's memory. The data of a WRITE begins on a page, so that it can be sealed in place. */
export interface DriverBuffer extends RequestBuffer {
  /** The request's bytes, `WRITE_HEADERS_BYTES` of header before the page boundary. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Where the request begins in this process, for `read`. */
  readonly pointer: bigint;
  /** The filesystem may keep this memory (false for the spare, whose WRITEs must be copied). */
  readonly keepable: boolean;
}

/**
 * A ring of request buffers in kernel memory, and one spare. The spare is never lent to the filesystem, so that requests
 * can be read even while all other buffers are still being sealed.
 */
export class RequestBuffers {
  readonly #ring: readonly DriverBuffer[];
  readonly #spare: DriverBuffer;
  #next = 0;

  constructor(kernel: KernelMemory, count: number, writeBytesMax: number) {
    const stride = PAGE_BYTES + Math.ceil(writeBytesMax / PAGE_BYTES) * PAGE_BYTES;
    const base = kernel.reserve(stride * (count + 1));
    const origin = addressOf(kernel.bytes);
    const buffers = Array.from({ length: count + 1 }, (_, index): DriverBuffer => {
      const address = base + index * stride + PAGE_BYTES - WRITE_HEADERS_BYTES;
      const length = WRITE_HEADERS_BYTES + writeBytesMax;
      return {
        address,
        references: 0,
        bytes: kernel.bytes.subarray(address, address + length),
        view: new DataView(kernel.bytes.buffer, kernel.bytes.byteOffset + address, length),
        pointer: origin + BigInt(address),
        keepable: index < count,
      };
    });
    this.#spare = buffers[count];
    this.#ring = buffers.slice(0, count);
  }

  /** A buffer that nobody uses. The same one again, as long as the filesystem did not keep it. */
  take(): DriverBuffer {
    for (let tried = 0; tried < this.#ring.length; tried++) {
      const buffer = this.#ring[this.#next];
      if (buffer.references === 0) return buffer;
      this.#next = (this.#next + 1) % this.#ring.length;
    }
    return this.#spare;
  }
}
