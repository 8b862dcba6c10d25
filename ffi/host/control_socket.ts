/**
 * The control socket of a running mount: requests and answers are lines of JSON. It lies in a directory that only this
 * user can enter, so that whoever can connect is whoever mounted.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { ControlOptions, ControlServer, RunningMount } from "../../core/command/host.ts";
import { VaultError } from "../../core/errors.ts";
import { KIB } from "../../core/limits.ts";
import type { PostedError } from "../mount_messages.ts";
import { fromPosted, toPosted } from "../posted_error.ts";
import { doing } from "./system_error.ts";

/** Requests are small; answers may list many things. */
const REQUEST_BYTES_MAX = 64 * KIB;
const ANSWER_BYTES_MAX = 64 * 1024 * KIB;
const OTHERS = 0o077;

interface Request {
  readonly verb: string;
  readonly options: ControlOptions;
}

type Answer = { readonly value: unknown } | { readonly error: PostedError };

/** The directory of this user's sockets, made where there is none. */
async function socketDirectory(): Promise<string> {
  const uid = Deno.uid() ?? 0;
  const variable = "XDG_RUNTIME_DIR";
  const mayLook = Deno.permissions.querySync({ name: "env", variable }).state === "granted";
  const runtime = mayLook ? Deno.env.get(variable) : undefined;
  const places = [
    ...runtime?.startsWith("/") ? [runtime] : [],
    `/run/user/${uid}`,
  ];
  for (const place of places) {
    if (await isOwnDirectory(place, uid)) return await privateDirectory(`${place}/sigmavault`, uid);
  }
  return await privateDirectory(`/tmp/sigmavault-${uid}`, uid);
}

/** Under `sudo -E` the variable names another user's: what root made there would lock that user out. */
async function isOwnDirectory(path: string, uid: number): Promise<boolean> {
  try {
    const info = await Deno.stat(path);
    return info.isDirectory && info.uid === uid;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) {
      return false;
    }
    if (error instanceof Deno.errors.NotCapable) return false;
    throw error;
  }
}

/** In a place that all may write to, somebody else may have been first: then it is refused. */
async function privateDirectory(path: string, uid: number): Promise<string> {
  return await doing(`use the directory of control sockets "${path}"`, async () => {
    try {
      await Deno.mkdir(path, { mode: 0o700 });
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
    const info = await Deno.lstat(path);
    if (!info.isDirectory || info.uid !== uid || ((info.mode ?? 0) & OTHERS) !== 0) {
      throw new VaultError(
        "denied",
        `Cannot use "${path}" for control sockets: want a directory of mode 0700 that is yours`,
      );
    }
    return path;
  });
}

async function socketPath(mountpoint: string): Promise<string> {
  const name = createHash("sha256").update(mountpoint).digest("hex").slice(0, 32);
  return `${await socketDirectory()}/${name}.sock`;
}

/** Lines of a connection; a line beyond the limit ends it. */
async function* linesOf(connection: Deno.Conn, bytesMax: number): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  const chunk = new Uint8Array(16 * KIB);
  let text = "";
  for (;;) {
    const length = await connection.read(chunk);
    if (length === null) return;
    text += decoder.decode(chunk.subarray(0, length), { stream: true });
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
      yield text.slice(0, end);
      text = text.slice(end + 1);
    }
    if (text.length > bytesMax) {
      throw new VaultError("invalid", "Cannot read from the control socket: a line is too long");
    }
  }
}

async function send(connection: Deno.Conn, value: unknown): Promise<void> {
  const bytes = new TextEncoder().encode(JSON.stringify(value) + "\n");
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

function parseRequest(line: string): Request {
  const value: unknown = JSON.parse(line);
  if (typeof value === "object" && value !== null && "verb" in value && "options" in value) {
    const { verb, options } = value;
    if (typeof verb === "string" && typeof options === "object" && options !== null) {
      return { verb, options: options as ControlOptions };
    }
  }
  throw new VaultError("invalid", "Cannot read the control request: want a verb and options");
}

/** Answers the requests of one connection, one after the other. */
async function serveConnection(
  connection: Deno.Conn,
  answer: (verb: string, options: ControlOptions) => Promise<unknown>,
): Promise<void> {
  for await (const line of linesOf(connection, REQUEST_BYTES_MAX)) {
    let result: Answer;
    try {
      const { verb, options } = parseRequest(line);
      result = { value: await answer(verb, options) ?? null };
    } catch (error) {
      result = { error: toPosted(error) };
    }
    await send(connection, result);
  }
}

/** Listens for the mount on `mountpoint`, a canonical path. A socket of a dead process is replaced. */
export async function serveControl(
  mountpoint: string,
  answer: (verb: string, options: ControlOptions) => Promise<unknown>,
): Promise<ControlServer> {
  const path = await socketPath(mountpoint);
  const listener = await doing(`listen on "${path}"`, async () => {
    await Deno.remove(path).catch(ignoreMissing);
    const made = Deno.listen({ transport: "unix", path });
    await Deno.chmod(path, 0o600);
    return made;
  });
  const open = new Set<Deno.Conn>();
  const accepting = (async () => {
    for await (const connection of listener) {
      open.add(connection);
      // Whoever asked may go away before the answer: that is no failure of the mount.
      serveConnection(connection, answer).catch(() => {}).finally(() => {
        if (open.delete(connection)) connection.close();
      });
    }
  })();
  return {
    async close() {
      listener.close();
      await accepting;
      for (const connection of open) connection.close();
      open.clear();
      await Deno.remove(path).catch(ignoreMissing);
    },
  };
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

/** Connects to the process that serves `mountpoint`; null where none does. */
export async function connectControl(mountpoint: string): Promise<RunningMount | null> {
  const path = await socketPath(mountpoint);
  let connection: Deno.Conn;
  try {
    connection = await Deno.connect({ transport: "unix", path });
  } catch (error) {
    const gone = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.ConnectionRefused;
    if (gone) return null;
    throw error;
  }
  const lines = linesOf(connection, ANSWER_BYTES_MAX);
  return {
    mountpoint,
    call: async (verb, options = {}) => {
      await send(connection, { verb, options });
      const line = await lines.next();
      if (line.done === true) {
        throw new VaultError(
          "unavailable",
          `Cannot finish "${verb}": the process that serves "${mountpoint}" has ended`,
        );
      }
      const answer = JSON.parse(line.value) as Answer;
      if ("error" in answer) throw fromPosted(answer.error);
      return answer.value;
    },
    close: () => connection.close(),
  };
}
