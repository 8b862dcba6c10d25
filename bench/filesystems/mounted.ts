import type { Contender, Served } from "./contenders.ts";
import { dropCaches, run } from "./shell.ts";

const READY_SECONDS_MAX = 30;
const POLL_MS = 2;
/** A page of memory, and ticks of a second, as /proc counts on Linux. */
const PAGE_BYTES = 4096;
const TICKS = 100;

/** A contender's store, mounted or not. */
export class Mounted {
  readonly mountpoint: string;
  readonly store: string;
  readonly #contender: Contender;
  readonly #directory: string;
  #child: Deno.ChildProcess | null = null;

  constructor(contender: Contender, directory: string) {
    this.#contender = contender;
    this.#directory = directory;
    this.mountpoint = `${directory}/mount`;
    this.store = contender.serve === undefined ? this.mountpoint : `${directory}/store`;
  }

  /** Some program serves it. */
  get isServed(): boolean {
    return this.#child !== null;
  }

  /** Makes an empty store. */
  async create(): Promise<void> {
    await Deno.mkdir(this.mountpoint, { recursive: true });
    await this.#contender.create?.(this.#directory);
  }

  /** Both at once, where the contender has a command for that; false where it has none. */
  async createAndMount(): Promise<boolean> {
    await Deno.mkdir(this.mountpoint, { recursive: true });
    const served = await this.#contender.createAndServe?.(this.#directory, this.mountpoint);
    if (served === undefined) return false;
    await this.#start(served);
    return true;
  }

  /** Mounts and waits until the first call is answered. */
  async mount(): Promise<void> {
    const served = this.#contender.serve?.(this.#directory, this.mountpoint);
    if (served !== undefined) await this.#start(served);
  }

  async #start(served: Served): Promise<void> {
    const before = (await Deno.stat(this.mountpoint)).dev;
    this.#child = new Deno.Command(served.program, {
      args: [...served.args],
      env: served.env,
      stdin: served.stdin === undefined ? "null" : "piped",
      stdout: "null",
      stderr: served.chatty === true ? "null" : "inherit",
    }).spawn();
    if (served.stdin !== undefined) {
      const writer = this.#child.stdin.getWriter();
      await writer.write(new TextEncoder().encode(served.stdin));
      await writer.close();
    }
    const end = performance.now() + READY_SECONDS_MAX * 1000;
    while ((await Deno.stat(this.mountpoint)).dev === before) {
      if (performance.now() > end) throw new Error(`${this.#contender.name} does not mount`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    for await (const _ of Deno.readDir(this.mountpoint)) break;
  }

  /** Unmounts, waits for the program's end, and drops what the kernel remembers. */
  async unmount(): Promise<void> {
    if (this.#child !== null) {
      await run(Deno.uid() === 0 ? "umount" : "fusermount3", [
        ...Deno.uid() === 0 ? [] : ["-u"],
        this.mountpoint,
      ]);
      await this.#child.status;
      this.#child = null;
    }
    await dropCaches();
  }

  /** Mounts afresh: nothing of before is in a cache. */
  async remount(): Promise<void> {
    await this.unmount();
    await this.mount();
  }

  /** Memory and used processor time of the program that serves, of all its threads. */
  async usage(): Promise<{ residentBytes: number; cpuSeconds: number } | null> {
    if (this.#child === null) return null;
    const { pid } = this.#child;
    const pages = Number((await Deno.readTextFile(`/proc/${pid}/statm`)).split(" ")[1]);
    const stat = (await Deno.readTextFile(`/proc/${pid}/stat`)).replace(/^.*\) /, "").split(" ");
    return {
      residentBytes: pages * PAGE_BYTES,
      cpuSeconds: (Number(stat[11]) + Number(stat[12])) / TICKS,
    };
  }

  /** Ends what still runs, after a failure. */
  abandon(): void {
    this.#child?.kill("SIGKILL");
  }
}
