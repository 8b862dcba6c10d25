import { join } from "node:path";
import { type CliWorld, CODE, readUntil } from "./cli_run.ts";

/** Runs the CLI on a pseudo terminal: `script` of util-linux makes one. */
export class TerminalRun {
  readonly #child: Deno.ChildProcess;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  #seen = "";

  /** Starts it. `script` makes a shell's line of it; it takes the shell's place unless given. */
  constructor(
    world: CliWorld,
    args: readonly string[],
    // A shell that stayed in between would take the Ctrl-C too, and tell of it by an exit code of its own.
    script: (command: string) => string = (command) => `exec ${command}`,
  ) {
    const words = [Deno.execPath(), "run", "-A", join(CODE, "cli.ts"), ...args];
    const line = script(words.map((word) => `'${word}'`).join(" "));
    this.#child = new Deno.Command("script", {
      args: ["--quiet", "--return", "--command", line, "/dev/null"],
      env: {
        SHELL: "/bin/sh",
        NO_COLOR: "1",
        XDG_RUNTIME_DIR: world.folder,
        XDG_STATE_HOME: world.path("state"),
      },
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    this.#reader = this.#child.stdout.getReader();
    this.#writer = this.#child.stdin.getWriter();
  }

  /** Waits until this is shown; everything shown so far. */
  async shows(text: string): Promise<string> {
    return this.#seen += await readUntil(this.#reader, text);
  }

  /** Waits for a prompt, then types. */
  async type(prompt: string, keys: string): Promise<void> {
    await this.shows(prompt);
    await this.#writer.write(new TextEncoder().encode(keys));
  }

  /** Waits for the end: everything shown, and the exit code. */
  async end(): Promise<{ shown: string; code: number }> {
    const decoder = new TextDecoder();
    for (let part = await this.#reader.read(); !part.done; part = await this.#reader.read()) {
      this.#seen += decoder.decode(part.value);
    }
    await this.#writer.close().catch(() => {});
    return { shown: this.#seen, code: (await this.#child.status).code };
  }
}
