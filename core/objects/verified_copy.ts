import { compare } from "../bytes.ts";
import { bodyChunks, objectError, streamOf, takingBody } from "../storage/object_body.ts";
import type {
  Abortable,
  ObjectDescription,
  ObjectInfo,
  ObjectStore,
  WriteCondition,
} from "../storage/object_store.ts";
import type { ByteRate } from "./byte_rate.ts";
import { type Checksum, checksummed, openChecksum } from "./checksums.ts";

/** An object of a store. */
export interface ObjectPlace {
  readonly store: ObjectStore;
  readonly path: string;
}

/** How bytes pass. */
export interface Carriage extends Abortable {
  /** What all bytes that are read wait for, from either side. */
  readonly rate: ByteRate | null;
  /** Told of the bytes that were copied since it was told last. */
  onBytes(bytes: number): void;
}

/** Two objects with the same bytes. */
export interface SameObjects {
  readonly from: ObjectInfo;
  readonly to: ObjectInfo;
}

/** Objects up to this size go as bytes, so that a store may try again to put them. */
const IN_MEMORY_BYTES_MAX = 1024 * 1024;

/**
 * Copies an object with its description, reads the copy back and compares SHA-256 of both. A copy that is not the same is removed
 * again: `corrupt`.
 */
export async function copyVerified(
  source: ObjectPlace,
  target: ObjectPlace,
  carriage: Carriage,
  condition: WriteCondition,
): Promise<SameObjects> {
  const { signal } = carriage;
  const checksum = await openChecksum("sha256");
  const { info: from, body } = await source.store.get(source.path, { signal });
  const { size, contentType, metadata, tags } = from;
  let put: ObjectInfo;
  try {
    const chunks = counted(passing(body, carriage, checksum), carriage);
    const sent = size <= IN_MEMORY_BYTES_MAX ? await together(chunks, size) : streamOf(chunks);
    const said = { size, contentType, metadata, tags };
    put = await target.store.put(target.path, sent, { ...said, ...condition, signal });
  } catch (error) {
    // A store that was not even asked has not read it; one that was has let go of it.
    await body.cancel().catch(() => {});
    throw error;
  }
  const stored = await openChecksum("sha256");
  const to = await target.store.get(target.path, { match: put.etag, signal });
  for await (const _ of passing(to.body, carriage, stored));
  const isSame = compare(checksum.digest(), stored.digest()) === 0;
  if (isSame && isSaidSame(from, to.info)) return { from, to: to.info };
  // What else goes wrong with it now matters less.
  await target.store.delete(target.path, { match: put.etag, signal }).catch(() => {});
  const call = { provider: target.store.provider, operation: "copy", path: target.path };
  const why = isSame ? "another description came back" : "other bytes came back than were stored";
  throw objectError("corrupt", call, why);
}

/** Reads both objects; null where their bytes are not the same. */
export async function compareObjects(
  source: ObjectPlace,
  target: ObjectPlace,
  carriage: Carriage,
): Promise<SameObjects | null> {
  const { signal } = carriage;
  const checksums = [await openChecksum("sha256"), await openChecksum("sha256")];
  const from = await source.store.get(source.path, { signal });
  const to = await takingBody(from.body, () => target.store.get(target.path, { signal }));
  if (from.info.size !== to.info.size) {
    await Promise.all([from.body.cancel(), to.body.cancel()]);
    return null;
  }
  const sums = await Promise.allSettled([from, to].map(async ({ body }, i) => {
    for await (const _ of passing(body, carriage, checksums[i]));
    return checksums[i].digest();
  }));
  const [left, right] = sums.map((sum) => {
    if (sum.status === "rejected") throw sum.reason;
    return sum.value;
  });
  return compare(left, right) === 0 ? { from: from.info, to: to.info } : null;
}

/** True where the same is said of both. */
export function isSaidSame(a: ObjectDescription, b: ObjectDescription): boolean {
  const pairs = (said: Readonly<Record<string, string>> = {}) =>
    JSON.stringify(Object.entries(said).sort(([left], [right]) => left < right ? -1 : 1));
  return a.contentType === b.contentType && pairs(a.metadata) === pairs(b.metadata) &&
    pairs(a.tags) === pairs(b.tags);
}

async function* passing(
  body: ReadableStream<Uint8Array>,
  { rate, signal }: Carriage,
  checksum: Checksum,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of checksummed(bodyChunks(body, { signal }), checksum)) {
    await rate?.pass(chunk.length, signal);
    yield chunk;
  }
}

async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  carriage: Carriage,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    carriage.onBytes(chunk.length);
    yield chunk;
  }
}

async function together(chunks: AsyncIterable<Uint8Array>, size: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(size);
  let at = 0;
  for await (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes.subarray(0, at);
}
