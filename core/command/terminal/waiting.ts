import type { Output } from "../host.ts";

/** A right passphrase of the usual cost opens before that. */
const PATIENCE_MS = 1500;
const INTERVAL_MS = 120;
const FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏";
const ERASE_LINE = "\r\x1b[K";

/** Resolves as `work` does. On a terminal, what takes long shows that it goes on, and why. */
export async function showWaiting<T>(
  err: Output,
  why: () => string,
  work: () => Promise<T>,
): Promise<T> {
  if (!err.isTerminal) return await work();
  let frames = 0;
  let writing = Promise.resolve();
  let timer = setTimeout(show, PATIENCE_MS);
  function show(): void {
    const text = `${FRAMES[frames++ % FRAMES.length]} ${why()}`.slice(0, err.columns - 1);
    writing = writing.then(() => err.write(ERASE_LINE + text));
    timer = setTimeout(show, INTERVAL_MS);
  }
  try {
    return await work();
  } finally {
    clearTimeout(timer);
    await writing;
    if (frames > 0) await err.write(ERASE_LINE);
  }
}
