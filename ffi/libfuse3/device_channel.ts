import type { KernelMemory } from "./request_buffers.ts";
import type { ReadSpans } from "../../core/fs/file_system.ts";
import { addressOf, type Libc } from "../libc/symbols.ts";
import { OUT_HEADER } from "./protocol.ts";
import type { Reply, ReplyChannel } from "./reply.ts";

/** Vectors that one `writev` takes (IOV_MAX of Linux). */
const VECTORS_MAX = 1024;
const VECTOR_BYTES = 16;

/** Sends replies through the FUSE device: one `writev` each, with vectors that lie in memory of their own. */
export class DeviceChannel implements ReplyChannel {
  readonly #libc: Libc;
  readonly #descriptor: number;
  readonly #reply: Reply;
  readonly #kernel: KernelMemory;
  readonly #kernelBase: bigint;
  readonly #vectors = new DataView(new ArrayBuffer(VECTORS_MAX * VECTOR_BYTES));
  readonly #vectorsAddress: bigint;

  constructor(libc: Libc, descriptor: number, memory: { reply: Reply; kernel: KernelMemory }) {
    this.#libc = libc;
    this.#descriptor = descriptor;
    this.#reply = memory.reply;
    this.#kernel = memory.kernel;
    this.#kernelBase = addressOf(memory.kernel.bytes);
    this.#vectorsAddress = addressOf(new Uint8Array(this.#vectors.buffer));
    this.#vectors.setBigUint64(0, addressOf(memory.reply.bytes), true);
  }

  send(length: number): number {
    this.#vectors.setUint32(8, length, true);
    return this.#writev(1);
  }

  sendSpans(spans: ReadSpans): number {
    this.#vectors.setUint32(8, OUT_HEADER.bytes, true);
    let used = 1;
    let end = -1;
    for (let i = 0; i < spans.count; i++) {
      const address = spans.addresses[i];
      const length = spans.lengths[i];
      if (address === end) {
        const at = (used - 1) * VECTOR_BYTES + 8;
        this.#vectors.setUint32(at, this.#vectors.getUint32(at, true) + length, true);
      } else {
        if (used === VECTORS_MAX) return this.#sendCopy(spans);
        const at = used * VECTOR_BYTES;
        this.#vectors.setBigUint64(at, this.#kernelBase + BigInt(address), true);
        this.#vectors.setUint32(at + 8, length, true);
        used++;
      }
      end = address + length;
    }
    return this.#writev(used);
  }

  /** More pieces than one call takes: gathers them first. */
  #sendCopy(spans: ReadSpans): number {
    const whole = new Uint8Array(new ArrayBuffer(spans.total));
    let at = 0;
    for (let i = 0; i < spans.count; i++) {
      const address = spans.addresses[i];
      whole.set(this.#kernel.bytes.subarray(address, address + spans.lengths[i]), at);
      at += spans.lengths[i];
    }
    this.#vectors.setUint32(8, OUT_HEADER.bytes, true);
    this.#vectors.setBigUint64(VECTOR_BYTES, addressOf(whole), true);
    this.#vectors.setUint32(VECTOR_BYTES + 8, whole.length, true);
    const errno = this.#writev(2);
    // Keeps `whole` alive across the call.
    return whole.length >= 0 ? errno : 0;
  }

  #writev(count: number): number {
    const sent = this.#libc.symbols.writev(this.#descriptor, this.#vectorsAddress, count);
    void this.#reply;
    return sent < 0 ? this.#libc.errno() : 0;
  }
}
