import type { Keyboard, Output } from "../../core/command/host.ts";
import { Interrupted } from "../../core/command/terminal/prompt.ts";
import { onSignal } from "./signals.ts";
import { hostError } from "./system_error.ts";

/** Width where nothing else is known. */
const COLUMNS = 80;

interface Stream {
  write(bytes: Uint8Array): Promise<number>;
  isTerminal(): boolean;
}

/** Standard output or error as verbs see it. */
export function outputOf(stream: Stream, colours: boolean): Output {
  const isTerminal = stream.isTerminal();
  const encoder = new TextEncoder();
  let isRead = true;
  return {
    isTerminal,
    get isRead() {
      return isRead;
    },
    colour: isTerminal && colours,
    get columns() {
      // A terminal that does not know its size says 0.
      return (isTerminal ? Deno.consoleSize().columns : 0) || COLUMNS;
    },
    async write(text) {
      const bytes = typeof text === "string" ? encoder.encode(text) : text;
      try {
        for (let at = 0; at < bytes.length;) at += await stream.write(bytes.subarray(at));
      } catch (error) {
        // Whoever read us has gone: `sigmavault ls | head` is no failure.
        if (!(error instanceof Deno.errors.BrokenPipe)) {
          throw hostError("Cannot write output", error);
        }
        isRead = false;
      }
    },
  };
}

/** Standard input as a keyboard. */
export const KEYBOARD: Keyboard = {
  get isTerminal() {
    return Deno.stdin.isTerminal();
  },
  async raw(use) {
    const byte = new Uint8Array(1);
    const asked = Promise.withResolvers<never>();
    const ignore = onSignal(() => asked.reject(new Interrupted("interrupted")));
    Deno.stdin.setRaw(true);
    try {
      const key = async () => await Deno.stdin.read(byte) === null ? null : byte[0];
      return await Promise.race([use(key), asked.promise]);
    } finally {
      byte[0] = 0;
      // First: a signal would leave the terminal as it is.
      Deno.stdin.setRaw(false);
      ignore();
    }
  },
};
