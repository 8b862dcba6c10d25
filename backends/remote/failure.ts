import { VaultError, type VaultErrorKind } from "../../core/errors.ts";
import { type ObjectCall, objectError } from "../../core/storage/object_body.ts";
import type { Abortable, WriteCondition } from "../../core/storage/object_store.ts";
import { TimeLimitError } from "../../core/storage/time_limit.ts";

/** What a provider said, without what its client remembers of the request: that has signatures and tokens. */
export interface Answer {
  /** HTTP's; undefined where none came. */
  readonly status?: number;
  /** The provider's word for it: `NoSuchKey`. */
  readonly code?: string;
  readonly message?: string;
  readonly requestId?: string;
}

/** What one code of a provider means, where its status does not say it. */
export type KnownCodes = Readonly<Record<string, VaultErrorKind>>;

/** Turns what a provider's client throws into errors of the contract. */
export interface FailureReader {
  /** Reads an error of the client. */
  answerOf(error: unknown): Answer;
  readonly codes: KnownCodes;
}

/** The error for `error`, which a client threw; the caller's own reason where it gave up. */
export function failure(
  error: unknown,
  call: ObjectCall,
  reader: FailureReader,
  { signal, condition }: Abortable & { readonly condition?: WriteCondition } = {},
): unknown {
  if (signal?.aborted) return signal.reason;
  if (error instanceof VaultError) return error;
  if (error instanceof Deno.errors.NotCapable) {
    return objectError("denied", call, `this program may not: ${error.message}`, error);
  }
  if (error instanceof TimeLimitError) {
    return objectError("unavailable", call, error.message, error);
  }
  const answer = reader.answerOf(error);
  const kind = kindOf(answer, reader.codes);
  // Where an etag is asked for, an object that is gone is one that was changed.
  const isConflict = kind === "missing" && condition?.match !== undefined;
  return objectError(
    isConflict ? "conflict" : kind,
    call,
    whyOf(isConflict ? "conflict" : kind, answer),
    causeOf(answer),
  );
}

function kindOf({ status, code }: Answer, codes: KnownCodes): VaultErrorKind {
  if (code !== undefined && Object.hasOwn(codes, code)) return codes[code];
  if (status === undefined || status >= 500 || status === 408 || status === 429) {
    return status === 501 ? "invalid" : "unavailable";
  }
  if (status === 404) return "missing";
  if (status === 401 || status === 403) return "denied";
  if (status === 304 || status === 409 || status === 412) return "conflict";
  return "invalid";
}

function whyOf(kind: VaultErrorKind, { status, code, message }: Answer): string {
  const answered = `${[status, code].filter((it) => it !== undefined).join(" ")}`;
  switch (kind) {
    case "missing":
      return code !== undefined && /bucket|container/i.test(code)
        ? "there is no such bucket or container"
        : "there is no such object";
    case "conflict":
      return "it has been changed, or is there already";
    case "denied":
      return `the provider refuses these credentials (${
        answered || oneLine(message || "no reason")
      })`;
    case "unavailable":
      return status === undefined
        ? `the provider cannot be reached (${code ?? oneLine(message || "no reason")})`
        : `the provider cannot do it now (${answered})`;
    default:
      return `the provider refuses it (${answered}${message ? `: ${oneLine(message)}` : ""})`;
  }
}

/** Characters of a provider's words that are told. */
const WORDS_MAX = 500;

/** Providers end messages with times and ids on further lines; URLs may be signed. */
function oneLine(message: string): string {
  return message.slice(0, WORDS_MAX).split("\n")[0].replace(/https?:\/\/[^\s)]*/g, "URL").trim()
    .replace(/\.$/, "");
}

/** Where credentials are refused, the message quotes what was signed. */
function causeOf({ status, code, message, requestId }: Answer): Error {
  const isDenial = status === 401 || status === 403;
  const words = isDenial || !message ? "refused" : oneLine(message);
  const cause = new Error(requestId ? `${words} (request ${requestId})` : words);
  cause.name = code ?? "ProviderError";
  return cause;
}
