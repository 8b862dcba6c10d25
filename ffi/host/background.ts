import { Interrupted } from "../../core/command/terminal/prompt.ts";
import { VaultError } from "../../core/errors.ts";
import type { PostedError } from "../mount_messages.ts";
import { fromPosted } from "../posted_error.ts";
import { onSignal, passOn } from "./signals.ts";

/** What the background process says, each in a line of JSON. The last one is how mounting went. */
type BackgroundLine =
  /** `create --mount` has made the vault. */
  | { readonly made: unknown }
  | { readonly ready: unknown }
  | { readonly error: PostedError };

const PERMISSIONS = ["read", "write", "net", "env", "sys", "run", "ffi"] as const;

/** How this program was started, without its arguments. */
function ownCommand(mainModule: string): { program: string; args: string[] } {
  if (Deno.build.standalone) return { program: Deno.execPath(), args: [] };
  const granted = PERMISSIONS.filter((name) =>
    Deno.permissions.querySync({ name }).state === "granted"
  );
  const flags = granted.length === PERMISSIONS.length
    ? ["--allow-all"]
    : granted.map((name) => `--allow-${name}`);
  // Installed, all modules are in one: it has no configuration, and none must be found by chance.
  const configuration = mainModule.endsWith(".js") ? ["--no-config", "--no-lock"] : [];
  const args = ["run", "--no-prompt", ...configuration, ...flags, mainModule];
  return { program: Deno.execPath(), args };
}

/**
 * Starts this program once more, detached from the terminal, and resolves when it has mounted. The secret goes
 * through a pipe; the caller wipes it. `made` is told of a vault that it makes first.
 */
export async function startInBackground(
  mainModule: string,
  args: readonly string[],
  secret: Uint8Array,
  made?: (report: unknown) => Promise<void>,
): Promise<unknown> {
  const { program, args: first } = ownCommand(mainModule);
  const child = new Deno.Command(program, {
    args: [...first, ...args],
    cwd: "/",
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    detached: true,
  }).spawn();
  const writer = child.stdin.getWriter();
  // Until it has mounted, whoever ends this process means that one.
  let isInterrupted = false;
  let isReady = false;
  const ignore = onSignal(() => {
    if (isReady) return; // too late: what is there to tell is told
    isInterrupted = true;
    passOn(child, "SIGTERM");
  });
  try {
    // A child that fails at once does not read it: its answer says why.
    await writer.write(secret).then(() => writer.close()).catch(() => {});
    const ready = await untilReady(child, made);
    if (isInterrupted) {
      await child.status;
      throw new Interrupted("interrupted");
    }
    isReady = true;
    // It serves on when this process ends; what it may still write then goes nowhere.
    child.unref();
    return ready;
  } catch (error) {
    ignore();
    throw isInterrupted ? new Interrupted("interrupted") : error;
  }
}

async function untilReady(
  child: Deno.ChildProcess,
  made?: (report: unknown) => Promise<void>,
): Promise<unknown> {
  // Relayed, not inherited: who reads our stderr must see its end when we end.
  const relayed = relay(child.stderr);
  for await (const line of lines(child.stdout)) {
    const said = JSON.parse(line) as BackgroundLine;
    if ("error" in said) throw fromPosted(said.error);
    if ("ready" in said) return said.ready;
    await made?.(said.made);
  }
  const { code } = await child.status;
  await relayed;
  throw new VaultError("unavailable", `Cannot mount: the background process ended with ${code}`);
}

async function relay(stream: ReadableStream<Uint8Array>): Promise<void> {
  for await (const chunk of stream) await Deno.stderr.write(chunk);
}

async function* lines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let text = "";
  for await (const part of stream.pipeThrough(new TextDecoderStream() as ByteDecoder)) {
    const whole = (text + part).split("\n");
    text = whole.pop() ?? "";
    yield* whole;
  }
}

/** Deno's declaration takes only unshared bytes. */
type ByteDecoder = ReadableWritablePair<string, Uint8Array>;
