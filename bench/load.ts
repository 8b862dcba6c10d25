/**
 * How a mount bears load: `deno run -A bench/load.ts [files] [entries]` makes so many small files (default 1,000,000) in
 * directories of 1,000, and one directory of so many entries (default 200,000), through a real mount, and prints the
 * time of each step and the memory of the serving process after it. Then 64 writers at once, and a minute of idleness.
 *
 * @module
 */
import { MountedVault } from "../tests/support/mounted_vault.ts";

const FILES_PER_DIRECTORY = 1000;
const CONTENT_BYTES = 100;
const WRITERS = 64;
const WRITER_MIB = 16;
const CLOCK_TICKS_PER_SECOND = 100;

const [files = 1_000_000, entries = 200_000, idleSeconds = 60] = Deno.args.map(Number);

/** A line of /proc/PID/status in MiB. */
async function memoryMib(pid: number, line: string): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  const found = status.match(new RegExp(`^${line}:\\s+(\\d+) kB`, "m"));
  return Math.round(Number(found?.[1] ?? NaN) / 1024);
}

/** Processor time of a process so far, in milliseconds. */
async function cpuTimeMs(pid: number): Promise<number> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 1000 / CLOCK_TICKS_PER_SECOND;
}

async function step(vault: MountedVault, name: string, run: () => unknown): Promise<void> {
  const start = performance.now();
  const what = await run();
  const seconds = ((performance.now() - start) / 1000).toFixed(2);
  const now = await memoryMib(vault.pid, "VmRSS");
  const peak = await memoryMib(vault.pid, "VmHWM");
  console.log(`${name}: ${seconds} s, RSS ${now} MiB, peak ${peak} MiB${what ? `, ${what}` : ""}`);
}

/** Makes the small files; names of directories and files are numbers. */
function makeFiles(root: string): void {
  const content = new Uint8Array(CONTENT_BYTES);
  const view = new DataView(content.buffer);
  for (let i = 0; i < files; i++) {
    const directory = `${root}/d${Math.floor(i / FILES_PER_DIRECTORY)}`;
    if (i % FILES_PER_DIRECTORY === 0) Deno.mkdirSync(directory, { recursive: true });
    view.setUint32(0, i, true);
    Deno.writeFileSync(`${directory}/f${i}`, content);
  }
}

/** Reads some of the files, in no order, and compares. */
function readSome(root: string, count: number): string {
  for (let n = 0; n < count; n++) {
    const i = Math.floor(Math.random() * files);
    const bytes = Deno.readFileSync(`${root}/d${Math.floor(i / FILES_PER_DIRECTORY)}/f${i}`);
    const found = new DataView(bytes.buffer).getUint32(0, true);
    if (bytes.length !== CONTENT_BYTES || found !== i) throw new Error(`file ${i} is wrong`);
  }
  return `${count} files right`;
}

function makeEntries(root: string): void {
  Deno.mkdirSync(root);
  for (let i = 0; i < entries; i++) Deno.mkdirSync(`${root}/entry ${i}`);
}

function countEntries(root: string): string {
  let count = 0;
  for (const _ of Deno.readDirSync(root)) count++;
  if (count !== entries) throw new Error(`${count} entries are listed`);
  return `${count} listed`;
}

async function parallelWriters(vault: MountedVault): Promise<string> {
  const script = `for i in $(seq ${WRITERS}); do
    head -c ${WRITER_MIB}M /dev/urandom | tee w$i | sha256sum > /tmp/$$.$i & done; wait
    for i in $(seq ${WRITERS}); do sha256sum < w$i | cmp - /tmp/$$.$i; done; rm -f /tmp/$$.* w*`;
  await vault.ok(script);
  return `${WRITERS} × ${WRITER_MIB} MiB right`;
}

if (import.meta.main) {
  await using vault = await MountedVault.create({ sizeBytes: 64 * 2 ** 30 });
  const root = vault.mountpoint;
  await step(vault, "mounted", () => {});
  await step(vault, `make ${files} files`, () => makeFiles(root));
  await step(vault, "unmount and mount", () => vault.remount());
  await step(vault, "find", () => vault.ok("find . | wc -l"));
  await step(vault, "find -size", () => vault.ok("find . -size +1 -type f | wc -l"));
  await step(vault, "read at random", () => readSome(root, 20_000));
  await step(vault, `make ${entries} directories in one`, () => makeEntries(`${root}/many`));
  await step(vault, "list it", () => countEntries(`${root}/many`));
  await step(vault, "ls -l it", () => vault.ok("ls -l many | wc -l"));
  await step(vault, "writers", () => parallelWriters(vault));
  await step(vault, "rm -r all", () => vault.ok("rm -r d* many"));
  await step(vault, "unmount and mount", () => vault.remount());
  // The first seconds still belong to starting.
  await new Promise((resolve) => setTimeout(resolve, 5000));
  const before = await cpuTimeMs(vault.pid);
  await step(vault, "idle", () => new Promise((r) => setTimeout(r, idleSeconds * 1000)));
  const used = await cpuTimeMs(vault.pid) - before;
  console.log(`idle: ${used} ms of processor time in ${idleSeconds} s`);
}
