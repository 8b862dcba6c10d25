import { passedOn } from "../storage/object_body.ts";
import type {
  ListPage,
  ObjectBody,
  ObjectContent,
  ObjectInfo,
  ObjectStore,
  PutOptions,
  StoreCapabilities,
} from "../storage/object_store.ts";
import type { Telemetry } from "./telemetry.ts";
import type { UsageCount } from "./usage.ts";

/** Who learns what a store does. */
export interface ObservedParts {
  /** Name of the provider. */
  readonly provider: string;
  readonly usage: UsageCount;
  readonly telemetry?: Telemetry;
}

/** A store whose calls and bytes are counted. */
export class ObservedStore implements ObjectStore {
  readonly name: string;
  readonly provider: string;
  readonly capabilities: StoreCapabilities;
  readonly #store: ObjectStore;
  readonly #parts: ObservedParts;

  /** Around a store, which it closes. */
  constructor(store: ObjectStore, parts: ObservedParts) {
    this.#store = store;
    this.#parts = parts;
    this.name = store.name;
    this.provider = store.provider;
    this.capabilities = store.capabilities;
  }

  async #call<T>(
    kind: "reads" | "writes",
    operation: string,
    work: () => Promise<T>,
  ): Promise<T> {
    const { provider, usage, telemetry } = this.#parts;
    usage[kind]++;
    try {
      if (telemetry === undefined) return await work();
      return await telemetry.observe({ provider, operation }, work);
    } catch (error) {
      usage.failures++;
      throw error;
    }
  }

  #counted(
    body: ReadableStream<Uint8Array>,
    direction: "read" | "written",
  ): ReadableStream<Uint8Array> {
    return passedOn(body, { chunk: ({ length }) => this.#pass(length, direction) });
  }

  #pass(bytes: number, direction: "read" | "written"): void {
    const { provider, usage, telemetry } = this.#parts;
    usage[direction === "read" ? "bytesRead" : "bytesWritten"] += bytes;
    telemetry?.bytes(provider, direction, bytes);
  }

  async put(path: string, body: ObjectBody, options?: PutOptions): Promise<ObjectInfo> {
    const isWhole = body instanceof Uint8Array;
    if (isWhole) this.#pass(body.length, "written");
    const counted = isWhole ? body : this.#counted(body, "written");
    return await this.#call("writes", "put", () => this.#store.put(path, counted, options));
  }

  get: ObjectStore["get"] = async (...args): Promise<ObjectContent> => {
    const content = await this.#call("reads", "get", () => this.#store.get(...args));
    return { ...content, body: this.#counted(content.body, "read") };
  };

  head: ObjectStore["head"] = (...args): Promise<ObjectInfo | null> =>
    this.#call("reads", "head", () => this.#store.head(...args));
  describe: ObjectStore["describe"] = (...args): Promise<ObjectInfo> =>
    this.#call("writes", "describe", () => this.#store.describe(...args));
  delete: ObjectStore["delete"] = (...args): Promise<void> =>
    this.#call("writes", "delete", () => this.#store.delete(...args));
  deleteMany: ObjectStore["deleteMany"] = (...args): Promise<void> =>
    this.#call("writes", "delete many", () => this.#store.deleteMany(...args));
  list: ObjectStore["list"] = (...args): Promise<ListPage> =>
    this.#call("writes", "list", () => this.#store.list(...args));
  copy: ObjectStore["copy"] = (...args): Promise<ObjectInfo> =>
    this.#call("writes", "copy", () => this.#store.copy(...args));
  signedUrl: ObjectStore["signedUrl"] = (...args): Promise<string> =>
    this.#store.signedUrl(...args);
  close: ObjectStore["close"] = (): Promise<void> => this.#store.close();
}
