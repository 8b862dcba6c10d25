/**
 * How long a snapshot and a rollback take, whatever the number of files: `deno run -A bench/snapshots.ts [files…]` (default 1000
 * 100000 1000000) fills a vault on tmpfs with small files, and in each round changes a hundred of them, makes a snapshot, changes a
 * hundred others, and rolls back. Prints the median and the worst of 15 rounds in milliseconds, as a program that has the vault
 * open sees them, with all that has to be durable before; and the processor's share of the median, which other programs on the
 * machine do not stretch. Goals: 50 for the snapshot, 200 for the rollback.
 *
 * @module
 */
import process from "node:process";
import { createVault, type Vault } from "../mod.ts";

const ROUNDS = 15;
const CHANGED = 100;
const PER_DIRECTORY = 1000;
const CONTENT_BYTES = 100;

const counts = Deno.args.length > 0 ? Deno.args.map(Number) : [1000, 100_000, 1_000_000];

function pathOf(n: number): string {
  return `/d${Math.floor(n / PER_DIRECTORY)}/f${n}`;
}

async function fill({ files }: Vault, count: number): Promise<void> {
  const content = new Uint8Array(CONTENT_BYTES).fill(1);
  for (let n = 0; n < count; n++) {
    if (n % PER_DIRECTORY === 0) await files.makeDirectory(`/d${n / PER_DIRECTORY}`);
    await files.writeFile(pathOf(n), content);
  }
}

/** Changes files that lie far from each other. */
async function change({ files }: Vault, count: number, round: number): Promise<void> {
  const content = new Uint8Array(CONTENT_BYTES).fill(round);
  for (let i = 0; i < CHANGED; i++) {
    await files.writeFile(pathOf(Math.floor((i * count) / CHANGED) + round % 10), content);
  }
}

interface Timed {
  readonly milliseconds: number;
  readonly processorMs: number;
}

async function timed(work: () => Promise<unknown>): Promise<Timed> {
  const used = process.cpuUsage();
  const start = performance.now();
  await work();
  const milliseconds = performance.now() - start;
  const { user, system } = process.cpuUsage(used);
  return { milliseconds, processorMs: (user + system) / 1000 };
}

interface Times {
  readonly snapshot: Timed[];
  readonly rollback: Timed[];
  readonly diff: Timed[];
}

async function measure(vault: Vault, count: number): Promise<Times> {
  const times: Times = { snapshot: [], rollback: [], diff: [] };
  const { snapshots } = vault;
  for (let round = 0; round < ROUNDS; round++) {
    await change(vault, count, 2 * round);
    times.snapshot.push(await timed(() => snapshots.create("main", `round ${round}`)));
    await change(vault, count, 2 * round + 1);
    times.diff.push(await timed(() => snapshots.diff("main", `round ${round}`)));
    times.rollback.push(await timed(() => snapshots.rollback("main", `round ${round}`)));
  }
  return times;
}

function shown(values: readonly Timed[]): string {
  const sorted = values.toSorted((a, b) => a.milliseconds - b.milliseconds);
  const median = sorted[Math.floor(sorted.length / 2)];
  const worst = sorted[sorted.length - 1];
  const used = values.map(({ processorMs }) => processorMs).sort((a, b) => a - b);
  const usedMedian = used[Math.floor(used.length / 2)];
  return [median.milliseconds, usedMedian, worst.milliseconds].map((value) => value.toFixed(1))
    .join(" | ");
}

const columns = ["snapshot", "rollback", "diff"].map((name) => `${name} p50 | processor | worst`);
console.log(`| files | ${columns.join(" | ")} |`);
console.log(`|${" ---: |".repeat(10)}`);
for (const count of counts) {
  const directory = await Deno.makeTempDir({ dir: "/dev/shm", prefix: "sv-snapshots-" });
  try {
    const passphrase = new TextEncoder().encode("bench");
    await using vault = await createVault({ medium: `${directory}/vault.sv`, passphrase });
    await fill(vault, count);
    await vault.commit();
    const { snapshot, rollback, diff } = await measure(vault, count);
    console.log(`| ${count} | ${shown(snapshot)} | ${shown(rollback)} | ${shown(diff)} |`);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}
