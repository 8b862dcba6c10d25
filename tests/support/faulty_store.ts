import { VaultError } from "../../core/errors.ts";
import { closingStream } from "../../core/storage/object_body.ts";
import type { ObjectContent, ObjectStore } from "../../core/storage/object_store.ts";

/** A store that fails on demand, before a call reaches the real one or when it is done. */
export class FaultyStore implements ObjectStore {
  readonly name: string;
  readonly provider: string;
  readonly capabilities: ObjectStore["capabilities"];
  /** Calls so far. */
  calls = 0;
  /** Failures that are still to come. */
  left = 0;
  /** Nothing reaches it. */
  isAway = false;
  /** Called at each failure. */
  onFailure = () => {};
  /** Called before each call reaches the real one, and when it is done; what they throw ends the call. */
  around: { before(): void | Promise<void>; after(): void | Promise<void> } = {
    before: () => {},
    after: () => {},
  };
  readonly #store: ObjectStore;
  #when: "before" | "after" = "before";
  #cutAt = Infinity;

  /** Around a store. */
  constructor(store: ObjectStore) {
    this.#store = store;
    this.name = store.name;
    this.provider = store.provider;
    this.capabilities = store.capabilities;
  }

  /** The next calls fail. */
  failNext(count: number, when: "before" | "after"): void {
    this.left = count;
    this.#when = when;
  }

  /** Every body ends with a failure when so many bytes have come. */
  cutBodiesAt(bytes: number): void {
    this.#cutAt = bytes;
  }

  async #call<T>(call: () => Promise<T>): Promise<T> {
    this.calls++;
    if (this.isAway) throw this.#failure();
    const fails = this.left > 0;
    if (fails) this.left--;
    if (fails && this.#when === "before") throw this.#failure();
    await this.around.before();
    const value = await call();
    await this.around.after();
    if (fails) throw this.#failure();
    return value;
  }

  #failure(): VaultError {
    this.onFailure();
    return new VaultError("unavailable", "Cannot reach it: a fault on demand", {
      provider: this.provider,
    });
  }

  put: ObjectStore["put"] = (...args) => this.#call(() => this.#store.put(...args));
  head: ObjectStore["head"] = (...args) => this.#call(() => this.#store.head(...args));
  describe: ObjectStore["describe"] = (...args) => this.#call(() => this.#store.describe(...args));
  delete: ObjectStore["delete"] = (...args) => this.#call(() => this.#store.delete(...args));
  deleteMany: ObjectStore["deleteMany"] = (...args) =>
    this.#call(() => this.#store.deleteMany(...args));
  list: ObjectStore["list"] = (...args) => this.#call(() => this.#store.list(...args));
  copy: ObjectStore["copy"] = (...args) => this.#call(() => this.#store.copy(...args));
  signedUrl: ObjectStore["signedUrl"] = (...args) => this.#store.signedUrl(...args);
  close: ObjectStore["close"] = () => this.#store.close();

  get: ObjectStore["get"] = async (...args) => {
    const content = await this.#call(() => this.#store.get(...args));
    return { ...content, body: this.#cut(content) };
  };

  #cut({ body }: ObjectContent): ReadableStream<Uint8Array> {
    let left = this.#cutAt;
    const reader = body.getReader();
    const next = async (): Promise<IteratorResult<Uint8Array>> => {
      if (left <= 0) throw this.#failure();
      const { done, value } = await reader.read();
      if (done) return { done, value };
      const part = value.subarray(0, left);
      left -= value.length;
      return { done: false, value: part };
    };
    return closingStream({ next }, { close: () => reader.cancel() });
  }
}
