import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of the program. */
export const CODE = fileURLToPath(new URL("../../", import.meta.url));

/** What one run printed and returned. */
export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A folder of its own with a passphrase file, removed at the end. */
export class CliWorld implements AsyncDisposable {
  readonly folder: string;
  readonly medium: string;
  readonly passphraseFile: string;
  /** `--passphrase-file FILE --kdf interactive`: other profiles would only make wrong secrets slow. */
  readonly opens: readonly string[];

  /** What is run in place of this folder's source: an installed command. */
  program: string | undefined;

  private constructor(folder: string) {
    this.folder = folder;
    this.medium = join(folder, "vault.sv");
    this.passphraseFile = join(folder, "passphrase");
    this.opens = ["--passphrase-file", this.passphraseFile, "--kdf", "interactive"];
  }

  /** Makes the folder. */
  static async open(): Promise<CliWorld> {
    const world = new CliWorld(await Deno.realPath(await Deno.makeTempDir({ prefix: "sv-cli-" })));
    await world.secret("passphrase", "correct horse battery\n");
    return world;
  }

  /** Writes a file that only its owner reads. */
  async secret(name: string, text: string): Promise<string> {
    const path = join(this.folder, name);
    await Deno.writeTextFile(path, text, { mode: 0o600 });
    return path;
  }

  /** A path in the folder. */
  path(name: string): string {
    return join(this.folder, name);
  }

  /** Runs the CLI. */
  async run(...args: string[]): Promise<CliResult> {
    return await this.runWith(["--allow-all"], args);
  }

  /** Runs the CLI with these permission flags; an installed one has its own. */
  async runWith(flags: readonly string[], args: readonly string[]): Promise<CliResult> {
    const { code, stdout, stderr } = await this.command(flags, args).output();
    const decoder = new TextDecoder();
    return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  }

  /** The CLI as a command that a test starts itself. */
  command(
    flags: readonly string[],
    args: readonly string[],
    options: Pick<Deno.CommandOptions, "stdin"> = {},
  ): Deno.Command {
    const source = ["run", "--no-prompt", ...flags, join(CODE, "cli.ts")];
    return new Deno.Command(this.program ?? Deno.execPath(), {
      args: this.program === undefined ? [...source, ...args] : [...args],
      env: {
        NO_COLOR: "1",
        PATH: `${dirname(Deno.execPath())}:${Deno.env.get("PATH")}`,
        XDG_STATE_HOME: this.path("state"),
        XDG_RUNTIME_DIR: this.folder,
      },
      stdin: options.stdin ?? "null",
      stdout: "piped",
      stderr: "piped",
    });
  }

  /** Runs the CLI, which must succeed without a word on stderr; returns its output. */
  async ok(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(...args);
    if (code !== 0 || stderr !== "") {
      throw new Error(`sigmavault ${args.join(" ")} ended with ${code}:\n${stdout}${stderr}`);
    }
    return stdout;
  }

  /** Runs the CLI with `--json` and parses its line. */
  async json<T>(...args: string[]): Promise<T> {
    return JSON.parse(await this.ok(...args, "--json")) as T;
  }

  /** Makes the vault. */
  async create(...options: string[]): Promise<string> {
    return await this.ok(
      "create",
      this.medium,
      "--passphrase-file",
      this.passphraseFile,
      ...options,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** Reads a stream until `text` was seen; returns everything read. */
export async function readUntil(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  text: string,
): Promise<string> {
  const decoder = new TextDecoder();
  let seen = "";
  while (!seen.includes(text)) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`the stream ended before "${text}":\n${seen}`);
    seen += decoder.decode(value, { stream: true });
  }
  return seen;
}
