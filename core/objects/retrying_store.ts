import {
  BrokenCircuitError,
  circuitBreaker,
  ConsecutiveBreaker,
  ConstantBackoff,
  ExponentialBackoff,
  handleWhen,
  type IPolicy,
  retry,
  wrap,
} from "cockatiel";
import { compare } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { readerOf } from "../storage/chunk_stream.ts";
import { passedOn, streamOf, takingBody } from "../storage/object_body.ts";
import { hasCondition } from "../storage/store_calls.ts";
import { isConflict, isUnavailable, unlessMissing } from "../storage/store_failures.ts";
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
import { resumedBody } from "./resumed_body.ts";

/** How often something is tried again. */
export interface RetrySettings {
  /** Tries of one call, the first one included; 4 unless given. */
  readonly attempts?: number;
  /** Milliseconds before the second try; 200 unless given. */
  readonly delayMs?: number;
  /** Each wait is about twice the one before it, by chance more or less; so unless told otherwise. */
  readonly exponential?: boolean;
  /** Failures one after the other that make it wait; 5 unless given. */
  readonly breakAfter?: number;
  /** Milliseconds in which a failing provider is left alone; 10,000 unless given. */
  readonly breakMs?: number;
}

/** Milliseconds between two tries at most. */
const DELAY_MS_MAX = 30_000;

/**
 * A store whose calls are tried again while it is `unavailable`, where that cannot do harm: what a first try may have done is
 * looked at before a second one counts as refused. Bodies that are streams can be read once only, so they are not tried
 * again. One that fails again and again is left alone for a while: calls then fail at once.
 */
export class RetryingStore implements ObjectStore {
  readonly name: string;
  readonly provider: string;
  readonly capabilities: StoreCapabilities;
  readonly #store: ObjectStore;
  readonly #attempts: number;
  readonly #once: IPolicy;
  readonly #again: IPolicy;

  /** Around a store, which it closes. */
  constructor(store: ObjectStore, settings: RetrySettings = {}) {
    const { attempts = 4, delayMs = 200, exponential = true } = settings;
    const { breakAfter = 5, breakMs = 10_000 } = settings;
    this.#store = store;
    this.#attempts = attempts;
    this.name = store.name;
    this.provider = store.provider;
    this.capabilities = store.capabilities;
    this.#once = circuitBreaker(handleWhen(isUnavailable), {
      halfOpenAfter: breakMs,
      breaker: new ConsecutiveBreaker(breakAfter),
    });
    const backoff = exponential
      ? new ExponentialBackoff({ initialDelay: delayMs, maxDelay: DELAY_MS_MAX })
      : new ConstantBackoff(delayMs);
    const again = retry(handleWhen(isUnavailable), { maxAttempts: attempts - 1, backoff });
    this.#again = wrap(again, this.#once);
  }

  async #call<T>(policy: IPolicy, { signal }: Abortable, work: () => Promise<T>): Promise<T> {
    try {
      return await policy.execute(work, signal);
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof SenderFailure) throw error.cause;
      if (!(error instanceof BrokenCircuitError)) throw error;
      throw new VaultError(
        "unavailable",
        `Cannot reach "${this.name}": it failed again and again, and is left alone for a while`,
        { provider: this.provider, cause: error },
      );
    }
  }

  async put(path: string, body: ObjectBody, options: PutOptions = {}): Promise<ObjectInfo> {
    const put = () => this.#store.put(path, body, options);
    if (!(body instanceof Uint8Array)) return await this.#putStream(path, body, options);
    return await this.#settled(options, put, () => this.#holds(path, body, options));
  }

  /** A stream that fails is its sender's failure, not the store's: however often, it does not count. */
  async #putStream(
    path: string,
    body: ReadableStream<Uint8Array>,
    options: PutOptions,
  ): Promise<ObjectInfo> {
    let isBroken = false;
    const watched = passedOn(body, { chunk() {}, failed: () => isBroken = true });
    const put = () =>
      this.#store.put(path, watched, options).catch((error) => {
        throw isBroken ? new SenderFailure(error) : error;
      });
    return await takingBody(watched, () => this.#call(this.#once, options, put));
  }

  /**
   * Tries a write again. Where one failed in between, nobody knows whether it was done: a later `conflict` may be with oneself,
   * so `isDone` looks.
   */
  async #settled(
    options: WriteCondition & Abortable,
    write: () => Promise<ObjectInfo>,
    isDone: () => Promise<ObjectInfo | null>,
  ): Promise<ObjectInfo> {
    const isConditional = hasCondition(options);
    let inDoubt = false;
    return await this.#call(this.#again, options, async () => {
      try {
        return await write();
      } catch (error) {
        if (inDoubt && isConditional && isConflict(error)) {
          const done = await unlessMissing(isDone);
          if (done !== null) return done;
        }
        inDoubt ||= isUnavailable(error);
        throw error;
      }
    });
  }

  /** The object, where it has just these bytes. */
  async #holds(path: string, bytes: Uint8Array, { signal }: Abortable): Promise<ObjectInfo | null> {
    const { info, body } = await this.#store.get(path, { signal });
    return await areEqual(streamOf([bytes]), body, { signal }) ? info : null;
  }

  async get(path: string, options: GetOptions = {}): Promise<ObjectContent> {
    const content = await this.#call(this.#again, options, () => this.#store.get(path, options));
    return { ...content, body: this.#resumed(path, content, options) };
  }

  /** The bytes of an object; where they stop coming, the rest is asked for, of just this state of it. */
  #resumed(
    path: string,
    { info, body, offset, length }: ObjectContent,
    { signal }: Abortable,
  ): ReadableStream<Uint8Array> {
    let failures = 0, before = 0;
    return resumedBody(body, {
      signal,
      reopen: async (error, done) => {
        failures = done > before ? 1 : failures + 1;
        before = done;
        if (!isUnavailable(error) || done === length || failures >= this.#attempts) throw error;
        const rest = { offset: offset + done, length: length - done, match: info.etag, signal };
        const reopen = () => this.#store.get(path, rest);
        const again = await this.#call(this.#again, { signal }, reopen);
        if (again.offset === rest.offset && again.length === rest.length) return again.body;
        await again.body.cancel();
        throw error;
      },
    });
  }

  async head(path: string, options: Abortable = {}): Promise<ObjectInfo | null> {
    return await this.#call(this.#again, options, () => this.#store.head(path, options));
  }

  async describe(path: string, change: ObjectDescription & Abortable): Promise<ObjectInfo> {
    return await this.#call(this.#again, change, () => this.#store.describe(path, change));
  }

  async delete(path: string, options: Abortable & { readonly match?: string } = {}): Promise<void> {
    let inDoubt = false;
    await this.#call(this.#again, options, async () => {
      try {
        await this.#store.delete(path, options);
      } catch (error) {
        const isGone = async () => await this.#store.head(path, options) === null;
        if (inDoubt && isConflict(error) && await isGone()) return;
        inDoubt ||= isUnavailable(error);
        throw error;
      }
    });
  }

  async deleteMany(paths: readonly string[], options: Abortable = {}): Promise<void> {
    await this.#call(this.#again, options, () => this.#store.deleteMany(paths, options));
  }

  async list(options: ListOptions = {}): Promise<ListPage> {
    return await this.#call(this.#again, options, () => this.#store.list(options));
  }

  async copy(
    from: string,
    to: string,
    options: WriteCondition & Abortable = {},
  ): Promise<ObjectInfo> {
    const copy = () => this.#store.copy(from, to, options);
    const { signal } = options;
    return await this.#settled(options, copy, async () => {
      const { body: source } = await this.#store.get(from, { signal });
      const { info, body } = await takingBody(source, () => this.#store.get(to, { signal }));
      return await areEqual(source, body, { signal }) ? info : null;
    });
  }

  signedUrl(path: string, options: SignedUrlOptions): Promise<string> {
    return this.#store.signedUrl(path, options);
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}

/** What came of a stream that failed. */
class SenderFailure extends Error {
  constructor(cause: unknown) {
    super("a stream failed", { cause });
  }
}

/** True where both give the same bytes; both are cancelled. */
async function areEqual(
  left: ReadableStream<Uint8Array>,
  right: ReadableStream<Uint8Array>,
  { signal }: Abortable,
): Promise<boolean> {
  const readers = [readerOf(left), readerOf(right)];
  const next = async (held: Uint8Array | undefined, from: typeof readers[0]) => {
    while (held?.length === 0) held = (await from.read()).value;
    return held;
  };
  try {
    let [ours, theirs]: (Uint8Array | undefined)[] = [new Uint8Array(), new Uint8Array()];
    while (true) {
      signal?.throwIfAborted();
      ours = await next(ours, readers[0]);
      theirs = await next(theirs, readers[1]);
      if (ours === undefined || theirs === undefined) return ours === theirs;
      const length = Math.min(ours.length, theirs.length);
      if (compare(ours.subarray(0, length), theirs.subarray(0, length)) !== 0) return false;
      [ours, theirs] = [ours.subarray(length), theirs.subarray(length)];
    }
  } finally {
    // Of both the bytes are known, or nobody wants them.
    await Promise.allSettled(readers.map((reader) => reader.cancel()));
  }
}
