import { VaultError } from "../errors.ts";
import { MIB } from "../limits.ts";
import type { InTurn } from "../turn.ts";
import type { ControlCall, ControlProgress, ControlVerb } from "../vault/control.ts";
import { type ScrubReport, scrubVault } from "../vault/scrub.ts";

/** Bytes in a second on a mount where nothing is said: a few hundredths of a processor. */
export const GENTLE_BYTES: number = 32 * MIB;

/** The scrub of a mount: there is one at a time, and whoever asks for another waits for it. */
export function scrubVerb(
  inTurn: InTurn,
): ControlVerb {
  let running: Promise<ScrubReport> | null = null;
  const listeners = new Set<ControlProgress>();
  const begin = ({ vault, options, signal }: ControlCall) => {
    const { restart, rateBytes } = options;
    return scrubVault(vault, {
      restart: restart === true,
      rateBytes: rateOf(rateBytes),
      signal,
      inTurn,
      progress: (done, total) => listeners.forEach((told) => told(done, total)),
    });
  };
  return async (call) => {
    if (call.progress !== undefined) listeners.add(call.progress);
    try {
      running ??= begin(call).finally(() => running = null);
      return await running;
    } finally {
      if (call.progress !== undefined) listeners.delete(call.progress);
    }
  };
}

function rateOf(value: unknown): number {
  if (value === undefined || value === null) return GENTLE_BYTES;
  if (typeof value === "number" && value > 0) return value;
  throw new VaultError("invalid", "Cannot scrub: say the rate in bytes per second");
}
