import { requireBytes } from "../bytes.ts";
import type { OpenFile } from "./open_file.ts";

/** Bytes of one chunk of a stream. */
const CHUNK_BYTES = 256 * 1024;

/** A stream over an open file, which it closes at its end. */
export function readableOf(
  file: OpenFile,
  range: { readonly offset?: number; readonly length?: number },
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let { offset = 0, length: left = Infinity } = range;
  return new ReadableStream({
    async pull(controller) {
      try {
        const chunk = await file.read(offset, Math.min(CHUNK_BYTES, left));
        offset += chunk.length;
        left -= chunk.length;
        if (chunk.length > 0) return controller.enqueue(chunk);
        controller.close();
      } catch (error) {
        await file.close();
        throw error;
      }
      await file.close();
    },
    cancel: () => file.close(),
  }, { highWaterMark: 0 });
}

/** Where a stream writes to. */
export interface Sink {
  /** Takes some of the data and returns how much. */
  append(data: Uint8Array): Promise<number>;
  finish(): Promise<void>;
  /** Called at the end, however it ended. */
  giveUp(): void;
}

/** A stream into a sink. */
export function writableOf(sink: Sink): WritableStream<Uint8Array> {
  return new WritableStream({
    async write(data) {
      try {
        requireBytes(data, "a chunk of a stream");
        for (let at = 0; at < data.length;) at += await sink.append(data.subarray(at));
      } catch (error) {
        sink.giveUp();
        throw error;
      }
    },
    async close() {
      try {
        await sink.finish();
      } finally {
        sink.giveUp();
      }
    },
    abort: () => sink.giveUp(),
  });
}
