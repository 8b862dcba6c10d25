/** Bytes and questions of the contract of stores. */
import assert from "node:assert/strict";
import { VaultError, type VaultErrorKind } from "../errors.ts";
import type {
  ListOptions,
  ObjectContent,
  ObjectStore,
  PutOptions,
} from "../storage/object_store.ts";

/** One property. The store is empty. */
export type StoreProperty = (store: ObjectStore) => Promise<void>;

const encoder = new TextEncoder();
/** UTF-8. */
export const text = (value: string) => encoder.encode(value);

/** Bytes that compress badly and differ by seed. */
export function patternBytes(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let state = seed;
  for (let i = 0; i < length; i++) {
    state = Math.imul(state, 1664525) + 1013904223 | 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** A stream that gives `bytes` in pieces. */
export function piecesOf(bytes: Uint8Array, piece: number): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.slice(at, at + piece));
      at += piece;
    },
  });
}

/** A stream of one chunk, and what became of it. */
export function watchedStream(bytes: Uint8Array) {
  const state = { isRead: false, isCancelled: false };
  let chunks = [bytes];
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      if (chunks.length === 0) {
        state.isRead = true;
        controller.close();
      }
      chunks = [];
    },
    cancel: () => void (state.isCancelled = true),
  }, { highWaterMark: 0 });
  return { stream, state };
}

/** Wants a put to fail with a kind, and its stream to be read to its end or cancelled. */
export async function refusedPut(
  store: ObjectStore,
  path: string,
  options: PutOptions,
  kind: VaultErrorKind,
): Promise<void> {
  const { stream, state } = watchedStream(text("refused"));
  await refused(store, store.put(path, stream, options), kind);
  assert.ok(state.isRead || state.isCancelled, "the stream is read to its end, or cancelled");
}

/** All bytes of what was got. */
export async function bytesOf({ body }: ObjectContent): Promise<Uint8Array> {
  return new Uint8Array(
    await new Response(body as ReadableStream<Uint8Array<ArrayBuffer>>).arrayBuffer(),
  );
}

/** An object as text. */
export async function read(store: ObjectStore, path: string): Promise<string> {
  return new TextDecoder().decode(await bytesOf(await store.get(path)));
}

/** Wants a call to fail with a kind, in the name of the provider. */
export async function refused(
  store: ObjectStore,
  call: Promise<unknown>,
  kind: VaultErrorKind,
): Promise<void> {
  const error: unknown = await call.then(() => null, (error) => error);
  assert(error instanceof VaultError, `want ${kind}, got ${error}`);
  assert.deepEqual([error.kind, error.provider], [kind, store.provider], error.message);
  assert.match(error.message, /^Cannot [a-z]/);
}

/** Everything that a listing tells, page by page. */
export async function everyPage(store: ObjectStore, options: ListOptions) {
  const objects: string[] = [], prefixes: string[] = [];
  let pages = 0;
  let cursor: string | null | undefined;
  while (cursor !== null) {
    pages++;
    const page = await store.list({ ...options, cursor });
    const told = page.objects.length + page.prefixes.length;
    assert.ok(told <= (options.limit ?? 1000), `${told} in a page`);
    objects.push(...page.objects.map(({ path }) => path));
    prefixes.push(...page.prefixes);
    cursor = page.cursor;
  }
  return { objects, prefixes, pages };
}
