/** One contender and 1,000 calls at once, in a process of its own: arguments are its name, the server's URL and the bucket. */
import { type Name, open } from "./contenders.ts";

const CALLS = 1000;
const CONTENT = new Uint8Array(65536).fill(7);
const [name, url, bucket] = Deno.args;

await using contender = await open(name as Name, url, bucket);
await contender.put("warm", CONTENT);
await contender.get("warm");
let most = 0;
const watch = setInterval(() => most = Math.max(most, Deno.memoryUsage().rss), 10);
const start = performance.now();
const outcomes = await Promise.allSettled(
  Array.from({ length: CALLS }, async (_, i) => {
    await contender.put(`flood/${i}`, CONTENT);
    const { length } = await contender.get(`flood/${i}`);
    if (length !== CONTENT.length) throw new Error(`${length} bytes came back`);
  }),
);
const seconds = (performance.now() - start) / 1000;
clearInterval(watch);
const errors = outcomes.filter(({ status }) => status === "rejected").length;
console.log(JSON.stringify({ seconds, errors, mebibytes: most / 2 ** 20 }));
