import type { Vault } from "./vault.ts";
import { Pace } from "./pace.ts";

/** While a step may not run, it is looked so often whether it may: milliseconds. */
const LOOK_MS = 100;

/** How a pass goes on beside others. */
export interface DriveOptions {
  /** Bytes written in a second, at most; as fast as it goes unless given. */
  readonly rateBytes?: number;
  /** Ends it between two steps: what was done stays done. */
  readonly signal?: AbortSignal;
  /** True while others shall have the vault for themselves. */
  readonly isBusy?: () => boolean;
}

/** A pass in bounded steps. */
export type PassSteps<Step> = AsyncGenerator<Step, void>;

/**
 * Runs a pass on a vault that others use: below a rate, never inside a transaction, and not while `isBusy`. Rejects with what
 * a step met, or with the signal's reason.
 */
export async function drivePass<Step extends { readonly writtenBytes: number }>(
  vault: Vault,
  steps: PassSteps<Step>,
  options: DriveOptions & { readonly told?: (step: Step) => void } = {},
): Promise<void> {
  vault.transactions.requireOpen();
  const { signal, isBusy = () => false, rateBytes = Infinity } = options;
  const pace = new Pace(vault.header.runtime, rateBytes);
  const { volume } = vault.opened;
  try {
    for (;;) {
      signal?.throwIfAborted();
      while (volume.inTransaction || isBusy()) {
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
        signal?.throwIfAborted();
      }
      const { done, value } = await steps.next();
      if (done === true) return;
      options.told?.(value);
      await pace.wait(value.writtenBytes, signal);
    }
  } finally {
    await steps.return();
  }
}
