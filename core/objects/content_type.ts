import { bodyChunks, streamOf } from "../storage/object_body.ts";
import { DEFAULT_CONTENT_TYPE, type ObjectBody } from "../storage/object_store.ts";

/** Bytes that the known signatures lie in. */
const SNIFF_BYTES = 4100;

/** A body whose content type is known. It stands for the one that was looked at. */
export interface TypedBody {
  readonly body: ObjectBody;
  readonly contentType: string;
}

/** Finds the content type of a body: by the name's extension, else by the first bytes. */
export async function typedBody(
  path: string,
  body: ObjectBody,
  signal?: AbortSignal,
): Promise<TypedBody> {
  const { default: mime } = await import("mime");
  const named = mime.getType(path);
  if (named !== null) return { body, contentType: withCharset(named) };
  if (body instanceof Uint8Array) return { body, contentType: await sniffed(body) };
  const chunks = bodyChunks(body, { signal });
  const first: Uint8Array[] = [];
  let length = 0;
  while (length < SNIFF_BYTES) {
    const { done, value } = await chunks.next();
    if (done) break;
    first.push(value);
    length += value.length;
  }
  const start = new Uint8Array(Math.min(length, SNIFF_BYTES));
  let at = 0;
  for (const chunk of first) {
    const part = chunk.subarray(0, start.length - at);
    start.set(part, at);
    at += part.length;
  }
  return { body: streamOf(joined(first, chunks)), contentType: await sniffed(start) };
}

async function* joined(
  first: readonly Uint8Array[],
  rest: AsyncGenerator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  try {
    yield* first;
    yield* rest;
  } finally {
    await rest.return(undefined);
  }
}

async function sniffed(start: Uint8Array): Promise<string> {
  const { fileTypeFromBuffer } = await import("file-type");
  return (await fileTypeFromBuffer(start.subarray(0, SNIFF_BYTES)))?.mime ?? DEFAULT_CONTENT_TYPE;
}

/** Text is UTF-8 unless somebody says otherwise. */
function withCharset(type: string): string {
  return type.startsWith("text/") ? `${type}; charset=utf-8` : type;
}
