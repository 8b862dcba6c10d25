import { VaultError } from "../../errors.ts";
import type { ObjectAccess } from "../object_access.ts";

/** How much of objects is read at once and kept. */
export interface ObjectCacheSizes {
  /** Bytes of one read, a power of two: small reads of the medium do not become small requests. */
  readonly readBytes: number;
  /** Bytes kept. */
  readonly cacheBytes: number;
}

/** Ranges of objects in memory, the longest unused ones dropped first. Objects never change, so nothing goes stale. */
export class ObjectCache {
  readonly #access: ObjectAccess;
  readonly #sizes: ObjectCacheSizes;
  readonly #ranges = new Map<string, Uint8Array>();

  constructor(access: ObjectAccess, sizes: ObjectCacheSizes) {
    this.#access = access;
    this.#sizes = sizes;
  }

  /** Fills `into` from a byte offset in an object of `size` bytes. */
  read(object: { name: string; size: number }, offset: number, into: Uint8Array): void {
    const { readBytes } = this.#sizes;
    for (let done = 0; done < into.length;) {
      const at = offset + done;
      const start = at - at % readBytes;
      const range = this.#range(object, start);
      const count = Math.min(into.length - done, start + range.length - at);
      into.set(range.subarray(at - start, at - start + count), done);
      done += count;
    }
  }

  #range({ name, size }: { name: string; size: number }, start: number): Uint8Array {
    const key = `${name} ${start}`;
    let range = this.#ranges.get(key);
    if (range === undefined) {
      range = new Uint8Array(Math.min(this.#sizes.readBytes, size - start));
      readObject(this.#access, name, start, range);
    } else {
      this.#ranges.delete(key);
    }
    this.#ranges.set(key, range);
    if (this.#ranges.size * this.#sizes.readBytes > this.#sizes.cacheBytes) {
      this.#ranges.delete(this.#ranges.keys().next().value!);
    }
    return range;
  }
}

/** Reads from an object that the medium's own records name: where it is gone, the medium is damaged. */
export function readObject(
  access: ObjectAccess,
  name: string,
  offset: number,
  into: Uint8Array,
): void {
  try {
    access.read(name, offset, into);
  } catch (error) {
    if (!(error instanceof VaultError) || error.kind !== "missing") throw error;
    throw new VaultError(
      "corrupt",
      `Cannot read "${access.name}": object "${name}" is missing; if it is being synchronised, wait for that`,
      { operation: "read", errno: "EIO", cause: error },
    );
  }
}
