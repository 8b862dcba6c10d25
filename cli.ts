/**
 * `sigmavault`, the command line. The thread that serves a mount is started first: what it loads takes as long as all the rest.
 *
 * @module
 */
import { startServingThread } from "./ffi/serving_thread.ts";
import configuration from "./deno.json" with { type: "json" };

/** Starts the thread where this process will serve a mount, if nothing is wrong with its arguments. */
function startEarly(args: readonly string[]): void {
  if (args.includes("--background") || args.includes("--help")) return;
  if (args[0] === "mount") startServingThread("rehearses");
  const isMounted = args.some((it) => /^--mount(=|$)/.test(it));
  if (args[0] === "create" && isMounted) startServingThread("waits");
}

if (import.meta.main) {
  startEarly(Deno.args);
  const { runCommandLine } = await import("./ffi/host/command_line.ts");
  Deno.exit(
    await runCommandLine(Deno.args, {
      version: configuration.version,
      mainModule: import.meta.url,
    }),
  );
}
