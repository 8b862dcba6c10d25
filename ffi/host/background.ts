import type { MountReport } from "../../core/command/mount.ts";
import { VaultError } from "../../core/errors.ts";
import type { PostedError } from "../mount_messages.ts";
import { fromPosted } from "../posted_error.ts";

/** What the background process says, in one line of JSON, when it knows how mounting went. */
export type ReadyLine = { readonly ready: MountReport } | { readonly error: PostedError };

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
  return { program: Deno.execPath(), args: ["run", "--no-prompt", ...flags, mainModule] };
}

/**
 * Starts this program once more, detached from the terminal, and resolves when it has mounted. The secret goes
 * through a pipe; the caller wipes it.
 */
export async function startInBackground(
  mainModule: string,
  args: readonly string[],
  secret: Uint8Array,
): Promise<MountReport> {
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
  // A child that fails at once does not read it: its answer says why.
  await writer.write(secret).then(() => writer.close()).catch(() => {});
  // Relayed, not inherited: who reads our stderr must see its end when we end.
  const relayed = relay(child.stderr);
  const line = await firstLine(child.stdout);
  if (line === null) {
    const { code } = await child.status;
    await relayed;
    throw new VaultError("unavailable", `Cannot mount: the background process ended with ${code}`);
  }
  const answer = JSON.parse(line) as ReadyLine;
  if ("error" in answer) throw fromPosted(answer.error);
  // It serves on when this process ends; what it may still write then goes nowhere.
  child.unref();
  return answer.ready;
}

async function relay(stream: ReadableStream<Uint8Array>): Promise<void> {
  for await (const chunk of stream) await Deno.stderr.write(chunk);
}

async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string | null> {
  let text = "";
  const reader = stream.pipeThrough(new TextDecoderStream() as ByteDecoder).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return null;
    text += value;
    const end = text.indexOf("\n");
    if (end >= 0) return text.slice(0, end);
  }
}

/** Deno's declaration takes only unshared bytes. */
type ByteDecoder = ReadableWritablePair<string, Uint8Array>;
