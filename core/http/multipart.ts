import { Readable } from "node:stream";
import busboy from "busboy";
import { VaultError } from "../errors.ts";

/** A file of a form. */
export interface FormFile {
  /** The field's name. */
  readonly field: string;
  /** As the browser named it, without directories. */
  readonly name: string;
  readonly contentType: string;
  /** To be read to its end, or cancelled. */
  readonly body: ReadableStream<Uint8Array>;
}

/** What a form may hold. */
export interface FormLimits {
  /** Files of one form. */
  readonly filesMax: number;
}

/** Bytes that all of a form's fields without files may have is this, times their number. */
const FIELDS_MAX = 100;
const FIELD_BYTES_MAX = 64 * 1024;
const HEADERS_MAX = 50;

/** Takes the files of a form (RFC 7578) one after the other, as they come; `store` reads each to its end. */
export async function takeFiles(
  request: Request,
  { filesMax }: FormLimits,
  store: (file: FormFile) => Promise<void>,
): Promise<void> {
  const parser = parserOf(request, filesMax);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let last = Promise.resolve();
  const refuse = (why: string) => reject(badForm(why));
  parser.on("file", (field, stream, { filename, mimeType }) => {
    // Who gives it up early destroys the stream.
    const body = ReadableStream.from(stream as AsyncIterable<Uint8Array>);
    const name = (filename ?? "").replace(/^.*[/\\]/, "");
    last = last.then(() => store({ field, name, contentType: mimeType, body }));
    last.catch(reject);
  });
  parser.on("filesLimit", () => refuse(`more than ${filesMax} files`));
  parser.on("fieldsLimit", () => refuse(`more than ${FIELDS_MAX} fields`));
  parser.on("error", (cause) => reject(badForm("it does not hold together", cause)));
  parser.on("close", () => resolve(last));
  const source = Readable.fromWeb(request.body! as Parameters<typeof Readable.fromWeb>[0]);
  source.on("error", (cause) => reject(badForm("its sender stopped", cause)));
  source.pipe(parser);
  try {
    await promise;
  } finally {
    source.destroy();
    parser.destroy();
    await last.catch(() => {}); // its failure was thrown already
  }
}

function parserOf(request: Request, filesMax: number): busboy.Busboy {
  if (request.body === null) throw badForm("it is empty");
  const limits = {
    fields: FIELDS_MAX,
    fieldSize: FIELD_BYTES_MAX,
    files: filesMax,
    headerPairs: HEADERS_MAX,
  };
  try {
    return busboy({
      headers: Object.fromEntries(request.headers),
      limits,
      defParamCharset: "utf8",
    });
  } catch (cause) {
    throw badForm("want multipart/form-data with a boundary", cause);
  }
}

function badForm(why: string, cause?: unknown): VaultError {
  return new VaultError("invalid", `Cannot read the form: ${why}`, { operation: "upload", cause });
}
