import type { Host } from "../host.ts";
import { Interrupted } from "./prompt.ts";

/**
 * Runs `work`. When somebody asks the program to end meanwhile, throws {@linkcode Interrupted} at once and leaves the work to itself,
 * so that the caller can take back what it has begun. `work` may say that from now on it is too late for that.
 *
 * Signals end nothing from the first one on, and from the end of the work on: what was begun is being taken back, or there is
 * something left to tell, such as a recovery code. A signal can be late: it waits for a thread of its own.
 */
export async function interruptible<T>(
  host: Pick<Host, "onSignal">,
  work: (tooLate: () => void) => Promise<T>,
): Promise<T> {
  const asked = Promise.withResolvers<never>();
  let isTooLate = false;
  host.onSignal(() => {
    if (!isTooLate) asked.reject(new Interrupted("interrupted"));
  });
  const tooLate = () => void (isTooLate = true);
  return await Promise.race([work(tooLate), asked.promise]);
}
