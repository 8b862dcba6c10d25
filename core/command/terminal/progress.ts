import type { Runtime } from "../../runtime.ts";
import type { Output } from "../host.ts";
import { formatRate, formatSize } from "../sizes.ts";
import { printable, styleOf } from "./colours.ts";

/** Milliseconds between two pictures. */
const INTERVAL_MS = 100;
const BAR_CHARACTERS = 24;
const ERASE_LINE = "\r\x1b[K";

/** Shows how far something is. On anything but a terminal it shows nothing. */
export interface Progress {
  /** `totalBytes` 0: not known. */
  show(doneBytes: number, totalBytes: number, what: string): void;
  /** Removes the bar. */
  clear(): Promise<void>;
}

/** A progress bar on `output`. */
export function progressOn(output: Output, runtime: Pick<Runtime, "now">): Progress {
  if (!output.isTerminal) return { show: () => {}, clear: () => Promise.resolve() };
  const started = runtime.now();
  let shown = 0;
  let last = Promise.resolve();
  return {
    show(doneBytes, totalBytes, what) {
      const now = runtime.now();
      if (now - shown < INTERVAL_MS) return;
      shown = now;
      const line = lineOf(output, { doneBytes, totalBytes, elapsedMs: now - started, what });
      last = last.then(() => output.write(ERASE_LINE + line));
    },
    async clear() {
      await last;
      if (shown > 0) await output.write(ERASE_LINE);
    },
  };
}

interface Picture {
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly elapsedMs: number;
  readonly what: string;
}

function lineOf(output: Output, picture: Picture): string {
  const { doneBytes, totalBytes, elapsedMs, what } = picture;
  const share = totalBytes === 0 ? 0 : Math.min(1, doneBytes / totalBytes);
  const full = Math.round(share * BAR_CHARACTERS);
  const bar = "█".repeat(full) + "░".repeat(BAR_CHARACTERS - full);
  const percent = `${Math.floor(share * 100)}%`.padStart(4);
  const done = totalBytes === 0
    ? formatSize(doneBytes)
    : `${formatSize(doneBytes)} of ${formatSize(totalBytes)}`;
  const facts = `${percent}  ${done}  ${formatRate(doneBytes, elapsedMs)}  `;
  const room = output.columns - BAR_CHARACTERS - facts.length - 1;
  const style = styleOf(output);
  return `${style.cyan(bar)}${facts}${style.dim(room > 3 ? printable(what).slice(-room) : "")}`;
}
