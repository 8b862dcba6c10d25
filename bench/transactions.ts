/**
 * How long the transaction of a mount takes to end: `deno run -A bench/transactions.ts [files…]` (default 1 100 10000) makes a
 * vault on tmpfs, and for each number of files changes so many inside a transaction, once to commit and once to roll back.
 * Prints the median of three, in milliseconds, as a program outside sees it.
 *
 * @module
 */
import { MountedVault } from "../tests/support/mounted_vault.ts";

const ROUNDS = 3;
const CONTENT_BYTES = 1000;
const PER_DIRECTORY = 1000;

const counts = Deno.args.length > 0 ? Deno.args.map(Number) : [1, 100, 10_000];

function pathOf(root: string, i: number): string {
  return `${root}/d${Math.floor(i / PER_DIRECTORY)}/f${i}`;
}

function change(root: string, count: number, fill: number): void {
  const content = new Uint8Array(CONTENT_BYTES).fill(fill);
  for (let i = 0; i < count; i++) {
    if (i % PER_DIRECTORY === 0) {
      Deno.mkdirSync(`${root}/d${i / PER_DIRECTORY}`, { recursive: true });
    }
    Deno.writeFileSync(pathOf(root, i), content);
  }
}

function requireContent(root: string, count: number, fill: number): void {
  for (let i = 0; i < count; i++) {
    const bytes = Deno.readFileSync(pathOf(root, i));
    if (bytes.length !== CONTENT_BYTES || bytes[7] !== fill) throw new Error(`file ${i} is wrong`);
  }
}

/** Milliseconds from asking for the end of a transaction to its answer. */
async function timeEnd(
  vault: MountedVault,
  count: number,
  end: "commit" | "rollback",
): Promise<number> {
  await vault.control("begin");
  change(vault.mountpoint, count, 2);
  const start = performance.now();
  await vault.control(end);
  const milliseconds = performance.now() - start;
  requireContent(vault.mountpoint, count, end === "commit" ? 2 : 1);
  change(vault.mountpoint, count, 1);
  return milliseconds;
}

const median = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

await using vault = await MountedVault.create();
console.log("| files changed | commit, ms | rollback, ms |\n| ---: | ---: | ---: |");
for (const count of counts) {
  change(vault.mountpoint, count, 1);
  const row: string[] = [];
  for (const end of ["commit", "rollback"] as const) {
    const times: number[] = [];
    for (let round = 0; round < ROUNDS; round++) times.push(await timeEnd(vault, count, end));
    row.push(median(times).toFixed(1));
  }
  console.log(`| ${count} | ${row.join(" | ")} |`);
}
