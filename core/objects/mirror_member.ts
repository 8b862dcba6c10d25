import { VaultError } from "../errors.ts";
import { readerOf } from "../storage/chunk_stream.ts";
import { closingStream } from "../storage/object_body.ts";
import type {
  Abortable,
  GetOptions,
  ListOptions,
  ListPage,
  ObjectBody,
  ObjectContent,
  ObjectDescription,
  ObjectInfo,
  ObjectStore,
  PutOptions,
  SignedUrlOptions,
  StoreCapabilities,
  WriteCondition,
} from "../storage/object_store.ts";
import { unless } from "../storage/store_failures.ts";
import { eitherSignal, timeFor, TimeLimitError, within } from "../storage/time_limit.ts";
import { PathNotes } from "./path_notes.ts";

/** Notes of paths that members differ in lie below it. */
export const MIRROR_NOTES = ".sigmavault-mirror/";

/** Milliseconds for an answer that carries no body: another member can give it. */
const ANSWER_MS_MAX = 10_000;
/** What a timer takes at most. */
const STREAM_MS_MAX = 2 ** 31 - 1;

/** What a mirror is called in its errors. */
export const MIRROR = "mirror";

/** An error in the mirror's name; what a member said is its cause. */
export function asMirrorError(error: unknown): unknown {
  if (!(error instanceof VaultError) || error.provider === MIRROR) return error;
  const { kind, message, operation } = error;
  return new VaultError(kind, message, { provider: MIRROR, operation, cause: error });
}

/** True where a member cannot be relied on: what another one says counts. */
export function isFailure(error: unknown): error is VaultError {
  return error instanceof VaultError && ["unavailable", "denied", "corrupt"].includes(error.kind);
}

/** Null where a member fails. */
export function unlessFailure<T>(call: () => Promise<T>): Promise<T | null> {
  return unless(isFailure, call);
}

/** A store of a mirror: no call of it waits for ever, and it is known how busy it is and whether it failed. */
export class MirrorMember implements ObjectStore {
  readonly name: string;
  readonly provider: string;
  readonly capabilities: StoreCapabilities;
  readonly notes: PathNotes;
  /** Milliseconds in which the next part of a body must come, or be taken; other answers at most 10,000. */
  readonly milliseconds: number;
  /** Calls and bodies that are under way. */
  outstanding = 0;
  /** When it was chosen last, counted in questions to the mirror. */
  askedAt = 0;
  /** Calls that failed since it answered last. */
  #failures = 0;
  readonly #closing = new AbortController();
  /** Calls that the store has not ended, whether or not somebody still waits for them. */
  readonly #running = new Set<Promise<void>>();
  readonly #store: ObjectStore;

  /** Around a store, which it closes. */
  constructor(store: ObjectStore, milliseconds: number) {
    this.#store = store;
    this.milliseconds = milliseconds;
    this.name = store.name;
    this.provider = store.provider;
    this.capabilities = store.capabilities;
    this.notes = new PathNotes(this, MIRROR_NOTES);
  }

  /** It failed, and has not answered since. */
  get isResting(): boolean {
    return this.#failures > 0;
  }

  /** It failed more than once: whoever needs no answer of it does not wait for one. */
  get isAway(): boolean {
    return this.#failures > 1;
  }

  async #call<T>(
    { signal }: Abortable,
    work: (signal: AbortSignal) => Promise<T>,
    milliseconds = Math.min(this.milliseconds, ANSWER_MS_MAX),
  ): Promise<T> {
    this.outstanding++;
    try {
      const tracked = (signal: AbortSignal) => this.#tracked(work(signal));
      const value = await within({ milliseconds, signal: this.#until(signal) }, tracked);
      this.#failures = 0;
      return value;
    } catch (error) {
      throw this.failed(error);
    } finally {
      this.outstanding--;
    }
  }

  #tracked<T>(call: Promise<T>): Promise<T> {
    const settled: Promise<void> = call.then(() => {}, () => {}).then(() => {
      this.#running.delete(settled);
    });
    this.#running.add(settled);
    return call;
  }

  #until(signal?: AbortSignal): AbortSignal {
    return eitherSignal(this.#closing.signal, signal);
  }

  /** What is told of a failure; the member rests. */
  failed(cause: unknown): unknown {
    const error = cause instanceof TimeLimitError
      ? new VaultError("unavailable", `Cannot wait for "${this.name}": ${cause.message}`, {
        provider: this.provider,
        cause,
      })
      : cause;
    if (isFailure(error)) this.#failures++;
    return error;
  }

  /** A stream's own time is its sender's affair. */
  async put(path: string, body: ObjectBody, options: PutOptions = {}): Promise<ObjectInfo> {
    const isWhole = body instanceof Uint8Array;
    const limit = isWhole ? timeFor(body.length, this.milliseconds) : STREAM_MS_MAX;
    const put = (signal: AbortSignal) => this.#store.put(path, body, { ...options, signal });
    return await this.#call(options, put, limit);
  }

  async get(path: string, options: GetOptions = {}): Promise<ObjectContent> {
    const ending = new AbortController();
    const signal = eitherSignal(ending.signal, this.#until(options.signal));
    const get = () => this.#store.get(path, { ...options, signal });
    const content = await this.#call(options, get).catch((error) => {
      ending.abort(error);
      throw error;
    });
    return { ...content, body: this.#watched(content.body, { ending, signal }) };
  }

  /** A body whose next part comes in time; it counts as a call until it ends. */
  #watched(
    body: ReadableStream<Uint8Array>,
    { ending, signal }: { readonly ending: AbortController; readonly signal: AbortSignal },
  ): ReadableStream<Uint8Array> {
    const reader = readerOf(body);
    const { milliseconds } = this;
    const next = async (): Promise<IteratorResult<Uint8Array>> => {
      try {
        const { done, value } = await within({ milliseconds }, () => reader.read());
        return done ? { done, value: undefined } : { done, value };
      } catch (error) {
        ending.abort(error);
        throw this.failed(error);
      }
    };
    const close = () => {
      this.outstanding--;
      void reader.cancel().catch(() => {}); // it may be the one that failed
    };
    this.outstanding++;
    return closingStream({ next }, { close, signal });
  }

  head(path: string, options: Abortable = {}): Promise<ObjectInfo | null> {
    return this.#call(options, (signal) => this.#store.head(path, { signal }));
  }

  describe(path: string, change: ObjectDescription & Abortable): Promise<ObjectInfo> {
    return this.#call(change, (signal) => this.#store.describe(path, { ...change, signal }));
  }

  delete(path: string, options: Abortable & { readonly match?: string } = {}): Promise<void> {
    return this.#call(options, (signal) => this.#store.delete(path, { ...options, signal }));
  }

  deleteMany(paths: readonly string[], options: Abortable = {}): Promise<void> {
    return this.#call(options, (signal) => this.#store.deleteMany(paths, { signal }));
  }

  list(options: ListOptions = {}): Promise<ListPage> {
    return this.#call(options, (signal) => this.#store.list({ ...options, signal }));
  }

  copy(
    from: string,
    to: string,
    options: WriteCondition & Abortable = {},
  ): Promise<ObjectInfo> {
    return this.#call(options, (signal) => this.#store.copy(from, to, { ...options, signal }));
  }

  signedUrl(path: string, options: SignedUrlOptions): Promise<string> {
    return this.#store.signedUrl(path, options);
  }

  /** Calls that are under way end at once for their callers. The store is closed when it has ended them, if it does so in time. */
  async close(): Promise<void> {
    const { provider } = this;
    const error = new VaultError("invalid", `Cannot use "${this.name}": it is closed`, {
      provider,
    });
    this.#closing.abort(error);
    const milliseconds = Math.min(this.milliseconds, ANSWER_MS_MAX);
    await within({ milliseconds }, () => Promise.all(this.#running)).catch(() => {});
    await this.#store.close();
  }
}
