import { setU64 } from "../../core/bytes.ts";
import { IN_HEADER } from "./protocol.ts";
import type { DriverBuffer } from "./request_buffers.ts";

/** The body of a request. */
export interface RequestParts {
  /** Its fixed part, u32 by u32. */
  readonly words: readonly number[];
  /** A name behind it. */
  readonly name?: string;
  /** So many bytes behind that, whatever the buffer holds. */
  readonly dataBytes?: number;
}

const encoder = new TextEncoder();

/** Puts a request of root's into `buffer` as the kernel does; returns its length. */
export function fillRequest(
  { view, bytes }: DriverBuffer,
  { opcode, node }: { readonly opcode: number; readonly node: number },
  { words, name, dataBytes = 0 }: RequestParts,
): number {
  let at = IN_HEADER.bytes;
  for (const word of words) {
    view.setUint32(at, word, true);
    at += 4;
  }
  if (name !== undefined) {
    const text = encoder.encode(name);
    bytes.set(text, at);
    at += text.length;
    bytes[at++] = 0;
  }
  at += dataBytes;
  bytes.fill(0, 0, IN_HEADER.bytes);
  view.setUint32(IN_HEADER.length, at, true);
  view.setUint32(IN_HEADER.opcode, opcode, true);
  setU64(view, IN_HEADER.unique, 1);
  setU64(view, IN_HEADER.nodeId, node);
  return at;
}
