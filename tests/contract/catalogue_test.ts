import { join } from "node:path";
import { openPostgresCatalogue } from "../../backends/postgres/catalogue.ts";
import { openSqliteCatalogue } from "../../backends/sqlite/catalogue.ts";
import { POSTGRES } from "../servers/postgres.ts";
import { sharedServer } from "../servers/shared.ts";
import { catalogueContract, type CatalogueWorld } from "./catalogue.ts";
import { storesInCatalogue } from "./catalogued_stores.ts";

const server = await sharedServer(POSTGRES);

/** The catalogues under test: an empty world of each, or why there is none. */
const worlds: Readonly<Record<string, string | (() => Promise<CatalogueWorld>)>> = {
  sqlite: async () => {
    const folder = await Deno.makeTempDir();
    return {
      open: () => Promise.resolve(openSqliteCatalogue(join(folder, "catalogue.db"))),
      [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
    };
  },
  postgres: "missing" in server ? server.missing : () => {
    const schema = `test_${crypto.randomUUID().replaceAll("-", "")}`;
    return Promise.resolve({
      open: () => openPostgresCatalogue({ url: server.url, schema }),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    });
  },
};

for (const [name, open] of Object.entries(worlds)) {
  const missing = typeof open === "string" ? open : undefined;
  for (
    const [property, holds] of [
      ...Object.entries(catalogueContract),
      ...Object.entries(storesInCatalogue),
    ]
  ) {
    Deno.test({
      name: `${name} catalogue: ${property}${
        missing === undefined ? "" : ` (skipped: ${missing})`
      }`,
      ignore: missing !== undefined,
      fn: async () => {
        if (typeof open === "string") return;
        await using world = await open();
        await holds(world);
      },
    });
  }
}
