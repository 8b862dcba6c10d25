/**
 * `sigmavault`, the command line. The thread that serves a mount is started first: what it loads takes as long as all the rest.
 *
 * @module
 */
import { startServingThread } from "./ffi/serving_thread.ts";
import configuration from "./deno.json" with { type: "json" };

/** True where this process will serve a mount, if nothing is wrong with its arguments. */
function servesMount(args: readonly string[]): boolean {
  if (args.includes("--background") || args.includes("--help")) return false;
  return args[0] === "mount" ||
    (args[0] === "create" && args.some((it) => /^--mount(=|$)/.test(it)));
}

if (import.meta.main) {
  if (servesMount(Deno.args)) startServingThread();
  const { runCommandLine } = await import("./ffi/host/command_line.ts");
  Deno.exit(
    await runCommandLine(Deno.args, {
      version: configuration.version,
      mainModule: import.meta.url,
    }),
  );
}
