import { readerOf } from "../storage/chunk_stream.ts";
import { closingStream } from "../storage/object_body.ts";
import type { Abortable } from "../storage/object_store.ts";

/** How a body goes on that stops coming. */
export interface Resuming extends Abortable {
  /** The rest of it, `done` bytes behind its start; throws what is to be told where there is none. */
  reopen(error: unknown, done: number): Promise<ReadableStream<Uint8Array>>;
}

/** The bytes of a body, and where they stop coming those of the bodies that take over from there. */
export function resumedBody(
  body: ReadableStream<Uint8Array>,
  { reopen, signal }: Resuming,
): ReadableStream<Uint8Array> {
  let reader = readerOf(body);
  let done = 0, isOver = false;
  const next = async (): Promise<IteratorResult<Uint8Array, undefined>> => {
    while (true) {
      try {
        const { value } = await reader.read();
        if (value === undefined) return { done: true, value };
        done += value.length;
        return { done: false, value };
      } catch (error) {
        reader = readerOf(await reopen(error, done));
        // Whoever read it has gone meanwhile.
        if (isOver) await reader.cancel();
      }
    }
  };
  const close = async () => {
    isOver = true;
    await reader.cancel().catch(() => {}); // it may be the one that failed
  };
  return closingStream({ next }, { close, signal });
}
