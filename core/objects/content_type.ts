import { joined } from "../bytes.ts";
import { bodyChunks, closingStream } from "../storage/object_body.ts";
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
  const close = () => chunks.return(undefined);
  try {
    const first: Uint8Array[] = [];
    for (let length = 0; length < SNIFF_BYTES; length += first.at(-1)!.length) {
      const { done, value } = await chunks.next();
      if (done) break;
      first.push(value);
    }
    const contentType = await sniffed(joined(first.map((it) => it.subarray(0, SNIFF_BYTES))));
    return { body: closingStream(startingWith(first, chunks), { close }), contentType };
  } catch (error) {
    await close();
    throw error;
  }
}

async function* startingWith(
  first: readonly Uint8Array[],
  rest: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  yield* first;
  yield* rest;
}

async function sniffed(start: Uint8Array): Promise<string> {
  return await sniffedType(start) ?? DEFAULT_CONTENT_TYPE;
}

/** The content type that the first bytes show; undefined where they show none. */
export async function sniffedType(start: Uint8Array): Promise<string | undefined> {
  const { fileTypeFromBuffer } = await import("file-type");
  return (await fileTypeFromBuffer(start.subarray(0, SNIFF_BYTES)))?.mime;
}

/** Text is UTF-8 unless somebody says otherwise. */
function withCharset(type: string): string {
  return type.startsWith("text/") ? `${type}; charset=utf-8` : type;
}
