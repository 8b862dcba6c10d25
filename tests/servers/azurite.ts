/** Azure's blob storage as azurite speaks it: in memory, with real signatures and real conditions. */
import type { ServerKind } from "./shared.ts";
import { answers, Daemon, freePort, npmCached, untilReady } from "./started.ts";

const AZURITE = "npm:azurite@3.36.0";

/** The account that every azurite knows. */
export function azuriteConnection(url: string): string {
  const key =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
  return `DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=${key};BlobEndpoint=${url}/devstoreaccount1;`;
}

/** Azure as azurite speaks it. */
export const AZURITE_SERVER: ServerKind = {
  name: "azurite",
  variable: "SIGMAVAULT_TEST_AZURITE",
  whyNot: () => npmCached(AZURITE),
  start: async () => {
    const port = freePort();
    const url = `http://127.0.0.1:${port}`;
    const place = ["--blobHost", "127.0.0.1", "--blobPort", `${port}`, "--inMemoryPersistence"];
    const quiet = ["--silent", "--disableTelemetry", "--skipApiVersionCheck"];
    const daemon = new Daemon(Deno.execPath(), [
      "run",
      "-A",
      "--no-config",
      "--no-lock",
      `${AZURITE}/azurite-blob`,
      ...place,
      ...quiet,
    ]);
    await daemon.needed("azurite", untilReady("azurite", () => answers(url)));
    return { url, [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose]() };
  },
};
