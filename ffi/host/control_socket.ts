/**
 * The control socket of a running mount: one frame for each request and each answer. It lies in a directory that only
 * this user can enter, so that whoever can connect is whoever mounted.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { ControlAsked, ControlServer, RunningMount } from "../../core/command/host.ts";
import { VaultError } from "../../core/errors.ts";
import {
  type ControlOptions,
  type ControlProgress,
  splitMessage,
  wipeMessage,
} from "../../core/vault/control.ts";
import { unless } from "../../core/storage/store_failures.ts";
import type { PostedError } from "../mount_messages.ts";
import { fromPosted, toPosted } from "../posted_error.ts";
import {
  ANSWER_LIMITS,
  type Message,
  receiveFrame,
  REQUEST_LIMITS,
  sendFrame,
} from "./control_frame.ts";
import { doing } from "./system_error.ts";

const OTHERS = 0o077;
/** Each may hold as much memory as a request has. */
const CONNECTIONS_MAX = 32;
const ACCEPT_AGAIN_MS = 100;

/** The JSON of an answer; bytes of the value stand beside it. */
type Answer = { readonly value: unknown } | { readonly error: PostedError };

/** The JSON of what may come before an answer, any number of times. */
interface Interim {
  /** Bytes that are done, and all. */
  readonly progress: readonly [number, number];
}

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

/** A file that belongs to a mount point. */
export async function pathFor(mountpoint: string, kind: "sock" | "lock"): Promise<string> {
  const name = createHash("sha256").update(mountpoint).digest("hex").slice(0, 32);
  return `${await socketDirectory()}/${name}.${kind}`;
}

/** Answers the requests of one connection, one after the other. */
async function serveConnection(
  connection: Deno.Conn,
  answer: (asked: ControlAsked) => Promise<unknown>,
  gone: AbortSignal,
): Promise<void> {
  for (;;) {
    const request = await receiveFrame(connection, REQUEST_LIMITS);
    if (request === null) return;
    const interim = new InterimSender(connection);
    const progress: ControlProgress = (done, total) => interim.offer([done, total]);
    const result = await resultOf(request, (asked) => answer({ ...asked, progress, gone }));
    await interim.settled;
    try {
      await sendFrame(connection, result);
    } finally {
      wipeMessage(result.bytes);
    }
  }
}

/** Sends how far a verb is; one message at a time, and none while the one before waits for a slow reader. */
class InterimSender {
  settled: Promise<void> = Promise.resolve();
  readonly #connection: Deno.Conn;
  #busy = false;

  constructor(connection: Deno.Conn) {
    this.#connection = connection;
  }

  offer(progress: Interim["progress"]): void {
    if (this.#busy) return;
    this.#busy = true;
    const json: Interim = { progress };
    // Where nobody reads any more, the answer that follows fails too.
    this.settled = sendFrame(this.#connection, { json, bytes: {} }).catch(() => {}).finally(() => {
      this.#busy = false;
    });
  }
}

async function resultOf(
  request: Message,
  answer: (asked: Pick<ControlAsked, "verb" | "options">) => Promise<unknown>,
): Promise<Message> {
  try {
    const { json, bytes } = splitMessage(await answer(requestOf(request)) ?? null);
    return { json: { value: json } satisfies Answer, bytes };
  } catch (error) {
    return { json: { error: toPosted(error) } satisfies Answer, bytes: {} };
  }
}

function requestOf({ json, bytes }: Message): { verb: string; options: ControlOptions } {
  if (typeof json === "object" && json !== null && "verb" in json && "options" in json) {
    const { verb, options } = json;
    if (typeof verb === "string" && typeof options === "object" && options !== null) {
      return { verb, options: { ...options, ...bytes } };
    }
  }
  throw new VaultError("invalid", "Cannot read the control request: want a verb and options");
}

/** Listens for the mount on `mountpoint`, a canonical path. A socket of a dead process is replaced. */
export async function serveControl(
  mountpoint: string,
  answer: (asked: ControlAsked) => Promise<unknown>,
): Promise<ControlServer> {
  const path = await pathFor(mountpoint, "sock");
  const listener = await doing(`listen on "${path}"`, async () => {
    await Deno.remove(path).catch(ignoreMissing);
    const made = Deno.listen({ transport: "unix", path });
    await Deno.chmod(path, 0o600);
    return made;
  });
  const open = new Set<Deno.Conn>();
  let isClosed = false;
  const accepting = (async () => {
    while (!isClosed) {
      const connection = await nextConnection(listener);
      if (connection === null) continue;
      if (open.size >= CONNECTIONS_MAX) {
        connection.close();
        continue;
      }
      open.add(connection);
      // Whoever asked may go away before the answer: that is no failure of the mount.
      const gone = new AbortController();
      serveConnection(connection, answer, gone.signal).catch(() => {}).finally(() => {
        gone.abort();
        if (open.delete(connection)) connection.close();
      });
    }
  })();
  return {
    async close() {
      isClosed = true;
      listener.close();
      await accepting;
      // First: whoever waits for the end of a connection finds nothing left.
      await Deno.remove(path).catch(ignoreMissing);
      for (const connection of open) connection.close();
      open.clear();
    },
  };
}

/** The next one who connects; null where he cannot be let in now: a mount serves on when descriptors run out. */
async function nextConnection(listener: Deno.Listener): Promise<Deno.Conn | null> {
  try {
    return await listener.accept();
  } catch {
    await new Promise((resolve) => setTimeout(resolve, ACCEPT_AGAIN_MS));
    return null;
  }
}

/** What was to be removed may be gone with the directory of this session. */
export function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

/** Connects to the process that serves `mountpoint`; null where none does. */
export async function connectControl(mountpoint: string): Promise<RunningMount | null> {
  const path = await pathFor(mountpoint, "sock");
  let connection: Deno.Conn;
  try {
    connection = await Deno.connect({ transport: "unix", path });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || isBroken(error)) return null;
    throw error;
  }
  return {
    mountpoint,
    call: async (verb, options = {}, progress = () => {}) => {
      const { json, bytes } = splitMessage(options);
      const reply = await unless(isBroken, async () => {
        await sendFrame(connection, { json: { verb, options: json }, bytes });
        return await receiveAnswer(connection, progress);
      });
      if (reply === null) {
        throw new VaultError(
          "unavailable",
          `Cannot finish "${verb}": the process that serves "${mountpoint}" has ended`,
        );
      }
      const answer = reply.json as Answer;
      if ("error" in answer) throw fromPosted(answer.error);
      const hasBytes = Object.keys(reply.bytes).length > 0;
      return hasBytes ? { ...answer.value as object, ...reply.bytes } : answer.value;
    },
    async ended() {
      try {
        while (await connection.read(new Uint8Array(1)) !== null);
      } catch {
        // However it ended.
      }
    },
    close: () => connection.close(),
  };
}

/** True where whoever served a connection is not there any more. */
function isBroken(error: unknown): boolean {
  const { BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset } = Deno.errors;
  const kinds = [BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset];
  return kinds.some((kind) => error instanceof kind);
}

async function receiveAnswer(
  connection: Deno.Conn,
  progress: ControlProgress,
): Promise<Message | null> {
  for (;;) {
    const reply = await receiveFrame(connection, ANSWER_LIMITS);
    const json = reply?.json as Answer | Interim | undefined;
    if (json === undefined || !("progress" in json)) return reply;
    progress(...json.progress);
  }
}
