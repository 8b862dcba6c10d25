import { VaultError } from "../errors.ts";
import { type ObjectCall, objectError, takingBody } from "./object_body.ts";
import { checkDescription, checkObjectPath } from "./object_path.ts";
import type {
  ObjectBody,
  ObjectInfo,
  ObjectStore,
  PutOptions,
  WriteCondition,
} from "./object_store.ts";

/** What every store checks before it does anything: that it is open, and that the path is one. */
export class StoreCalls {
  readonly #store: Pick<ObjectStore, "name" | "provider" | "capabilities">;
  readonly #ownName: string | null;
  #isClosed = false;

  /** `ownName`: the first part of paths at which the store keeps what is no object. */
  constructor(
    store: Pick<ObjectStore, "name" | "provider" | "capabilities">,
    ownName: string | null = null,
  ) {
    this.#store = store;
    this.#ownName = ownName;
  }

  /** A call that is about the whole store. */
  whole(operation: string): ObjectCall {
    const { name, provider } = this.#store;
    if (!this.#isClosed) return { provider, operation, path: name };
    throw new VaultError("invalid", `Cannot ${operation}: "${name}" is closed`, { provider });
  }

  /** A call that is about a path. */
  of(operation: string, path: string): ObjectCall {
    const call = { ...this.whole(operation), path };
    checkObjectPath(path, this.#store);
    const own = this.#ownName;
    if (own === null || (path !== own && !path.startsWith(`${own}/`))) return call;
    throw objectError("invalid", call, "the name is taken for the store's own records");
  }

  /** Puts an object by `put`, when what was asked for has been checked. Where that fails, the body is cancelled. */
  async put(
    path: string,
    body: ObjectBody,
    options: PutOptions,
    put: (call: ObjectCall) => Promise<ObjectInfo>,
  ): Promise<ObjectInfo> {
    return await takingBody(body, async () => {
      const call = this.of("put", path);
      checkDescription(options, this.#store);
      const { size = 0 } = options;
      if (!Number.isSafeInteger(size) || size < 0) {
        throw objectError("invalid", call, `${size} is no number of bytes`);
      }
      return await put(call);
    });
  }

  /** Later calls are refused; true the first time. */
  close(): boolean {
    const wasOpen = !this.#isClosed;
    this.#isClosed = true;
    return wasOpen;
  }
}

/** True where something is to be done only on what is there, or not there, now. */
export function hasCondition({ create, match }: WriteCondition): boolean {
  return create === true || match !== undefined;
}

/** Throws `conflict` where a condition does not hold for what was found. */
export function requireCondition(
  call: ObjectCall,
  { create, match }: WriteCondition,
  found: { readonly etag: string } | null | undefined,
): void {
  if (create && found) throw objectError("conflict", call, "it is there already");
  if (match !== undefined && match !== found?.etag) {
    throw objectError("conflict", call, "it has been changed");
  }
}
