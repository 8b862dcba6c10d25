import { checkInteger } from "../../core/runtime.ts";
import type { SparseBytes } from "./sparse_bytes.ts";

/** How to open a medium in memory. */
export interface MemoryStorageOptions {
  /** The name in messages; `memory:` unless given. */
  name?: string;
  /** The length in bytes that it cannot grow beyond: `ENOSPC`. */
  sizeMax?: number;
  /** The bytes that written chunks may take, as on a full disk under a sparse file: `ENOSPC`. */
  allocatedBytesMax?: number;
  /** Refuses every change with `EROFS`. */
  readOnly?: boolean;
  /** What it holds already: the `content` of a closed one opens it again. */
  content?: SparseBytes;
}

/** Checks the options that a caller gave. */
export function checkMemoryStorageOptions(options: MemoryStorageOptions): void {
  const { sizeMax, allocatedBytesMax } = options;
  if (sizeMax !== undefined) checkInteger("sizeMax", sizeMax, [0, Number.MAX_SAFE_INTEGER]);
  if (allocatedBytesMax !== undefined) {
    checkInteger("allocatedBytesMax", allocatedBytesMax, [0, Number.MAX_SAFE_INTEGER]);
  }
}

/** How to make a store of objects in memory. */
export interface MemoryObjectsConfig {
  /** The name in messages; `memory:` unless given. */
  readonly name?: string;
  /** Bytes that one object may have; 2 GiB unless given. */
  readonly objectBytesMax?: number;
  /** The clock: milliseconds since 1970. */
  readonly now: () => number;
}
