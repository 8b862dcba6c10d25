/**
 * How fast snapshots go from one vault to another, and a difference: `send | receive` of two media against `tar c | tar x` of
 * two mounts and a sync, in the same run, with a large file and 2,000 small ones; programs are started anew each time. Prints
 * seconds and MB/s, medians of 3. `deno run -A bench/send.ts [DIRECTORY]`; the media are files there, `/dev/shm` unless given.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { MIB } from "../core/limits.ts";
import { median } from "./filesystems/rows.ts";
import { dropCaches, run } from "./filesystems/shell.ts";

const CLI = fileURLToPath(new URL("../cli.ts", import.meta.url));
const ROUNDS = 3;
const LARGE_BYTES = 256 * MIB;
const SMALL_FILES = 2000;
const SMALL_BYTES = 8 * 1024;
/** Of the large file, and of small ones. */
const CHANGED_BYTES = 4 * MIB;
const CHANGED_FILES = 50;

const folder = await Deno.makeTempDir({ dir: Deno.args[0] ?? "/dev/shm", prefix: "send-bench-" });
const [from, to, source, sink] = ["from.sv", "to.sv", "source", "sink"].map((n) =>
  `${folder}/${n}`
);
const SV = `${Deno.execPath()} run -A --no-check ${CLI}`;
const OPENS = `--passphrase-file ${folder}/pass --kdf interactive`;
const SHARED = `--stream-passphrase-file ${folder}/pass`;

async function seconds(line: string): Promise<number> {
  await dropCaches();
  const start = performance.now();
  await run("bash", ["-euo", "pipefail", "-c", line]);
  return (performance.now() - start) / 1000;
}

const verb = (line: string) => run("bash", ["-euo", "pipefail", "-c", `${SV} ${line}`]);

function noise(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 65536) {
    crypto.getRandomValues(bytes.subarray(at, at + 65536));
  }
  return bytes;
}

async function fill(): Promise<void> {
  using large = await Deno.open(`${source}/large`, { write: true, create: true });
  const part = noise(MIB);
  for (let at = 0; at < LARGE_BYTES; at += MIB) await large.write(part);
  await Deno.mkdir(`${source}/small`);
  for (let i = 0; i < SMALL_FILES; i++) {
    await Deno.writeFile(`${source}/small/${i}`, noise(SMALL_BYTES));
  }
}

async function change(round: number): Promise<void> {
  using large = await Deno.open(`${source}/large`, { write: true });
  await large.seek((round + 1) * 32 * MIB, Deno.SeekMode.Start);
  await large.write(noise(CHANGED_BYTES));
  for (let i = 0; i < CHANGED_FILES; i++) {
    await Deno.writeFile(`${source}/small/${(i * 37 + round) % SMALL_FILES}`, noise(SMALL_BYTES));
  }
}

async function onSource(work: () => Promise<unknown>): Promise<void> {
  await verb(`mount ${from} ${source} --background ${OPENS}`);
  try {
    await work();
  } finally {
    await verb(`umount ${source}`);
  }
}

interface Times {
  readonly tar: number[];
  readonly whole: number[];
  readonly difference: number[];
}

async function round(n: number, times: Times): Promise<void> {
  const send = (snapshot: string, more = "") =>
    `${SV} send ${from} ${snapshot} ${more} ${OPENS} ${SHARED} 2>/dev/null |` +
    ` ${SV} receive ${to} copy${n} ${OPENS} ${SHARED} >/dev/null`;
  await onSource(async () => {
    await verb(`snapshot create ${source} base${n}`);
    await verb(`mount ${to} ${sink} --background ${OPENS}`);
    await Deno.mkdir(`${sink}/${n}`);
    const tar = `tar -C ${source} -cf - . | tar -C ${sink}/${n} -xf - && sync -f ${sink}`;
    times.tar.push(await seconds(tar));
    await verb(`umount ${sink}`);
  });
  times.whole.push(await seconds(send(`base${n}`)));
  await onSource(async () => {
    await change(n);
    await verb(`snapshot create ${source} later${n}`);
  });
  times.difference.push(await seconds(send(`later${n}`, `--from base${n}`)));
}

function line(what: string, bytes: number, times: readonly number[]): string {
  const taken = median(times);
  return `${what}: ${taken.toFixed(2)} s, ${Math.round(bytes / taken / 1e6)} MB/s`;
}

try {
  await Deno.writeTextFile(`${folder}/pass`, "bench\n", { mode: 0o600 });
  for (const each of [source, sink]) await Deno.mkdir(each);
  for (const medium of [from, to]) await verb(`create ${medium} --passphrase-file ${folder}/pass`);
  await onSource(fill);
  const times: Times = { tar: [], whole: [], difference: [] };
  for (let n = 0; n < ROUNDS; n++) await round(n, times);
  const all = LARGE_BYTES + SMALL_FILES * SMALL_BYTES;
  const some = CHANGED_BYTES + CHANGED_FILES * SMALL_BYTES;
  console.log(line("tar c | tar x between mounts", all, times.tar));
  console.log(line("send | receive, whole", all, times.whole));
  console.log(line("send --from | receive, a difference", some, times.difference));
} finally {
  await Deno.remove(folder, { recursive: true });
}
