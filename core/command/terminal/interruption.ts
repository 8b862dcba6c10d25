import type { Host } from "../host.ts";
import { Interrupted } from "./prompt.ts";

/**
 * Runs `work`. When somebody asks the program to end meanwhile, throws {@linkcode Interrupted} at once and leaves the work to itself,
 * so that the caller can take back what it has begun. `work` may say that from now on it is too late for that.
 */
export async function interruptible<T>(
  host: Pick<Host, "onSignal">,
  work: (tooLate: () => void) => Promise<T>,
): Promise<T> {
  const asked = Promise.withResolvers<never>();
  let stopListening: (() => void) | null = host.onSignal(() => {
    asked.reject(new Interrupted("interrupted"));
  });
  const tooLate = () => {
    stopListening?.();
    stopListening = null;
  };
  try {
    return await Promise.race([work(tooLate), asked.promise]);
  } finally {
    tooLate();
  }
}
