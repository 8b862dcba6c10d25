/** What asks a program to end. */
export const SIGNALS: readonly Deno.Signal[] = ["SIGINT", "SIGTERM", "SIGHUP"];

/** Calls `act` instead of ending; what it returns ends that. */
export function onSignal(act: () => void): () => void {
  for (const signal of SIGNALS) Deno.addSignalListener(signal, act);
  return () => {
    for (const signal of SIGNALS) Deno.removeSignalListener(signal, act);
  };
}

/** Sends a signal to a process, if there still is one. */
export function passOn(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch (error) {
    // It has ended meanwhile.
    if (!(error instanceof TypeError)) throw error;
  }
}
