import type { Host } from "../host.ts";
import { Interrupted } from "./prompt.ts";

/**
 * Runs `work`. When somebody asks the program to end meanwhile, throws {@linkcode Interrupted} at once and leaves the work to itself,
 * so that the caller can take back what it has begun. `work` may say that from now on it is too late for that.
 *
 * Once the work is done, what asks the program to end is ignored until it ends by itself: it would take away what there is left to
 * tell, such as a recovery code. A signal can be that late: it waits for a thread of its own.
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
  } catch (error) {
    tooLate();
    throw error;
  }
}
