/**
 * Streams of a running mount: whoever sends or receives is another process, and takes or gives them in parts.
 *
 * @module
 */
import { VaultError } from "../errors.ts";
import { KIB } from "../limits.ts";
import type { ControlCall, ControlOptions, ControlVerb } from "../vault/control.ts";
import type { ReceiveReport } from "../vault/stream_receive.ts";
import type { SendOptions, StreamSecret } from "../vault/stream_send.ts";

/** Streams that are open at a time. */
const STREAMS_MAX = 8;
/** Bytes of one answer or request: what the control socket takes. */
export const PART_BYTES: number = 384 * KIB;

interface Sending {
  readonly reader: ReadableStreamDefaultReader<Uint8Array>;
  /** Read already: the salt. */
  first: Uint8Array | null;
}

interface Receiving {
  readonly writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly report: Promise<ReceiveReport>;
}

/** Verbs of `send` and `receive` on a mount. */
export function streamVerbs(): Readonly<Record<string, ControlVerb>> {
  const sending = new Map<number, Sending>();
  const receiving = new Map<number, Receiving>();
  let count = 0;
  const freshId = () => {
    if (sending.size + receiving.size < STREAMS_MAX) return ++count;
    throw new VaultError("unavailable", "Cannot open one more stream: too many are open");
  };
  return {
    "send open": async (call) => {
      const id = freshId();
      const reader = openSending(call);
      sending.set(id, { reader, first: null });
      try {
        // So that the key is there when the passphrase is wiped.
        const { value } = await reader.read();
        sending.set(id, { reader, first: value ?? null });
      } catch (error) {
        sending.delete(id);
        throw error;
      }
      return { id, volume: volumeOf(call) };
    },
    "send read": async ({ options }) => {
      const bytes = await readPart(required(sending, options));
      if (bytes.length === 0) sending.delete(idOf(options));
      return { bytes };
    },
    "receive open": (call) => {
      const id = freshId();
      receiving.set(id, openReceiving(call));
      return { id };
    },
    "receive write": async ({ options }) => {
      const { writer, report } = required(receiving, options);
      const { bytes } = options;
      if (!(bytes instanceof Uint8Array)) throw unfit("bytes");
      // What is asked with is wiped afterwards.
      await writer.write(bytes.slice()).catch(() => report);
      return {};
    },
    "receive end": async ({ options }) => {
      const { writer, report } = required(receiving, options);
      receiving.delete(idOf(options));
      await writer.close().catch(() => report);
      return await report;
    },
    /** Of a process that has ended, or does not want it any more. */
    "stream close": async ({ options }) => {
      const id = idOf(options);
      const [sender, receiver] = [sending.get(id), receiving.get(id)];
      sending.delete(id);
      receiving.delete(id);
      await sender?.reader.cancel();
      await receiver?.writer.abort(gone()).catch(() => {});
      await receiver?.report.catch(() => {}); // what has arrived is kept
      return {};
    },
    "receive token": async ({ vault, options }) => ({
      token: await vault.streams.resumeToken(text(options, "volume")),
    }),
    "receive abandon": async ({ vault, transaction, options }) => {
      const volume = text(options, "volume");
      await transaction.without("give up a receive", () => vault.streams.abandon(volume));
      return { volume };
    },
  };
}

function openSending(call: ControlCall): ReadableStreamDefaultReader<Uint8Array> {
  const { vault, options } = call;
  const [from, resume] = [optional(options, "from"), optional(options, "resume")];
  const form = formOf(options);
  const sent = { from, resume, form, ...secretOf(options) };
  return vault.streams.send(volumeOf(call), text(options, "snapshot"), sent).getReader();
}

/** What the stream gives at once fits an answer; nothing: it has ended. */
async function readPart(stream: Sending): Promise<Uint8Array> {
  const { first } = stream;
  stream.first = null;
  if (first !== null) return first;
  const { value, done } = await stream.reader.read();
  return done ? new Uint8Array(0) : value;
}

function openReceiving({ vault, transaction, options }: ControlCall): Receiving {
  const volume = text(options, "volume");
  const raw = options.raw === true;
  const { opened: { volume: shown } } = vault;
  const isShown = ({ id, name }: { id: number; name: string }) =>
    name === volume && (id === shown.id || !transaction.showsOneVolume);
  if (shown.store.catalog.volumes().some(isShown)) {
    throw new VaultError(
      "conflict",
      `Cannot receive into volume "${volume}": it is mounted; unmount it, or receive into another`,
    );
  }
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const { passphrase } = secretOf(options);
  const secret = { passphrase: passphrase?.slice() };
  const report = vault.streams.receive(volume, readable, { raw, ...secret })
    .finally(() => secret.passphrase?.fill(0));
  report.catch(() => {}); // told to whoever writes next
  return { writer: writable.getWriter(), report };
}

function formOf({ form }: ControlOptions): SendOptions["form"] {
  if (form === undefined || form === "raw" || form === "opened") return form;
  throw unfit("form");
}

function secretOf({ passphrase }: ControlOptions): StreamSecret {
  return passphrase instanceof Uint8Array ? { passphrase } : {};
}

function volumeOf({ vault: { opened: { volumes, volume } }, options }: ControlCall): string {
  return optional(options, "volume") ?? volumes.nameOf(volume.id);
}

function idOf({ id }: ControlOptions): number {
  if (typeof id === "number") return id;
  throw unfit("id");
}

function required<T>(streams: ReadonlyMap<number, T>, options: ControlOptions): T {
  const found = streams.get(idOf(options));
  if (found !== undefined) return found;
  throw new VaultError("missing", "Cannot go on with the stream: it is not open any more");
}

function optional(options: ControlOptions, name: string): string | undefined {
  const value = options[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}

function text(options: ControlOptions, name: string): string {
  const value = optional(options, name);
  if (value === undefined) throw unfit(name);
  return value;
}

function unfit(name: string): VaultError {
  return new VaultError("invalid", `Cannot send or receive: "${name}" is not what it should be`);
}

function gone(): VaultError {
  return new VaultError("unavailable", "Cannot receive the stream: whoever sent it has gone");
}
