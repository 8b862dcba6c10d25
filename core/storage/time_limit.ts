import type { Abortable } from "./object_store.ts";

/** A request or a body that did not go on in time. */
export class TimeLimitError extends Error {
  override name = "TimeLimitError";

  /** Nothing came for `milliseconds`. */
  constructor(milliseconds: number) {
    super(`no answer within ${milliseconds / 1000} s`);
  }
}

/** One that aborts when either does. */
export function eitherSignal(own: AbortSignal, given: AbortSignal | undefined): AbortSignal {
  return given === undefined ? own : AbortSignal.any([given, own]);
}

/** How long a call may wait. */
export interface TimeLimit extends Abortable {
  readonly milliseconds: number;
}

/** A way that carries less than this a second is as good as none: four parts at once on a line of 1 Mbit/s have as much. */
const BYTES_A_SECOND_MIN = 32 * 1024;

/** The time for a request that carries `bytes` beside the time for one that carries none. */
export function timeFor(bytes: number, milliseconds: number): number {
  return milliseconds + Math.ceil(bytes / BYTES_A_SECOND_MIN) * 1000;
}

/**
 * Does `work` within a time, and until the caller's signal: then the signal that it was given ends it, and this rejects
 * with {@linkcode TimeLimitError} or the caller's reason, whether or not the work obeys.
 */
export async function within<T>(
  { milliseconds, signal }: TimeLimit,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const ending = new AbortController();
  const { promise: ended, reject } = Promise.withResolvers<never>();
  const end = (reason: unknown) => {
    reject(reason);
    ending.abort(reason);
  };
  const abort = () => end(signal!.reason);
  const timer = setTimeout(() => end(new TimeLimitError(milliseconds)), milliseconds);
  signal?.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([ended, work(ending.signal)]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}
