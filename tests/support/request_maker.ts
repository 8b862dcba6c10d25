import { setU64 } from "../../core/bytes.ts";
import { IN_HEADER, OUT_HEADER } from "../../ffi/libfuse3/protocol.ts";
import type { ReadSpans } from "../../core/fs/file_system.ts";
import type { Reply, ReplyChannel } from "../../ffi/libfuse3/reply.ts";
import type { DriverBuffer, KernelMemory } from "../../ffi/libfuse3/request_buffers.ts";

/** One part of a request's body. Numbers are u32; `u64` wraps a wider one. Strings end with NUL. */
export type Part = number | string | Uint8Array | { readonly u64: number };

/** Puts a request into `buffer` as the kernel would; returns its length. */
export function fillRequest(
  buffer: DriverBuffer,
  header: { opcode: number; node?: number; unique?: number },
  parts: readonly Part[],
): number {
  const { view, bytes } = buffer;
  let at = IN_HEADER.bytes;
  for (const part of parts) {
    if (typeof part === "number") {
      view.setUint32(at, part, true);
      at += 4;
    } else if (part instanceof Uint8Array || typeof part === "string") {
      const data = typeof part === "string" ? new TextEncoder().encode(part + "\0") : part;
      bytes.set(data, at);
      at += data.length;
    } else {
      setU64(view, at, part.u64);
      at += 8;
    }
  }
  bytes.fill(0, 0, IN_HEADER.bytes);
  view.setUint32(IN_HEADER.length, at, true);
  view.setUint32(IN_HEADER.opcode, header.opcode, true);
  setU64(view, IN_HEADER.unique, header.unique ?? 7);
  setU64(view, IN_HEADER.nodeId, header.node ?? 1);
  return at;
}

/** A reply that was sent. */
export interface SentReply {
  readonly unique: number;
  /** Positive errno, or 0. */
  readonly errno: number;
  readonly body: Uint8Array;
}

/** Keeps replies instead of sending them. */
export class RecordingChannel implements ReplyChannel {
  readonly sent: SentReply[] = [];
  readonly #reply: Reply;
  readonly #kernel: KernelMemory;

  constructor(reply: Reply, kernel: KernelMemory) {
    this.#reply = reply;
    this.#kernel = kernel;
  }

  send(length: number): number {
    this.#keep(this.#reply.bytes.slice(OUT_HEADER.bytes, length));
    return 0;
  }

  sendSpans(spans: ReadSpans): number {
    const parts = spans.addresses.slice(0, spans.count).map((address, index) =>
      this.#kernel.bytes.slice(address, address + spans.lengths[index])
    );
    this.#keep(Uint8Array.from(parts.flatMap((part) => [...part])));
    return 0;
  }

  #keep(body: Uint8Array): void {
    const { view } = this.#reply;
    const length = view.getUint32(OUT_HEADER.length, true);
    if (length !== OUT_HEADER.bytes + body.length) throw new Error("Reply's length is wrong");
    this.sent.push({
      unique: view.getUint32(OUT_HEADER.unique, true),
      errno: Math.abs(view.getInt32(OUT_HEADER.error, true)),
      body,
    });
  }
}
