import { asPosixError, fail } from "../fs/errno.ts";
import { emptyAttributes } from "../fs/file_system.ts";
import type { LockAttributes } from "../fs/lock_attributes.ts";
import { isRegular } from "../fs/mode.ts";
import type { ViewFileSystem } from "../fs/view_file_system.ts";
import type { LineFile } from "../format/lock_record.ts";
import type { MountTransaction } from "./mount_transaction.ts";
import type { Vault } from "./vault.ts";

/** Names of the attributes that are read. */
const STATE = "user.sigmavault.lock";
const SHREDDABLE = "user.sigmavault.shreddable";

/** What a mount's locks stand on. */
export interface MountedLocksParts {
  readonly vault: Vault;
  readonly views: ViewFileSystem;
  readonly transaction: MountTransaction;
  /** The mount does not end before this has. */
  readonly tracked: (work: Promise<void>) => Promise<void>;
}

/** The attributes of a mount that lock files of its volume: a passphrase that is their value is never stored. */
export class MountedLocks implements LockAttributes {
  readonly #parts: MountedLocksParts;

  constructor(parts: MountedLocksParts) {
    this.#parts = parts;
  }

  async set(id: number, name: Uint8Array, value: Uint8Array): Promise<void> {
    try {
      await this.#parts.tracked(this.#change(id, new TextDecoder().decode(name), value));
    } catch (error) {
      throw asPosixError(error);
    } finally {
      value.fill(0);
    }
  }

  async #change(id: number, name: string, passphrase: Uint8Array): Promise<void> {
    const { vault: { locks }, transaction } = this.#parts;
    if (name === SHREDDABLE) return this.#mark(id, new TextDecoder().decode(passphrase));
    transaction.requireOneVolume("change the lock of a file");
    const file = { ...this.#fileOf(id), path: `inode ${id}` };
    if (passphrase.length === 0) fail("EINVAL");
    const changing = (work: () => Promise<void>) =>
      transaction.changingContent("change the lock of a file", file.ino, work);
    switch (name) {
      case "user.sigmavault.lock":
        return await changing(() => locks.lock(file, { passphrase }));
      case "user.sigmavault.unlock":
        return await changing(() => locks.unlock(file, { passphrase }));
      case "user.sigmavault.open":
        return await changing(() => locks.unlock(file, { passphrase, until: "close" }));
      default:
        fail("EOPNOTSUPP");
    }
  }

  /** A directory, in which files get secrets of their own from now on, or do not. */
  #mark(id: number, value: string): void {
    if (value !== "on" && value !== "off") fail("EINVAL");
    const change = { shreddable: value === "on" };
    this.#parts.views.setattr({ uid: 0, gid: 0, pid: 0, umask: 0 }, id, change, emptyAttributes());
  }

  #isShreddable(id: number): boolean {
    const out = emptyAttributes();
    this.#parts.views.getattr(id, out);
    return out.shreddable;
  }

  get(id: number, name: Uint8Array): Uint8Array {
    const read = new TextDecoder().decode(name);
    if (read === SHREDDABLE && this.#isShreddable(id)) return new TextEncoder().encode("on");
    if (read !== STATE) fail("ENODATA");
    const { vault: { locks, opened }, views, transaction } = this.#parts;
    if (!transaction.showsOneVolume) fail("ENODATA");
    const { line } = opened.volume.locks;
    const state = locks.state({ line, ino: views.inodeOf(id) });
    return state === "none" ? fail("ENODATA") : new TextEncoder().encode(state);
  }

  /** Of the volume itself: its snapshots are locked with it. */
  #fileOf(id: number): LineFile {
    const { vault: { fileSystem, opened }, views } = this.#parts;
    if (!views.isOutermost(id)) fail("EROFS");
    const ino = views.inodeOf(id);
    const out = emptyAttributes();
    fileSystem.getattr(ino, out);
    if (!isRegular(out.mode)) fail("EOPNOTSUPP");
    return { line: opened.volume.locks.line, ino };
  }
}
