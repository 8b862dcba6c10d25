import { run } from "./mounted_driver.ts";
import { VaultError } from "../../core/errors.ts";
import type { ControlLine, VaultOrder } from "./vault_program.ts";

const program = new URL("./vault_program.ts", import.meta.url).pathname;

/** A directory for media, in memory where the system has one. */
export async function mediaDirectory(): Promise<string> {
  const inMemory = await Deno.stat("/dev/shm").then((stat) => stat.isDirectory, () => false);
  return await Deno.makeTempDir({ prefix: "vault", dir: inMemory ? "/dev/shm" : undefined });
}

/** A real vault, mounted and served by a process of its own: the test may touch it as any program does. */
export class MountedVault {
  readonly mountpoint: string;
  readonly path: string;
  readonly #directory: string;
  readonly #tweaks: Partial<VaultOrder>;
  #child: Served;

  private constructor(place: Place, tweaks: Partial<VaultOrder>, child: Served) {
    this.#directory = place.directory;
    this.path = place.path;
    this.mountpoint = place.mountpoint;
    this.#tweaks = tweaks;
    this.#child = child;
  }

  /** Makes a vault and mounts it. */
  static async create(tweaks: Partial<VaultOrder> = {}): Promise<MountedVault> {
    const directory = await mediaDirectory();
    const mountpoint = await Deno.makeTempDir({ prefix: "mount" });
    const place = { directory, path: tweaks.path ?? `${directory}/vault`, mountpoint };
    return new MountedVault(place, tweaks, await start({ ...tweaks, ...place }));
  }

  /** The process that serves. */
  get pid(): number {
    return this.#child.process.pid;
  }

  /** Unmounts and waits until the serving process has ended. */
  async unmount(): Promise<void> {
    this.#child.process.kill("SIGTERM");
    const { code } = await this.#child.ended();
    if (code !== 0) throw new Error(`the mount ended with ${code}`);
  }

  /** Asks the serving process to unmount, if it still runs, and says how it ended. */
  async end(): Promise<number> {
    terminate(this.#child.process);
    return (await this.#child.ended()).code;
  }

  /** Kills the serving process at once. The dead mount stays. */
  async kill(): Promise<void> {
    this.#child.process.kill("SIGKILL");
    await this.#child.ended();
  }

  /** Mounts again what was unmounted or killed. */
  async mount(tweaks: Partial<VaultOrder> = {}): Promise<void> {
    const { path, mountpoint } = this;
    this.#child = await start({ ...this.#tweaks, ...tweaks, path, mountpoint });
  }

  /** Runs a verb on the mount, as the control socket does. */
  async control(verb: string, options: ControlLine["options"] = {}): Promise<unknown> {
    const answer = JSON.parse(await this.#child.ask(JSON.stringify({ verb, options })));
    if (!("error" in answer)) return answer.value;
    throw new VaultError(answer.error.kind, answer.error.message);
  }

  /** Unmounts and mounts: what is read now comes from the medium. */
  async remount(tweaks: Partial<VaultOrder> = {}): Promise<void> {
    await this.unmount();
    await this.mount(tweaks);
  }

  /** The output of a shell script that runs inside the mount; throws where it fails. */
  async ok(script: string): Promise<string> {
    return await this.program("sh", ["-euc", script]);
  }

  /** The output of a program that runs inside the mount; throws where it fails. */
  async program(name: string, args: string[]): Promise<string> {
    const { code, stdout, stderr } = await run(name, args, this.mountpoint);
    if (code !== 0) throw new Error(`"${name}" ended with ${code}: ${stdout}${stderr}`);
    return stdout.trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A test that failed may have left users behind.
    await run("umount", ["-l", this.mountpoint], "/");
    terminate(this.#child.process);
    await this.#child.ended();
    await Deno.remove(this.mountpoint).catch(() => {});
    await Deno.remove(this.#directory, { recursive: true });
  }
}

/** Asks a process to end, unless it has ended already. */
function terminate(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGTERM");
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
}

interface Place {
  readonly directory: string;
  readonly path: string;
  readonly mountpoint: string;
}

/** The serving process, which answers lines with lines. */
class Served {
  readonly process: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;

  constructor(process: Deno.ChildProcess) {
    this.process = process;
    this.#input = process.stdin.getWriter();
    const text = process.stdout.pipeThrough(new TextDecoderStream());
    this.#lines = text.pipeThrough(new TextLineStream()).getReader();
  }

  /** Its next line; null where it has ended. */
  async line(): Promise<string | null> {
    const { value } = await this.#lines.read();
    return value ?? null;
  }

  async ask(line: string): Promise<string> {
    await this.#input.write(new TextEncoder().encode(`${line}\n`));
    const answer = await this.line();
    if (answer === null) throw new Error("the mount ended instead of answering");
    return answer;
  }

  /** Waits for its end and lets go of its pipes. */
  async ended(): Promise<Deno.CommandStatus> {
    const status = await this.process.status;
    await this.#lines.cancel();
    await this.#input.abort().catch(() => {});
    return status;
  }
}

/** Cuts text into lines. */
class TextLineStream extends TransformStream<string, string> {
  constructor() {
    let rest = "";
    super({
      transform(text, controller) {
        const lines = (rest + text).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) controller.enqueue(line);
      },
    });
  }
}

/** Starts the serving process and waits until the mount is usable. */
async function start(order: VaultOrder): Promise<Served> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", program, JSON.stringify(order)],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const served = new Served(child);
  if (await served.line() !== null) return served;
  throw new Error(`the mount ended with ${(await served.ended()).code}`);
}

/** Whether a program is installed. */
export async function hasProgram(name: string): Promise<boolean> {
  return (await run("sh", ["-c", `command -v ${name}`], "/")).code === 0;
}
