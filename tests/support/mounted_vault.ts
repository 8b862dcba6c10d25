import { run } from "./mounted_driver.ts";
import type { VaultOrder } from "./vault_program.ts";

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
  #child: Deno.ChildProcess;

  private constructor(place: Place, tweaks: Partial<VaultOrder>, child: Deno.ChildProcess) {
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
    return this.#child.pid;
  }

  /** Unmounts and waits until the serving process has ended. */
  async unmount(): Promise<void> {
    this.#child.kill("SIGTERM");
    const { code } = await this.#child.status;
    if (code !== 0) throw new Error(`the mount ended with ${code}`);
  }

  /** Kills the serving process at once. The dead mount stays. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.status;
  }

  /** Mounts again what was unmounted or killed. */
  async mount(tweaks: Partial<VaultOrder> = {}): Promise<void> {
    const { path, mountpoint } = this;
    this.#child = await start({ ...this.#tweaks, ...tweaks, path, mountpoint });
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
    terminate(this.#child);
    await this.#child.status;
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

/** Starts the serving process and waits until the mount is usable. */
async function start(order: VaultOrder): Promise<Deno.ChildProcess> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", program, JSON.stringify(order)],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  await reader.cancel();
  if (value === undefined) throw new Error(`the mount ended with ${(await child.status).code}`);
  return child;
}

/** Whether a program is installed. */
export async function hasProgram(name: string): Promise<boolean> {
  return (await run("sh", ["-c", `command -v ${name}`], "/")).code === 0;
}
