import { StreamSeal } from "../crypto/stream_seal.ts";
import { VaultError } from "../errors.ts";
import { nameBytes } from "../format/catalog_record.ts";
import { STREAM_SALT_BYTES } from "../format/stream_frame.ts";
import { FrameReader, type StreamBytes, StreamInput } from "./stream_frames.ts";
import type { StreamParts } from "./stream_send.ts";
import { whenFree } from "./transactions.ts";
import type { VolumesParts } from "./vault_volumes.ts";

/** A stream that is kept as it came. */
export interface HeldReport {
  /** The volume that has it. */
  readonly volume: string;
  /** The file in its root directory. */
  readonly name: string;
  /** Bytes of the stream. */
  readonly streamBytes: number;
}

/** What holding streams takes. */
type HoldingParts = Pick<VolumesParts, "views" | "enter" | "volumes"> & StreamParts;

/** Where a held stream is. */
export interface HeldPlace {
  readonly volume: string;
  readonly name: string;
}

/** Keeps a stream as a file, without its key: whole and as it was sent, or not at all. */
export async function holdStream(
  parts: HoldingParts,
  { volume, name }: HeldPlace,
  bytes: StreamBytes,
): Promise<HeldReport> {
  if (nameBytes(name) === null) {
    throw new VaultError("invalid", `Cannot keep a stream as "${name}": want the name of a file`);
  }
  const opened = await whenFree(parts.enter, () => parts.views.volume(volume));
  try {
    if (await opened.files.exists(`/${name}`)) {
      throw new VaultError("conflict", `Cannot keep a stream as "${name}": there is one already`);
    }
    const writer = (await opened.files.writeStream(`/${name}`)).getWriter();
    let streamBytes = 0;
    try {
      for await (const part of checkedParts(parts, bytes)) {
        await writer.write(part);
        streamBytes += part.length;
      }
      await writer.close();
    } catch (error) {
      await writer.abort(error).catch(() => {}); // it has failed already
      throw error;
    }
    await opened.files.sync();
    return { volume, name, streamBytes };
  } finally {
    await opened.close();
  }
}

/** Gives a held stream back, each part once it was found to be what was received. */
export async function* heldStream(
  parts: HoldingParts,
  { volume, name }: HeldPlace,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const opened = await whenFree(parts.enter, () => parts.views.volume(volume));
  try {
    const stored = await opened.files.readStream(`/${name}`);
    for await (const part of checkedParts(parts, stored)) yield part;
  } finally {
    await opened.close();
  }
}

/** The parts of a stream: each is what was sent, as far as that can be told without the key. */
async function* checkedParts(
  { engine, lease, giveBack }: StreamParts,
  bytes: StreamBytes,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const input = new StreamInput(bytes);
  const memory = lease();
  try {
    const salt = new Uint8Array(STREAM_SALT_BYTES);
    if (await input.read(salt) < salt.length) {
      throw new VaultError("corrupt", "Cannot keep or give back the stream: it is not one");
    }
    // A copy: whoever takes it may hand its memory on.
    yield salt.slice();
    const seal = new StreamSeal(engine.kernel, memory, salt);
    const reader = new FrameReader(input, seal);
    for (let last = false; !last;) {
      const frame = await reader.next();
      seal.pass();
      yield frame.bytes.slice() as Uint8Array<ArrayBuffer>;
      last = frame.last;
    }
  } finally {
    await input.cancel().catch(() => {}); // who writes may be gone already
    giveBack(memory);
  }
}
