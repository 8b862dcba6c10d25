/** Google's storage as the emulator in firebase-tools speaks it: in memory, without credentials. */
import type { ServerKind } from "./shared.ts";
import { answers, Daemon, freePort, npmCached, untilReady } from "./started.ts";

const TOOLS = "npm:firebase-tools@15.34.2";

/** Google as its emulator speaks it. */
export const GOOGLE_EMULATOR: ServerKind = {
  name: "the storage emulator of firebase-tools",
  variable: "SIGMAVAULT_TEST_GOOGLE",
  whyNot: () => npmCached(TOOLS),
  start: async () => {
    const port = freePort();
    const url = `http://127.0.0.1:${port}`;
    const program = new URL("google_program.ts", import.meta.url).href;
    const daemon = new Daemon(
      Deno.execPath(),
      ["run", "-A", "--no-config", "--no-lock", program, `${port}`, `${TOOLS}/lib/emulator`],
      { env: { STORAGE_EMULATOR_HOST: url } },
    );
    await daemon.needed("the emulator", untilReady("the emulator", () => answers(url)));
    return { url, [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose]() };
  },
};
