import type { Part } from "../remote/parts.ts";
import { timeFor, TimeLimitError } from "../../core/storage/time_limit.ts";

/** Parts that a request takes one after the other, each in time; waiting for the next one has no limit. */
export class SendingParts implements AsyncIterable<Uint8Array> {
  readonly #parts: AsyncIterable<Part>;
  readonly #milliseconds: number;
  readonly #giving = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** What the source of the parts threw. */
  broken: { readonly error: unknown } | null = null;

  /** `milliseconds`: for what carries no bytes. */
  constructor(parts: AsyncIterable<Part>, milliseconds: number) {
    this.#parts = parts;
    this.#milliseconds = milliseconds;
  }

  /** Ends the request that takes too long. */
  get signal(): AbortSignal {
    return this.#giving.signal;
  }

  /** No more is sent. */
  end(): void {
    clearTimeout(this.#timer);
    this.#giving.abort();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for await (const { bytes } of this.#parts) {
        this.#limit(bytes.length);
        yield bytes;
        clearTimeout(this.#timer);
      }
    } catch (error) {
      this.broken = { error };
      this.#giving.abort(error);
      throw error;
    }
    // For the answer.
    this.#limit(0);
  }

  #limit(bytes: number): void {
    clearTimeout(this.#timer);
    const milliseconds = timeFor(bytes, this.#milliseconds);
    const end = () => this.#giving.abort(new TimeLimitError(milliseconds));
    this.#timer = setTimeout(end, milliseconds);
  }
}
