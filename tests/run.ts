/**
 * `deno task test`: prepares what the tests need, runs every suite, and ends with one line of counts.
 *
 *     deno task test                 everything
 *     deno task test tests/mount     one folder or file
 *
 * @module
 */
import { FUSE, provide, withProgram } from "../examples/system_packages.ts";
import { AZURITE_SERVER } from "./servers/azurite.ts";
import { CEPH, CEPH_PACKAGES } from "./servers/ceph.ts";
import { GOOGLE_EMULATOR } from "./servers/google.ts";
import { POSTGRES, POSTGRES_PACKAGE } from "./servers/postgres.ts";
import { type ServerKind, startServers } from "./servers/shared.ts";
import { type JunitCase, readJunit } from "./support/junit.ts";
import { skipLines } from "./support/skip_reasons.ts";

const ROOT = new URL("../", import.meta.url);
const CODE = ["core", "wasm", "ffi", "backends"];
/** These mount, kill and fill: one file at a time, and nothing beside them. */
const ALONE = ["tests/mount", "tests/cli", "tests/load"];

const PACKAGES = [
  FUSE,
  withProgram("attr", "setfattr"),
  withProgram("acl", "setfacl"),
  withProgram("sqlite3", "sqlite3"),
  withProgram("rsync", "rsync"),
  withProgram("git", "git"),
  withProgram("python3-minimal", "python3"),
  ...CEPH_PACKAGES,
  POSTGRES_PACKAGE,
];

/** Started once for all files; a file that runs alone starts what it needs. */
const SERVERS: readonly ServerKind[] = [CEPH, AZURITE_SERVER, GOOGLE_EMULATOR, POSTGRES];

/** A suite that has not ended by then hangs. */
const SUITE_MINUTES_MAX = 40;

/** Some of the tests, run by one process. */
interface Suite {
  readonly name: string;
  readonly options: readonly string[];
  readonly paths: readonly string[];
}

/** What a suite did. */
interface Outcome {
  readonly cases: readonly JunitCase[];
  /** Why it ended badly although no test says so: a file that does not load, a test that ends the process. */
  readonly trouble?: string;
}

const say = (line: string) => console.log(line);

function suites(): Suite[] {
  const folders = [...Deno.readDirSync(new URL("tests/", ROOT))]
    .filter((entry) => entry.isDirectory).map((entry) => `tests/${entry.name}`).sort();
  const together = [...CODE, ...folders.filter((folder) => !ALONE.includes(folder))];
  const documents = filesBelow("").filter(hasExample);
  const strict = ["--sanitize-ops", "--sanitize-resources"];
  return [
    {
      name: "units, contracts and properties",
      options: ["--parallel", ...strict],
      paths: together.filter(hasTests),
    },
    ...ALONE.filter(hasTests).map((path) => ({ name: path, options: strict, paths: [path] })),
    { name: "examples in documents", options: ["--doc", "--parallel"], paths: documents },
  ].filter(({ paths }) => paths.length > 0);
}

function filesBelow(folder: string): string[] {
  const paths: string[] = [];
  for (const entry of Deno.readDirSync(new URL(folder || ".", ROOT))) {
    const path = folder + entry.name;
    if (entry.name.startsWith(".") || entry.name === "node_modules") continue;
    if (entry.isDirectory) paths.push(...filesBelow(path + "/"));
    else paths.push(path);
  }
  return paths.sort();
}

function hasTests(folder: string): boolean {
  try {
    return filesBelow(folder + "/").some((path) => path.endsWith("_test.ts"));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Code that a reader may copy, in a comment of a module or in a document for users of the library. */
function hasExample(path: string): boolean {
  const isModule = path.endsWith(".ts") && !path.endsWith("_test.ts") && !path.startsWith("tests/");
  if (!isModule && path !== "README.md") return false;
  return /```(ts|typescript)\b/.test(Deno.readTextFileSync(new URL(path, ROOT)));
}

async function runSuite(suite: Suite, env: Record<string, string>): Promise<Outcome> {
  say(`\n== ${suite.name}`);
  const report = await Deno.makeTempFile({ suffix: ".xml" });
  const limit = AbortSignal.timeout(SUITE_MINUTES_MAX * 60_000);
  try {
    const { code } = await new Deno.Command(Deno.execPath(), {
      args: ["test", "-A", ...suite.options, `--junit-path=${report}`, ...suite.paths],
      cwd: ROOT,
      env,
      stdin: "null",
      stdout: "inherit",
      stderr: "inherit",
      signal: limit,
    }).output();
    const cases = readJunit(await Deno.readTextFile(report));
    if (limit.aborted) {
      return { cases, trouble: `${suite.name}: not ended after ${SUITE_MINUTES_MAX} minutes` };
    }
    const explained = code === 0 ? cases.length > 0 : cases.some((it) => it.state === "failed");
    return explained ? { cases } : { cases, trouble: `${suite.name}: ended with code ${code}` };
  } finally {
    await Deno.remove(report);
  }
}

async function main(paths: readonly string[]): Promise<number> {
  const start = performance.now();
  await provide(PACKAGES, say);
  const chosen = paths.length === 0
    ? suites()
    : [{ name: paths.join(" "), options: ["--sanitize-ops", "--sanitize-resources"], paths }];
  await using servers = await startServers(paths.length === 0 ? SERVERS : [], say);
  const outcomes: Outcome[] = [];
  for (const suite of chosen) outcomes.push(await runSuite(suite, servers.variables));
  const cases = outcomes.flatMap((it) => it.cases);
  const of = (state: JunitCase["state"]) => cases.filter((it) => it.state === state);
  const failures = [
    ...of("failed").map((it) => `${it.file}: ${it.name}`),
    ...outcomes.flatMap((it) => it.trouble ?? []),
  ];
  say("");
  for (const line of skipLines(of("skipped").map((it) => it.name))) say(line);
  for (const failure of failures) say(`failed: ${failure}`);
  say(`took ${Math.round((performance.now() - start) / 1000)} s`);
  const [passed, skipped] = [of("passed").length, of("skipped").length];
  say(`${passed} passed, ${failures.length} failed, ${skipped} skipped`);
  return failures.length === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
