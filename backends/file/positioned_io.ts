import type { KeptSpace } from "../../core/storage/storage_backend.ts";

/**
 * Positioned I/O on open files: what the file backend needs of an operating system. Two
 * implementations: `node_io.ts` here, and `ffi/libc/file_io.ts`, which calls libc.
 *
 * Every failure is an `Error` whose `code` is an errno name, as node throws them. Calls that a
 * signal interrupts, and transfers that end early, are continued by the implementation.
 */
export interface PositionedIo {
  /** Says which implementation this is, for `info` and messages. */
  readonly name: string;
  /** Opens `path`. Directories, pipes and character devices are refused with `EISDIR` or `EINVAL`. */
  open(path: string, mode: OpenMode): PositionedFile;
}

/** How a file is opened. */
export interface OpenMode {
  /** Open for writing too. */
  readonly writable: boolean;
  /** `always` makes the file and fails with `EEXIST` where there is one. */
  readonly create: "never" | "if-missing" | "always";
}

/** One open file or block device. All positions are absolute; calls may overlap freely. */
export interface PositionedFile {
  /** A block device has a fixed size. */
  readonly kind: "file" | "block-device";
  /** `allocate` is there; a filesystem may still refuse it. */
  readonly canPunchHoles: boolean;
  /** The system's descriptor where other threads can use it too. */
  readonly descriptor?: number;
  /** Reads until `into` is full or the file ends; returns the bytes read. `into` may be shared memory. */
  read(offset: number, into: Uint8Array): number;
  /** Writes all of `from`, or throws; what was written before a failure stays. */
  write(offset: number, from: Uint8Array): void;
  /** Bytes from the start to the end. */
  size(): number;
  /** fdatasync: returns when everything written is durable. */
  sync(): void;
  /** The same, without holding up this thread. */
  syncAside(): Promise<void>;
  /** Sets the length of a regular file. */
  truncate(size: number): void;
  /** fallocate without changing the length; false where the system or filesystem cannot. */
  allocate(mode: "punch-hole" | "zero-range", range: { offset: number; size: number }): boolean;
  /** Space of the same filesystem kept for this file; null where it cannot be. The first call makes it. */
  keptSpace?(): KeptSpace | null;
  /** Takes the advisory lock (flock) at once; false where another opener holds it. */
  tryLock(mode: "shared" | "exclusive"): boolean;
  /** Releases lock and descriptor. */
  close(): void;
}
