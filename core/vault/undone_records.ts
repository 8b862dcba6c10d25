import { DIRENT_NAME_AT, direntIno } from "../format/dirent.ts";
import { decodeInode, emptyInode, isSameButAccess } from "../format/inode.ts";
import { KEY_TYPE, keyIno } from "../format/volume_key.ts";
import type { NamePlace } from "../fs/kernel_cache.ts";

/** Which inodes and names a rollback took back, from the records that it took back. */
export class UndoneRecords {
  /** Inodes that were changed. */
  readonly changed = new Set<number>();
  /** Inodes whose access time was taken back, if nothing else. */
  readonly accessed = new Set<number>();
  readonly names: NamePlace[] = [];
  readonly #inside = emptyInode();
  readonly #now = emptyInode();

  /** Notes a record, as it was inside the transaction and as it is now. */
  add(key: Uint8Array, inside: Uint8Array | null, now: Uint8Array | null): void {
    const ino = keyIno(key);
    if (key[0] === KEY_TYPE.inode && inside !== null && now !== null) {
      return this.#addInode(ino, inside, now);
    }
    this.changed.add(ino);
    if (key[0] !== KEY_TYPE.entry) return;
    for (const entry of [inside, now]) {
      if (entry === null) continue;
      this.accessed.add(direntIno(entry));
      this.names.push({ parent: ino, name: entry.slice(DIRENT_NAME_AT) });
    }
  }

  #addInode(ino: number, inside: Uint8Array, now: Uint8Array): void {
    decodeInode(inside, this.#inside);
    decodeInode(now, this.#now);
    (isSameButAccess(this.#inside, this.#now) ? this.accessed : this.changed).add(ino);
  }
}
