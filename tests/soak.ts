/**
 * `deno task soak [HOURS]`: the suites that run on random input, over and over with fresh seeds and far longer than
 * `deno task test` does, until the time is up (one hour unless said) or one fails. A failure prints the command that
 * repeats it.
 *
 * @module
 */
import { FUSE, provide } from "../examples/system_packages.ts";

const ROOT = new URL("../", import.meta.url);
const HOUR_MS = 3_600_000;

/** One suite and how long it is made. */
interface Suite {
  readonly path: string;
  readonly length: Readonly<Record<string, string>>;
}

const SUITES: readonly Suite[] = [
  { path: "tests/property/vault_model_test.ts", length: { SIGMAVAULT_MODEL_STEPS: "30000" } },
  { path: "tests/property/codecs_fuzz_test.ts", length: { SIGMAVAULT_FUZZ_RUNS: "20000" } },
  { path: "tests/crash/engine_test.ts", length: { SIGMAVAULT_CRASH_SEEDS: "5" } },
  { path: "tests/crash/file_system_test.ts", length: { SIGMAVAULT_CRASH_SEEDS: "5" } },
  { path: "tests/mount/stress_test.ts", length: { SIGMAVAULT_STRESS_OPERATIONS: "100000" } },
  { path: "tests/mount/kill_test.ts", length: { SIGMAVAULT_KILL_ROUNDS: "40" } },
];

async function run(suite: Suite, seed: number): Promise<boolean> {
  const env = {
    ...suite.length,
    SIGMAVAULT_FIRST_SEED: String(seed),
    SIGMAVAULT_STRESS_SEED: String(seed),
    SIGMAVAULT_KILL_SEED: String(seed),
  };
  const args = ["test", "-A", "--no-check", suite.path];
  const { success } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    env,
    stdin: "null",
  }).spawn().status;
  if (!success) {
    const set = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    console.error(`failed; again: ${[...set, "deno", ...args].join(" ")}`);
  }
  return success;
}

async function main(hours: number): Promise<number> {
  if (!(hours > 0)) {
    console.error("Cannot soak: want a number of hours above zero, as in `deno task soak 8`");
    return 2;
  }
  await provide([FUSE], (line) => console.log(line));
  const end = performance.now() + hours * HOUR_MS;
  for (let round = 1;; round++) {
    for (const suite of SUITES) {
      const left = Math.round((end - performance.now()) / 60_000);
      if (left <= 0) return 0;
      const [seed] = crypto.getRandomValues(new Uint32Array(1));
      console.log(`== round ${round}, ${left} minutes left: ${suite.path}, seed ${seed}`);
      if (!await run(suite, seed)) return 1;
    }
  }
}

if (import.meta.main) Deno.exit(await main(Number(Deno.args[0] ?? 1)));
