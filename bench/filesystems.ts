/**
 * ΣVAULT's mount beside other encrypted filesystems, all measured in turn in the same run, on tmpfs:
 *
 *     deno task bench [--install] [--all] [--runs N] [--only NAME,NAME] [--directory D] [--json]
 *
 * The product is measured as `deno task install` installs it. Every phase starts on a fresh mount with dropped caches. As root
 * it can drop them and, with `--install`, gets the peers with apt. Prints medians, ratios, and which goals are met.
 *
 * @module
 */
import os from "node:os";
import { parseArgs } from "node:util";
import { install } from "../examples/install.ts";
import { provide, withProgram } from "../examples/system_packages.ts";
import { type Contender, contendersWith } from "./filesystems/contenders.ts";
import { type Figures, measure } from "./filesystems/measure.ts";
import { goals, type Report, tables } from "./filesystems/report.ts";
import { median, type OwnRowName, type RowName } from "./filesystems/rows.ts";
import { run } from "./filesystems/shell.ts";
import { makeMaterial } from "./filesystems/tree.ts";

const IN_PROCESS = new URL("./filesystems/in_process.ts", import.meta.url).pathname;

const { values: options } = parseArgs({
  args: Deno.args,
  options: {
    install: { type: "boolean", default: false },
    all: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    runs: { type: "string", default: "3" },
    only: { type: "string" },
    directory: { type: "string", default: "/dev/shm" },
  },
});

const say = (line: string) => console.error(line);

async function present(program: string): Promise<Contender[]> {
  const only = options.only?.split(",");
  const wanted = contendersWith(program).filter((it) =>
    only === undefined ? options.all || it.extra !== true : only.includes(it.name)
  );
  const packages = wanted.flatMap((it) =>
    it.package === undefined ? [] : withProgram(it.package, it.program ?? it.package)
  );
  const missing = options.install
    ? await provide(packages, say)
    : packages.filter((it) => !it.isThere()).map((it) => it.name);
  if (missing.length > 0) say(`left out, not installed (see --install): ${missing.join(", ")}`);
  return wanted.filter((it) => it.package === undefined || !missing.includes(it.package));
}

async function measureAll(contenders: readonly Contender[], directory: string): Promise<Report> {
  const runs = Number(options.runs);
  const material = await makeMaterial(directory);
  const measured: Figures[][] = contenders.map(() => []);
  const own: Record<OwnRowName, number>[] = [];
  for (let round = 1; round <= runs; round++) {
    for (const [index, contender] of contenders.entries()) {
      say(`run ${round} of ${runs}: ${contender.name}`);
      measured[index].push(await measure(contender, material, `${directory}/${index}`));
    }
    own.push(JSON.parse(await run(Deno.execPath(), ["run", "-A", IN_PROCESS, directory])));
    await Deno.remove(`${directory}/in_process`);
  }
  const figures = contenders.map(({ name }, index) => [name, medians(measured[index])] as const);
  return { runs, machine: machine(), figures: Object.fromEntries(figures), own: medians(own) };
}

function medians<Name extends RowName | OwnRowName, Row extends Partial<Record<Name, number>>>(
  runs: readonly Row[],
): Row {
  const rows = Object.keys(runs[0]) as (keyof Row)[];
  return Object.fromEntries(
    rows.map((row) => [row, median(runs.map((figures) => figures[row] as number))]),
  ) as Row;
}

function machine(): string {
  const [{ model }] = os.cpus();
  return `${os.cpus().length} × ${model.trim()}, ${os.type()} ${os.release()}, ${options.directory}`;
}

async function main(): Promise<void> {
  if (Deno.uid() !== 0) say("not root: caches are not dropped, so reads may come from memory");
  // On a disk, as the peers' programs are: else dropping caches would not concern it.
  const programs = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "sigmavault-program-" });
  const directory = await Deno.makeTempDir({ dir: options.directory, prefix: "sigmavault-bench-" });
  try {
    const contenders = await present(await install(programs));
    const report = await measureAll(contenders, directory);
    const states = goals(report);
    if (options.json) return console.log(JSON.stringify({ ...report, goals: states }));
    console.log(`${report.machine}; medians of ${report.runs}\n\n${tables(report)}\n`);
    for (const { text, met } of states) console.log(`${met ? "met   " : "missed"}  ${text}`);
  } finally {
    for (const made of [directory, programs]) await Deno.remove(made, { recursive: true });
  }
}

if (import.meta.main) await main();
