import { type ObjectCall, sizedChunks } from "../../core/storage/object_body.ts";
import type { ObjectBody, PutOptions } from "../../core/storage/object_store.ts";
import { eitherSignal } from "../../core/storage/time_limit.ts";
import { type Part, partBytes, type PartRules, partsOf } from "./parts.ts";

/** A body on its way in. */
export interface BodyUpload<T> {
  readonly call: ObjectCall;
  readonly body: ObjectBody;
  readonly options: PutOptions;
  readonly rules: PartRules;
  /** Stores an object by one request. */
  whole(bytes: Uint8Array): Promise<T>;
  /** Stores one that is longer than a part. What fails is told to `giveUp`, which ends the waiting for the body. */
  inParts(parts: AsyncIterable<Part>, giveUp: (error: unknown) => void): Promise<T>;
}

/** What came of it, the bytes, and whether they went in parts. */
export type Uploaded<T> = T & { readonly size: number; readonly isInParts: boolean };

/** Stores a body as one where it has no more bytes than a part, else in parts; where that fails, it is cancelled. */
export async function uploadBody<T extends object>(upload: BodyUpload<T>): Promise<Uploaded<T>> {
  const { call, body, options, rules } = upload;
  const giving = new AbortController();
  const size = options.size ?? (body instanceof Uint8Array ? body.length : undefined);
  const signal = eitherSignal(giving.signal, options.signal);
  const limits = { call, size, most: rules.objectBytesMax, signal };
  let sent = 0;
  const counted = async function* () {
    for await (const chunk of sizedChunks(body, limits)) {
      sent += chunk.length;
      yield chunk;
    }
  };
  const parts = partsOf(counted(), (index) => partBytes(index, size, rules));
  try {
    const first = (await parts.next()).value!;
    const stored = first.isLast
      ? await upload.whole(first.bytes)
      : await upload.inParts(startingWith(first, parts), (error) => giving.abort(error));
    return { ...stored, size: sent, isInParts: !first.isLast };
  } finally {
    await parts.return(undefined);
  }
}

async function* startingWith<T>(first: T, rest: AsyncIterable<T>): AsyncGenerator<T> {
  yield first;
  yield* rest;
}
