/** What names of extended attributes begin with that are orders, not attributes: nothing of these is ever stored. */
const RESERVED = new TextEncoder().encode("user.sigmavault.");

/** True where a name is an order. */
export function isReservedName(name: Uint8Array): boolean {
  return RESERVED.every((byte, i) => name[i] === byte);
}

/**
 * Locking files through extended attributes: `user.sigmavault.lock` set to a passphrase locks a file, `user.sigmavault.unlock` unlocks
 * it, and `user.sigmavault.open` does until the mount ends. Reading `user.sigmavault.lock` tells how it is with the file.
 * `user.sigmavault.shreddable` set to `on` or `off` marks a directory.
 */
export interface LockAttributes {
  /** Does what the name says; rejects with a `PosixError`. Wipes the value. */
  set(id: number, name: Uint8Array, value: Uint8Array): Promise<void>;
  /** The state of a file; `ENODATA` where it is not locked, or the name is another one. */
  get(id: number, name: Uint8Array): Uint8Array;
}
