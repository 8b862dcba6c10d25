import { Buffer } from "node:buffer";
import { mountSession, type Session } from "../../ffi/libfuse3/session.ts";
import type { DriverNews, DriverOrder } from "./driver_worker.ts";

/** What a test may change of the mounted memory filesystem. */
export type DriverTweaks =
  & Partial<Omit<DriverOrder, "descriptor" | "wakeDescriptor">>
  & { readonly extra?: readonly string[] };

/** What a program did. */
export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Why mounting is impossible here; `""` where it is possible. */
export function whyNoMount(): string {
  if (Deno.build.os !== "linux") return "FUSE through libfuse3 is Linux only";
  if (Deno.uid() !== 0) return "needs root to mount for other users and to change owners";
  try {
    Deno.statSync("/dev/fuse");
    Deno.openSync("/dev/fuse", { read: true, write: true }).close();
    return "";
  } catch {
    return "/dev/fuse cannot be opened";
  }
}

/** A memory filesystem mounted by this process and served by a worker of it. Touch it asynchronously only. */
export class MountedDriver {
  readonly mountpoint: string;
  readonly session: Session;
  readonly #worker: Worker;
  readonly #news: DriverNews[] = [];
  #arrived = Promise.withResolvers<void>();
  #ended: Extract<DriverNews, { kind: "ended" }> | null = null;

  private constructor(session: Session, worker: Worker) {
    this.mountpoint = session.mountpoint;
    this.session = session;
    this.#worker = worker;
    worker.onmessage = (event: MessageEvent<DriverNews>) => {
      if (event.data.kind === "ended") this.#ended = event.data;
      this.#news.push(event.data);
      this.#arrived.resolve();
      this.#arrived = Promise.withResolvers();
    };
  }

  /** Mounts on `mountpoint` (default: a directory made for it) and waits until it is ready. */
  static async mount(tweaks: DriverTweaks = {}, mountpoint?: string): Promise<MountedDriver> {
    const { extra, ...rest } = tweaks;
    const session = mountSession(mountpoint ?? await Deno.makeTempDir({ prefix: "driver" }), {
      source: "memory",
      allowOther: true,
      readOnly: rest.readOnly,
      extra: ["suid", "dev", ...extra ?? []],
    });
    const worker = new Worker(import.meta.resolve("./driver_worker.ts"), { type: "module" });
    const mounted = new MountedDriver(session, worker);
    const { descriptor, wakeDescriptor } = session;
    const order: DriverOrder = {
      writebackCache: true,
      readOnly: false,
      fsync: "at once",
      interruptGraceMs: 1000,
      lazyWrites: false,
      faulty: false,
      ...rest,
      descriptor,
      wakeDescriptor,
    };
    worker.postMessage(order);
    await mounted.next("ready");
    return mounted;
  }

  /** Waits for news of a kind. */
  async next<K extends DriverNews["kind"]>(kind: K): Promise<Extract<DriverNews, { kind: K }>> {
    for (;;) {
      const index = this.#news.findIndex((news) => news.kind === kind);
      if (index >= 0) {
        const [found] = this.#news.splice(index, 1);
        return found as Extract<DriverNews, { kind: K }>;
      }
      await this.#arrived.promise;
    }
  }

  /** Posts a message to the serving worker. */
  post(message: "echo"): void {
    this.#worker.postMessage(message);
  }

  /** Runs a shell script inside the mount. */
  sh(script: string): Promise<Ran> {
    return run("sh", ["-euc", script], this.mountpoint);
  }

  /** The shell script's output; throws where it fails. */
  async ok(script: string): Promise<string> {
    const { code, stdout, stderr } = await this.sh(script);
    if (code !== 0) throw new Error(`"${script}" ended with ${code}: ${stdout}${stderr}`);
    return stdout.trim();
  }

  /** Runs a Python program inside the mount; its output. */
  async python(program: string): Promise<string> {
    const { code, stdout, stderr } = await run("python3", ["-c", program], this.mountpoint);
    if (code !== 0) throw new Error(`python ended with ${code}: ${stderr}`);
    return stdout.trim();
  }

  /** Waits until serving has ended, gives everything back, and says how it ended. */
  async ended(): Promise<Extract<DriverNews, { kind: "ended" }>> {
    const news = this.#ended ?? await this.next("ended");
    await this.session.close();
    this.#worker.terminate();
    return news;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended === null) await this.session.unmount();
    await this.ended();
    await Deno.remove(this.mountpoint).catch(() => {});
  }
}

/** Runs a program to its end without blocking this thread. */
export async function run(program: string, args: string[], cwd: string): Promise<Ran> {
  const command = new Deno.Command(program, {
    args,
    cwd,
    stdin: "null",
    env: { LC_ALL: "C" },
  });
  const { code, stdout, stderr } = await command.output();
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("utf8");
  return { code, stdout: text(stdout), stderr: text(stderr) };
}
