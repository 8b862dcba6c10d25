/**
 * `deno task quickstart`: a vault is made, this repository is stored in it, mounted where FUSE is there, read back and
 * compared, and the medium is looked at. Leaves nothing behind.
 *
 * @module
 */
import { FUSE, provide } from "./system_packages.ts";

const REPOSITORY = decodeURIComponent(new URL("../", import.meta.url).pathname);
const CLI = `${REPOSITORY}cli.ts`;
/** Not part of the tree that is stored: packages and what git keeps. */
const LEFT_OUT = ["node_modules", ".git"];
const MIB = 1024 * 1024;

const bold = (text: string) =>
  Deno.stdout.isTerminal() && !Deno.noColor ? `\x1b[1m${text}\x1b[0m` : text;
const say = (line = "") => console.log(line);

/** Runs `sigmavault`, and shows how a person would have typed it. */
async function sigmavault(shown: string, ...args: string[]): Promise<void> {
  say(`\n${bold(`$ sigmavault ${shown}`)}`);
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", CLI, ...args],
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`"sigmavault ${shown}" failed`);
}

/** Why nothing can be mounted; undefined where it can. */
async function whyNoMount(): Promise<string | undefined> {
  if (Deno.build.os !== "linux") return "mounting needs Linux";
  if ((await provide([FUSE], say)).length > 0) return "fuse3 is not installed";
  try {
    Deno.openSync("/dev/fuse", { read: true, write: true }).close();
    return undefined;
  } catch {
    return "/dev/fuse cannot be opened";
  }
}

/** Paths of all files below a directory, whose name ends with a slash. */
export function filesBelow(directory: string): string[] {
  return [...Deno.readDirSync(directory)].flatMap(({ name, isDirectory, isFile }) => {
    if (isDirectory) return filesBelow(`${directory}${name}/`);
    return isFile ? [`${directory}${name}`] : [];
  });
}

/** Compares every file with its copy below another directory, byte by byte. */
async function compare(sources: readonly string[], copies: string): Promise<void> {
  const files = sources.flatMap((source) =>
    Deno.statSync(source).isDirectory ? filesBelow(`${source}/`) : [source]
  );
  let bytes = 0;
  for (const file of files) {
    const [ours, theirs] = await Promise.all([
      Deno.readFile(file),
      Deno.readFile(copies + file.slice(REPOSITORY.length)),
    ]);
    if (ours.length !== theirs.length || ours.some((byte, i) => byte !== theirs[i])) {
      throw new Error(`"${file}" came back different`);
    }
    bytes += ours.length;
  }
  say(`${files.length} files, ${(bytes / MIB).toFixed(1)} MiB: the same, byte by byte`);
}

/** How often a word is in a file, as bytes. */
function count(path: string, word: string): number {
  return new TextDecoder("latin1").decode(Deno.readFileSync(path)).split(word).length - 1;
}

function look(vault: string, source: string): void {
  say(`\n${bold("What somebody without the key finds")}`);
  const word = "vault";
  const first = [...Deno.readFileSync(vault).subarray(0, 24)];
  say(`first bytes       ${first.map((byte) => byte.toString(16).padStart(2, "0")).join(" ")}`);
  say(
    `"${word}" in it     ${count(vault, word)} times (in ${
      source.slice(REPOSITORY.length)
    } alone: ${count(source, word)})`,
  );
}

async function main(): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "sigmavault-quickstart-" });
  const [vault, secret, mountpoint] = ["vault.sv", "secret", "mount"].map((it) =>
    `${directory}/${it}`
  );
  const secretArguments = ["--passphrase-file", secret];
  let mounted = false;
  try {
    const reason = await whyNoMount();
    await Deno.mkdir(mountpoint);
    await Deno.writeTextFile(secret, crypto.randomUUID(), { mode: 0o600 });
    const sources = [...Deno.readDirSync(REPOSITORY)].map((entry) => entry.name)
      .filter((name) => !LEFT_OUT.includes(name)).sort().map((name) => REPOSITORY + name);
    await sigmavault(
      "create vault.sv --dense --size 64M",
      ...["create", vault, "--dense", "--size", "64M", ...secretArguments],
    );
    await sigmavault("put vault.sv * /", "put", vault, ...sources, "/", ...secretArguments);
    if (reason === undefined) {
      await sigmavault(
        "mount vault.sv mount --background",
        ...["mount", vault, mountpoint, "--background", ...secretArguments],
      );
      mounted = true;
      await compare(sources, `${mountpoint}/`);
      await sigmavault("umount mount", "umount", mountpoint);
      mounted = false;
    } else {
      say(`\nNo mount here (${reason}): the files are fetched instead.`);
      await sigmavault("get vault.sv / mount", "get", vault, "/", mountpoint, ...secretArguments);
      await compare(sources, `${mountpoint}/`);
    }
    await sigmavault("check vault.sv", "check", vault, ...secretArguments);
    look(vault, `${REPOSITORY}core/vault/vault.ts`);
    await sigmavault("demo", "demo");
    say(`\nNext: ${bold("deno task sigmavault --help")}, or README.md`);
  } finally {
    if (mounted) await sigmavault("umount mount", "umount", mountpoint);
    await Deno.remove(directory, { recursive: true });
  }
}

if (import.meta.main) await main();
