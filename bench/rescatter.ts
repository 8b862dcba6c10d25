/**
 * What re-scattering in the background costs a busy mount: writes and reads small files on a mount without `--rescatter` and on
 * one with it, by turns, once without a pause and once in bursts with idle seconds between, in which the pass works. Prints
 * operations in a second, as the median of all rounds. Goal: at least 0.9 of those without.
 * `deno run -A bench/rescatter.ts [DIRECTORY]`; the medium is a file there, `/dev/shm` unless given.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { median } from "./filesystems/rows.ts";

const CLI = fileURLToPath(new URL("../cli.ts", import.meta.url));
const ROUNDS = 3;
const WORK_MS = 4000;
const BURST_MS = 300;
const IDLE_MS = 1500;
const FILES = 200;
const FILE_BYTES = 32 * 1024;
const RATE = "16M";
const GOAL = 0.9;

async function sigmavault(...args: string[]): Promise<string> {
  const command = new Deno.Command(Deno.execPath(), { args: ["run", "-A", CLI, ...args] });
  const { code, stdout, stderr } = await command.output();
  if (code !== 0) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** Writes and reads for so long; returns how often. */
async function work(mnt: string, milliseconds: number): Promise<number> {
  const bytes = new Uint8Array(FILE_BYTES);
  const end = performance.now() + milliseconds;
  let done = 0;
  for (; performance.now() < end; done++) {
    await Deno.writeFile(`${mnt}/${done % FILES}`, bytes.fill(done));
    await Deno.readFile(`${mnt}/${(done * 7) % FILES}`);
  }
  return done;
}

async function inBursts(mnt: string): Promise<number> {
  let done = 0;
  for (let spent = 0; spent < WORK_MS / 2; spent += BURST_MS) {
    done += await work(mnt, BURST_MS);
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
  }
  return 2 * done;
}

interface Rates {
  readonly steady: number[];
  readonly bursts: number[];
}

async function round(folder: string, flags: readonly string[], into: Rates): Promise<void> {
  const [mnt, opens] = [`${folder}/mnt`, ["--passphrase-file", `${folder}/pass`]];
  await sigmavault("mount", `${folder}/vault.sv`, mnt, "--background", ...flags, ...opens);
  try {
    for (let i = 0; i < FILES; i++) await Deno.writeFile(`${mnt}/${i}`, new Uint8Array(FILE_BYTES));
    into.steady.push(await work(mnt, WORK_MS) / WORK_MS * 1000);
    into.bursts.push(await inBursts(mnt) / WORK_MS * 1000);
    if (flags.length > 0) {
      const { rescatter } = JSON.parse(await sigmavault("info", mnt, "--json"));
      if (rescatter === null) throw new Error("the pass never worked");
    }
  } finally {
    await sigmavault("umount", mnt);
  }
}

const folder = await Deno.makeTempDir({ dir: Deno.args[0] ?? "/dev/shm", prefix: "sv-bench-" });
try {
  await Deno.mkdir(`${folder}/mnt`);
  await Deno.writeTextFile(`${folder}/pass`, "bench", { mode: 0o600 });
  await sigmavault("create", `${folder}/vault.sv`, "--passphrase-file", `${folder}/pass`);
  const without: Rates = { steady: [], bursts: [] };
  const beside: Rates = { steady: [], bursts: [] };
  for (let n = 0; n < ROUNDS; n++) {
    await round(folder, [], without);
    await round(folder, ["--rescatter", RATE], beside);
  }
  for (const load of ["steady", "bursts"] as const) {
    const [a, b] = [median(without[load]), median(beside[load])];
    const share = b / a;
    const verdict = share >= GOAL ? "ok" : "below the goal";
    console.log(
      `${load}: ${a.toFixed(0)}/s without, ${b.toFixed(0)}/s with: ${share.toFixed(2)} ${verdict}`,
    );
  }
} finally {
  await Deno.remove(folder, { recursive: true });
}
