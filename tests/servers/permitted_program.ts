/** Does the main job of a provider: its settings are the argument. */
import { createStorage } from "../../backends/storage.ts";

await using storage = await createStorage({ providers: { it: JSON.parse(Deno.args[0]) } });
await storage.upload("a/b", "Dear Ada,", { tags: { to: "Ada" } });
const paths = (await storage.list()).files.map(({ path }) => path);
console.log(await storage.downloadText("a/b"), paths.join());
await storage.delete("a/b");
