/**
 * What the system below gives: a name for this device, a place for its secrets, a filesystem driver. One
 * implementation per system, in `ffi/`; core only knows this interface.
 *
 * @module
 */

/** Names a device in listings and tells a moved disk. It is no key material. */
export interface DeviceFingerprint {
  /** For people: the host's name. */
  readonly name: string;
  /** 16 bytes: a keyed hash over what the system calls itself. */
  readonly id: Uint8Array;
}

/** Keeps 32-byte secrets of this device. Losing it must not lose the vault: keep a recovery code. */
export interface SecureStorage {
  /** Where the secrets lie, for messages. */
  readonly name: string;
  /** The secret, or null where none has this label. The caller wipes it. */
  get(label: string): Promise<Uint8Array | null>;
  /** Keeps a secret, durable when it resolves. */
  set(label: string, secret: Uint8Array): Promise<void>;
  /** Forgets a secret; does nothing where there is none. */
  remove(label: string): Promise<void>;
}

/**
 * Keeps a small sealed record on this device for each vault that it has opened: the newest root that was seen. Losing one
 * loses a protection, never a vault; who may not read or write there finds nothing and keeps nothing, silently.
 */
export interface RootMemory {
  /** The record, or null where none has this label. A label is up to 64 hexadecimal digits. */
  get(label: string): Promise<Uint8Array | null>;
  /** Keeps a record in place of the one before. After a crash it is there whole, or the one before is. */
  set(label: string, record: Uint8Array): Promise<void>;
}

/** The filesystem drivers that can mount a vault. */
export type FilesystemDriver = "libfuse3" | "macfuse" | "winfsp";

/** One operating system. */
export interface Platform {
  /** Who this device is. */
  deviceFingerprint(): Promise<DeviceFingerprint>;
  /** Where this device keeps its secrets. */
  secureStorage(): SecureStorage;
  /** What this device remembers of the vaults that it has opened. */
  rootMemory?(): RootMemory;
  /** Bytes of memory that programs can still take, where the system says it. */
  freeMemoryBytes?(): number;
  /** The driver that mounts here. */
  filesystemDriver(): FilesystemDriver;
}
