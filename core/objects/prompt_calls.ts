import { VaultError } from "../errors.ts";
import type { Abortable } from "../storage/object_store.ts";
import { timeFor, TimeLimitError, within } from "../storage/time_limit.ts";

/** Milliseconds in which a store is left alone that did not answer. */
const LEFT_MS = 10_000;

/** A call that has to be answered soon. */
export interface PromptCall extends Abortable {
  /** That it carries: they take time too. */
  readonly bytes?: number;
}

/**
 * Calls of a store that has to answer soon, because another one can step in. One that did not is `unavailable`, and is left
 * alone for a while: not everybody has to wait for it.
 */
export class PromptCalls {
  readonly #milliseconds: number;
  readonly #now: () => number;
  #leftUntil = -Infinity;

  /** Of a store that has to answer within so many milliseconds. */
  constructor(milliseconds: number, now: () => number) {
    this.#milliseconds = milliseconds;
    this.#now = now;
  }

  /** Asks; the signal ends what was not answered in time. */
  async ask<T>(
    { bytes = 0, signal }: PromptCall,
    call: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    if (this.#now() < this.#leftUntil) {
      throw away("it did not answer, and is left alone for a while");
    }
    try {
      return await within({ milliseconds: timeFor(bytes, this.#milliseconds), signal }, call);
    } catch (error) {
      if (!(error instanceof TimeLimitError)) throw error;
      this.#leftUntil = this.#now() + LEFT_MS;
      throw away(error.message, error);
    }
  }
}

function away(why: string, cause?: unknown): VaultError {
  return new VaultError("unavailable", `Cannot wait for the primary provider: ${why}`, { cause });
}
