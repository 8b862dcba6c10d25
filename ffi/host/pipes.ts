import type { Pipes } from "../../core/command/host.ts";
import { VaultError } from "../../core/errors.ts";
import { KIB } from "../../core/limits.ts";
import { hostError } from "./system_error.ts";

const READ_BYTES = 256 * KIB;

async function* input(): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(READ_BYTES);
  for (;;) {
    const length = await Deno.stdin.read(buffer);
    if (length === null) return;
    yield buffer.subarray(0, length);
  }
}

async function write(bytes: Uint8Array): Promise<void> {
  try {
    for (let at = 0; at < bytes.length;) at += await Deno.stdout.write(bytes.subarray(at));
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw hostError("Cannot write output", error);
    throw new VaultError("unavailable", "Cannot go on sending: whoever read it has gone", {
      cause: error,
    });
  }
}

/** Standard input and output of this process. */
export const PIPES: Pipes = {
  get inputIsTerminal() {
    return Deno.stdin.isTerminal();
  },
  input,
  write,
};
