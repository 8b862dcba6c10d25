/** Searches by a catalogue in PostgreSQL that the environment names; its schema is the argument. */
import { createStorage } from "../../backends/storage.ts";

await using storage = await createStorage({
  providers: { it: { type: "memory" } },
  catalogue: { type: "postgres", schema: Deno.args[0] },
});
await storage.upload("a/b", "Dear Ada,", { tags: { to: "Ada" } });
const { files } = await storage.search({ tags: { to: "Ada" } });
console.log(files.map(({ path }) => path).join());
