/** Stores a file, then transforms an image of it; says before and after whether native code of sharp is in the process. */
import { createStorage } from "../../backends/storage.ts";

const [image, isWatching] = Deno.args;
/** Needs all permissions. */
const isLoaded = () => {
  return isWatching ? /sharp|libvips/.test(Deno.readTextFileSync("/proc/self/maps")) : null;
};
await using storage = await createStorage({ providers: { it: { type: "memory" } } });
const bytes = await Deno.readFile(image);
await storage.upload("image", bytes);
await storage.download("image");
const before = isLoaded();
await storage.upload("small", bytes, { transforms: { resize: { width: 4 }, format: "webp" } });
console.log(JSON.stringify({ before, after: isLoaded() }));
