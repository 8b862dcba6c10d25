/** The thread that serves a mount, before it is known what it shall serve. This module loads nothing, so that it can be the first. */

/** A worker that runs `mount_worker.ts`. */
export interface ServingThread {
  readonly worker: Worker;
  /** Resolves with what went wrong, if that ever happens. */
  readonly failed: Promise<string>;
}

/** What it does until it knows what to serve. Where two keys are derived at once, each processor of a small machine has its work. */
export type Meanwhile = "rehearses" | "waits";

let early: ServingThread | null = null;

const MODULE = new URL("./mount_worker.ts", import.meta.url);

/**
 * Starts one while the rest of the program is still loaded; the next {@linkcode servingThread} is this one. Not where it may not be
 * read: whoever needs it is told then.
 */
export function startServingThread(meanwhile: Meanwhile): void {
  const isFile = MODULE.protocol === "file:";
  const mayRead = !isFile ||
    Deno.permissions.querySync({ name: "read", path: MODULE }).state === "granted";
  if (mayRead) early = start(meanwhile);
}

/** One that serves nothing yet. */
export function servingThread(): ServingThread {
  const thread = early ?? start("rehearses");
  early = null;
  return thread;
}

function start(meanwhile: Meanwhile): ServingThread {
  const { promise: failed, resolve } = Promise.withResolvers<string>();
  const worker = new Worker(MODULE, { type: "module", name: meanwhile });
  worker.onerror = (event) => {
    event.preventDefault();
    resolve(event.message);
  };
  return { worker, failed };
}
