/** Programs that serve on loopback while tests run. */

/** A server that tests talk to, and how to reach it. */
export interface StartedServer extends AsyncDisposable {
  /** Where it listens: `http://127.0.0.1:PORT`. */
  readonly url: string;
}

/** A probe that never succeeds fails the start after this long. */
const READY_MS_MAX = 60_000;
/** Between two probes. */
const PROBE_MS = 25;

/** A port of loopback that nothing listens on; whoever takes it next has it. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Waits until `probe` resolves, and says its last complaint where that takes too long. */
export async function untilReady<T>(what: string, probe: () => Promise<T>): Promise<T> {
  const start = performance.now();
  while (true) {
    try {
      return await probe();
    } catch (cause) {
      if (performance.now() - start > READY_MS_MAX) {
        throw new Error(`${what} does not get ready`, { cause });
      }
      await new Promise((resolve) => setTimeout(resolve, PROBE_MS));
    }
  }
}

/** Resolves when an HTTP server answers there, whatever it says. */
export async function answers(url: string): Promise<void> {
  const response = await fetch(url);
  await response.body?.cancel();
}

/** A program in the background that is ended with its owner. */
export class Daemon implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;

  /** Starts it; what it prints is thrown away. */
  constructor(program: string, args: readonly string[], options: Deno.CommandOptions = {}) {
    this.#child = new Deno.Command(program, {
      ...options,
      args: [...args],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
  }

  /** Waits for something that needs the program, and fails at once where the program ends meanwhile. */
  async needed<T>(what: string, work: Promise<T>): Promise<T> {
    const ended = this.#child.status.then(({ code }): never => {
      throw new Error(`${what} ended with code ${code} before it was ready`);
    });
    return await Promise.race([ended, work]);
  }

  /** Ends it, and waits until it has gone. Nothing on it is to be kept, so that it is not asked first. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch (error) {
      // It has ended by itself.
      if (!(error instanceof TypeError)) throw error;
    }
    await this.#child.status;
  }
}

/** Runs a program to its end, and throws what it complained about where it fails. */
export async function run(program: string, ...args: readonly string[]): Promise<string> {
  const signal = AbortSignal.timeout(READY_MS_MAX);
  const command = new Deno.Command(program, { args: [...args], stdin: "null", signal });
  const { success, code, stdout, stderr } = await command.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (success) return text(stdout);
  throw new Error(`${program} ended with code ${code}: ${text(stderr).slice(-2000)}`);
}

/**
 * Why a package of npm cannot be run here; undefined: it can. It is fetched to Deno's cache on the first call. Only tests
 * need such packages, so they are in no list of the product's.
 */
export function npmCached(specifier: string): string | undefined {
  const { success } = new Deno.Command(Deno.execPath(), {
    args: ["cache", "--no-config", "--no-lock", specifier],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).outputSync();
  return success ? undefined : `${specifier} cannot be fetched`;
}
