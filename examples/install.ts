/**
 * `deno task install`: makes one program of all modules, and a command that runs it.
 *
 *     deno task install                    as root for everybody (/usr/local), else for you (~/.local)
 *     deno task install --root DIRECTORY   DIRECTORY/bin/sigmavault, DIRECTORY/lib/sigmavault
 *
 * Each verb then starts in about half the time: at every start Deno looks for, reads and hashes each module, and there are 600. The
 * folder that it is installed from is not needed afterwards, and no packages but sharp, which is native code.
 *
 * @module
 */
import { dirname, relative, resolve } from "node:path";
import { filesBelow } from "./quickstart.ts";

const REPOSITORY = decodeURIComponent(new URL("../", import.meta.url).pathname);

/** Threads are one file each; of the command line, what few verbs use lies in files of its own. */
const BUNDLES: readonly (readonly string[])[] = [
  ["--code-splitting", "--outdir=", "cli.ts", "backends/storage.ts"],
  ["--output=mount_worker.js", "ffi/mount_worker.ts"],
  ["--output=worker.js", "wasm/worker.ts"],
];

/** Modules that are found by their address when the program runs: no bundler follows these. */
const ADDRESSED: readonly (readonly [source: string, installed: string])[] = [
  ["mount_worker.ts", "mount_worker.js"],
  ["worker.ts", "worker.js"],
  ["storage.ts", "backends/storage.js"],
];
const ADDRESS = /new URL\("[./]*(?:\w+\/)*(\w+\.ts)", import\.meta\.url\)/g;

/** Its native part cannot be bundled: it comes from Deno's cache, where it is put now. */
const NATIVE_PACKAGE = "sharp";

/**
 * For what serves a mount (measured: core/README.md): younger objects die in a larger space, and what has run 3,000 times is not
 * compiled once more before it has run 60,000 times, which takes the processor from programs that wait.
 */
const V8_FLAGS = ["--min-semi-space-size=8", "--invocation-count-for-turbofan=60000"];

interface Configuration {
  readonly version: string;
  readonly imports: Record<string, string>;
}

/** What somebody is told who can do something about it. */
class NotInstalled extends Error {}

/** Installs below a directory; returns the path of the command. */
export async function install(root: string): Promise<string> {
  const text = await Deno.readTextFile(`${REPOSITORY}deno.json`);
  const { version, imports } = JSON.parse(text) as Configuration;
  const library = `${root}/lib/sigmavault`;
  await Deno.mkdir(dirname(root), { recursive: true });
  for (const folder of [root, `${root}/lib`, `${root}/bin`]) await makeOpen(folder);
  await withoutLeftovers(`${root}/lib`);
  const fresh = `${library}.new`;
  await Deno.mkdir(fresh);
  try {
    // One after another: each looks for Deno's bundler first, and those that get it at the same time disturb each other.
    for (const words of BUNDLES) await bundle(words, fresh);
    await readdress(fresh, imports[NATIVE_PACKAGE]);
    await deno(`get ${NATIVE_PACKAGE}`, [
      "cache",
      "--no-config",
      "--no-lock",
      imports[NATIVE_PACKAGE],
    ]);
    for (const folder of [fresh, `${fresh}/backends`]) await Deno.chmod(folder, 0o755);
    await replace(library, fresh);
  } finally {
    await withoutLeftovers(`${root}/lib`);
  }
  return await writeCommand(`${root}/bin`, library, version);
}

/** A directory that everybody may look into, whatever the umask; one that is there stays as it is. */
async function makeOpen(folder: string): Promise<void> {
  try {
    await Deno.mkdir(folder);
    await Deno.chmod(folder, 0o755);
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
}

/** Puts a folder in the place of another, which comes back where that fails. */
async function replace(folder: string, fresh: string): Promise<void> {
  const older = `${folder}.old`;
  await Deno.rename(folder, older).catch(unlessMissing);
  try {
    await Deno.rename(fresh, folder);
  } catch (error) {
    await Deno.rename(older, folder).catch(unlessMissing);
    throw error;
  }
}

/** Removes what an installation that was cut off has left. */
async function withoutLeftovers(folder: string): Promise<void> {
  for (const end of ["new", "old"]) {
    await Deno.remove(`${folder}/sigmavault.${end}`, { recursive: true }).catch(unlessMissing);
  }
}

async function bundle(words: readonly string[], target: string): Promise<void> {
  const output = words.map((word) => word.replace(/^(--out\w+=)/, `$1${target}/`));
  await deno("bundle", ["bundle", `--external=${NATIVE_PACKAGE}`, ...output]);
}

async function deno(what: string, [verb, ...args]: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [verb, "--quiet", ...args],
    cwd: REPOSITORY,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).output();
  if (success) return;
  throw new NotInstalled(`Cannot ${what}: ${new TextDecoder().decode(stderr).trim()}`);
}

/** Puts the installed addresses in the place of the sources'. */
async function readdress(directory: string, nativePackage: string): Promise<void> {
  const found = new Set<string>();
  for (const path of filesBelow(`${directory}/`)) {
    const code = (await Deno.readTextFile(path))
      .replace(ADDRESS, (address, name: string) => {
        const installed = ADDRESSED.find(([source]) => source === name)?.[1];
        if (installed === undefined) throw new Error(`What is ${address} when it is installed?`);
        found.add(name);
        const fromHere = relative(dirname(path), `${directory}/${installed}`);
        return `new URL("${fromHere}", import.meta.url)`;
      })
      .replaceAll(`import("${NATIVE_PACKAGE}")`, () => {
        found.add(NATIVE_PACKAGE);
        // Not as a literal: Deno would look for it at every start of a verb that may come to use it.
        return `import(["${nativePackage}"][0])`;
      });
    await Deno.writeTextFile(path, code);
    await Deno.chmod(path, 0o644); // everybody may run it, whatever the umask
  }
  const missing = [...ADDRESSED.map(([source]) => source), NATIVE_PACKAGE]
    .filter((name) => !found.has(name));
  if (missing.length > 0) throw new Error(`Cannot find where ${missing.join(", ")} is loaded`);
}

async function writeCommand(directory: string, library: string, version: string): Promise<string> {
  const command = `${directory}/sigmavault`;
  const text = `#!/bin/sh
# sigmavault ${version}; to remove it, remove this file and the folder that it names.
# Argon2id fills 64 MiB or more: huge pages save a third of its time. A command that it runs for others goes without.
[ "$1" = transaction ] ||
  export GLIBC_TUNABLES="glibc.malloc.hugetlb=1\${GLIBC_TUNABLES:+:$GLIBC_TUNABLES}"
# A mount works better with these. Another Deno might not know them, and would not start.
case $1 in mount | create)
  [ -n "$DENO_V8_FLAGS" ] || [ "$(deno -V)" != "deno ${Deno.version.deno}" ] ||
    export DENO_V8_FLAGS=${V8_FLAGS.join(",")} ;;
esac
exec deno run --allow-all --no-config --no-lock ${quoted(`${library}/cli.js`)} "$@"
`;
  const fresh = `${command}.new`;
  await Deno.writeTextFile(fresh, text, { mode: 0o755 });
  await Deno.chmod(fresh, 0o755);
  try {
    await Deno.rename(fresh, command);
  } catch (error) {
    await Deno.remove(fresh);
    throw error;
  }
  return command;
}

/** As one word of a shell. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

function unlessMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

/** Where commands of this user are found. */
function rootFor(args: readonly string[]): string | null {
  const [option, value] = args[0]?.startsWith("--root=")
    ? ["--root", args[0].slice("--root=".length)]
    : args;
  if (option === "--root" && value !== undefined && value !== "") return resolve(value);
  if (option !== undefined) return null;
  return Deno.uid() === 0 ? "/usr/local" : `${Deno.env.get("HOME")}/.local`;
}

async function main(args: readonly string[]): Promise<number> {
  const root = rootFor(args);
  if (root === null) {
    console.error(`usage: deno task install [--root DIRECTORY]`);
    return 2;
  }
  let command: string;
  try {
    command = await install(root);
  } catch (error) {
    if (!(error instanceof NotInstalled || error instanceof Deno.errors.PermissionDenied)) {
      throw error;
    }
    console.error(error.message);
    return 1;
  }
  console.log(`installed ${command}`);
  const path = (Deno.env.get("PATH") ?? "").split(":");
  if (!path.includes(`${root}/bin`)) console.log(`put ${root}/bin in your PATH`);
  return 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
