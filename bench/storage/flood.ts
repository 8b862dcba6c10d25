/** 1,000 calls at once, and what they take of memory. */
import { type Contender, type Name, NAMES } from "./contenders.ts";
import { median } from "../filesystems/rows.ts";

const ROUNDS = 3;

interface Flood {
  readonly seconds: number;
  readonly errors: number;
  readonly mebibytes: number;
}

async function flood(name: Name, url: string, bucket: string): Promise<Flood> {
  const program = new URL("flood_program.ts", import.meta.url).href;
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", program, name, url, bucket],
    stderr: "inherit",
  }).output();
  if (code !== 0) throw new Error(`${name} ended with ${code}`);
  return JSON.parse(new TextDecoder().decode(stdout).trim().split("\n").at(-1)!);
}

/** A process of its own for each, so that nobody's memory counts as another's. */
export async function measureFlood(
  url: string,
  bucketOf: (name: Contender["name"]) => string,
): Promise<void> {
  console.log("\n| 1,000 at once, 64 KiB put and got | seconds | MiB at most | errors |");
  console.log("| --- | ---: | ---: | ---: |");
  for (const name of NAMES) {
    const rounds: Flood[] = [];
    for (let i = 0; i < ROUNDS; i++) rounds.push(await flood(name, url, bucketOf(name)));
    const seconds = median(rounds.map((it) => it.seconds)).toFixed(1);
    const most = Math.max(...rounds.map((it) => it.mebibytes)).toFixed(0);
    const errors = rounds.reduce((sum, it) => sum + it.errors, 0);
    console.log(`| ${name} | ${seconds} | ${most} | ${errors} |`);
  }
}
