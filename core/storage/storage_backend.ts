import { VaultError } from "../errors.ts";
import type { MediumSeal } from "./medium_seal.ts";

/**
 * A medium: byte-addressed storage that holds a vault. The comments are the contract;
 * `tests/contract/storage_backend.ts` checks it for every backend.
 */
export interface StorageBackend {
  /** What this medium can do. Declared, never sniffed. */
  readonly capabilities: StorageCapabilities;
  /** A name for messages: a path or URL without secrets. */
  readonly name: string;
  /** True where the medium can hold holes that take no space. */
  readonly supportsSparse: boolean;
  /**
   * Synchronous access for media that answer at once (files, memory, block devices);
   * undefined where every access waits for a network.
   */
  readonly direct?: DirectAccess;

  /**
   * Media that keep records of their own beside the bytes seal them with this. Called when the keys are known; until
   * then only the fixed cells of the header can be used. `create` forgets what the medium holds but for those. Returns what
   * is damaged where a medium that is opened for reading only had to be put together from what is left; else null.
   */
  unlock?(seal: MediumSeal, mode: "open" | "create"): string | null;

  /** What objects the medium is made of, where it is made of objects and they are known. */
  objectUse?(): ObjectUse | null;

  /** Reads exactly `size` bytes at `offset`. Reading beyond the end is `invalid`. Safe under concurrency. */
  read(offset: number, size: number): Promise<Uint8Array<ArrayBuffer>>;
  /** Writes all of `data` at `offset`, growing the medium when it can. Safe under concurrency. */
  write(offset: number, data: Uint8Array): Promise<void>;
  /** Bytes from the start to the end of the medium. */
  size(): Promise<number>;
  /** Resolves when everything written before the call is durable (fdatasync). */
  sync(): Promise<void>;
  /** Makes the medium exactly `size` bytes long; new bytes read as zeros. */
  truncate(size: number): Promise<void>;
  /** Says that these bytes are no longer needed. They may read as anything until rewritten. */
  discard(offset: number, size: number): Promise<void>;
  /** Releases the lock and handles. Idempotent. */
  close(): Promise<void>;
}

/** What the objects of a write-once medium amount to; those that only wait to be deleted are not counted. */
export interface ObjectUse {
  /** How many there are. */
  readonly objects: number;
  /** Bytes of theirs that are of use. */
  readonly liveBytes: number;
  /** Their bytes, whole. */
  readonly objectBytes: number;
}

/** Declared abilities of a medium. */
export interface StorageCapabilities {
  /** Bytes can be written twice (false for write-once media). */
  readonly overwrite: boolean;
  /** `truncate` can grow and shrink it. */
  readonly resize: boolean;
  /** `discard` gives space back. */
  readonly discard: boolean;
  /** Opened for writing. */
  readonly writable: boolean;
}

/**
 * Synchronous, positioned access. Views handed in may lie in shared memory; an implementation
 * that cannot use such a view copies. Errors are the same `VaultError`s as those of the promises:
 * a full medium is `unavailable` with errno `ENOSPC`, a read-only one `denied` with errno `EROFS`.
 */
export interface DirectAccess {
  /** Fills `into` from `offset`; throws where the medium ends before. */
  read(offset: number, into: Uint8Array): void;
  /** Writes all of `from` at `offset`. */
  write(offset: number, from: Uint8Array): void;
  /** Length in bytes. */
  size(): number;
  /** Makes what was written durable. */
  sync(): void;
  /**
   * The same aside, where that takes long: resolves when what was written before the call is durable. Reads and
   * writes go on meanwhile.
   */
  syncLater?(): Promise<void>;
  /** Cuts the medium, or makes it longer with zeros. */
  truncate(size: number): void;
  /** Gives a range back to the storage below; it reads as zeros or as before. */
  discard(offset: number, size: number): void;
  /**
   * The descriptor, where there is one: crypto workers read and write it themselves by FFI
   * (`pread`, `pwrite`), which is safe under concurrency.
   */
  readonly descriptor?: number;
  /** Space of the storage below that holes and growth are filled from, where it is limited and known. */
  room?(): MediumRoom;
  /** Space of the storage below that can be kept for this medium; null where that is not possible. */
  keptSpace?(): KeptSpace | null;
}

/** A write without room gives up as much of what is kept as it takes itself, in units of this: what is more, others may take. */
const GIVEN_UP_UNIT_BYTES = 65536;

/** What a write of so many bytes gives up at a time. */
export function givenUpBytes(length: number): number {
  return Math.max(1, Math.ceil(length / GIVEN_UP_UNIT_BYTES)) * GIVEN_UP_UNIT_BYTES;
}

/**
 * Bytes of the storage below that nobody else can take. A write that finds no room there uses them up, so that what waits in
 * memory can always be written.
 */
export interface KeptSpace {
  /** The descriptor of the file that they are, where there is one: whoever writes past the medium's own code cuts it. */
  readonly descriptor?: number;
  /** How many there are. */
  bytes(): number;
  /** Makes them so many; false where there is no room: then they are as many as before. */
  resize(bytes: number): boolean;
}

/** How much more a sparse medium can take before the storage below is full. */
export interface MediumRoom {
  /** Bytes that can still be taken. */
  readonly freeBytes: number;
  /** Bytes that there are in all. */
  readonly totalBytes: number;
  /** The medium has no holes: what is overwritten takes nothing of that. */
  readonly isWhole?: () => boolean;
}

/** Throws `invalid` for what is none, in code without types. */
export function requireBackend(medium: StorageBackend): StorageBackend {
  if (typeof medium?.read === "function" && typeof medium.close === "function") return medium;
  throw new VaultError(
    "invalid",
    "Cannot use such a medium: give a path, a URL or a StorageBackend",
  );
}
