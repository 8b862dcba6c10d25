import {
  checkDirent,
  DIRENT_BYTES_MAX,
  DIRENT_NAME_AT,
  direntIno,
  direntIsNamed,
  direntType,
  encodeDirent,
  NAME_BYTES_MAX,
} from "../format/dirent.ts";
import {
  encodeEntryKey,
  ENTRY_KEY_BYTES,
  KEY_TYPE,
  keyBelongsTo,
  keyCookie,
} from "../format/volume_key.ts";
import type { VolumeStore } from "../volume/volume_store.ts";
import { fail } from "./errno.ts";
import type { DirectoryVisitor } from "./file_system.ts";

/** Cookies of "." and "..". */
export const DOT_COOKIE = 1;
export const DOTDOT_COOKIE = 2;
/** Cookies from here on belong to entries: name hash × 256 + probe + 3. */
const COOKIE_BASE = 3;
/** Names with equal hashes that a directory can hold. */
const PROBES = 256;
/** Entries copied out of the tree at a time: a visitor may use the filesystem in between. */
const BATCH = 64;

/** A found entry. `ino` is 0 where there was none. */
export interface Found {
  ino: number;
  type: number;
  cookie: number;
}

/** The entries of all directories, by keyed hash of the name. An entry's cookie never changes. */
export class Directories {
  readonly #store: VolumeStore;
  readonly #key = new Uint8Array(ENTRY_KEY_BYTES);
  readonly #record = new Uint8Array(DIRENT_BYTES_MAX);
  readonly #found: Found = { ino: 0, type: 0, cookie: 0 };
  readonly #batches: EntryBatch[] = [];
  #directory = 0;
  #name = new Uint8Array(0);
  #limit = 0;

  constructor(store: VolumeStore) {
    this.#store = store;
  }

  /** Looks a name up. The result is good until the next call. */
  find(directory: number, name: Uint8Array): Found {
    const base = this.#store.hashName(name) * PROBES + COOKIE_BASE;
    this.#found.ino = 0;
    this.#directory = directory;
    this.#name = name as Uint8Array<ArrayBuffer>;
    this.#limit = base + PROBES;
    this.#store.tree.scan(encodeEntryKey(this.#key, directory, base), this.#match);
    return this.#found;
  }

  /** Adds an entry; the name is not there yet. */
  insert(directory: number, name: Uint8Array, entry: { ino: number; type: number }): void {
    const cookie = this.#freeCookie(directory, name);
    this.replace(directory, { cookie, name }, entry);
  }

  /** Makes the entry at a cookie lead elsewhere. */
  replace(
    directory: number,
    at: { cookie: number; name: Uint8Array },
    entry: { ino: number; type: number },
  ): void {
    const record = encodeDirent(this.#record, at.name, entry);
    this.#store.tree.put(encodeEntryKey(this.#key, directory, at.cookie), record);
  }

  /** Removes the entry at a cookie. */
  remove(directory: number, cookie: number): void {
    this.#store.tree.delete(encodeEntryKey(this.#key, directory, cookie));
  }

  /** True where there is no entry. */
  isEmpty(directory: number): boolean {
    let empty = true;
    this.#store.tree.scan(encodeEntryKey(this.#key, directory, COOKIE_BASE), (key) => {
      empty = !keyBelongsTo(key, KEY_TYPE.entry, directory);
      return false;
    });
    return empty;
  }

  /** Visits the entries with cookies above `cookie`; false where the visitor stopped. */
  visit(directory: number, cookie: number, visit: DirectoryVisitor): boolean {
    const batch = this.#batches.pop() ?? new EntryBatch();
    try {
      let from = Math.max(cookie + 1, COOKIE_BASE);
      for (;;) {
        this.#store.tree.scan(encodeEntryKey(this.#key, directory, from), batch.start(directory));
        if (!batch.visit(visit)) return false;
        if (batch.count < BATCH) return true;
        from = batch.lastCookie + 1;
      }
    } finally {
      this.#batches.push(batch);
    }
  }

  #freeCookie(directory: number, name: Uint8Array): number {
    const base = this.#store.hashName(name) * PROBES + COOKIE_BASE;
    let free = base;
    this.#store.tree.scan(encodeEntryKey(this.#key, directory, base), (key) => {
      if (!keyBelongsTo(key, KEY_TYPE.entry, directory) || keyCookie(key) !== free) return false;
      free++;
      return true;
    });
    if (free === base + PROBES) fail("ENOSPC");
    return free;
  }

  /** Made once: a lookup allocates nothing. */
  readonly #match = (key: Uint8Array, value: Uint8Array): boolean => {
    if (!keyBelongsTo(key, KEY_TYPE.entry, this.#directory)) return false;
    const cookie = keyCookie(key);
    if (cookie >= this.#limit) return false;
    if (!direntIsNamed(value, this.#name)) return true;
    checkDirent(value);
    this.#found.ino = direntIno(value);
    this.#found.type = direntType(value);
    this.#found.cookie = cookie;
    return false;
  };
}

/** Throws unless `name` can name an entry. */
export function checkName(name: Uint8Array): void {
  if (name.length > NAME_BYTES_MAX) fail("ENAMETOOLONG");
  if (name.length === 0) fail("ENOENT");
  for (let i = 0; i < name.length; i++) {
    if (name[i] === 0 || name[i] === 0x2f) fail("EINVAL");
  }
}

/** True for "." (1 dot) and ".." (2 dots). */
export function isDots(name: Uint8Array, dots: 1 | 2): boolean {
  return name.length === dots && name[0] === 0x2e && name[dots - 1] === 0x2e;
}

/** Entries on their way from the tree to a visitor. */
class EntryBatch {
  count = 0;
  lastCookie = 0;
  readonly #names = new Uint8Array(BATCH * NAME_BYTES_MAX);
  readonly #ends = new Uint32Array(BATCH);
  readonly #inos = new Float64Array(BATCH);
  readonly #cookies = new Float64Array(BATCH);
  readonly #types = new Uint8Array(BATCH);
  readonly #entry = { ino: 0, cookie: 0, type: 0, name: this.#names };
  #directory = 0;

  /** Empties the batch and returns what fills it. */
  start(directory: number): (key: Uint8Array, value: Uint8Array) => boolean {
    this.count = 0;
    this.#directory = directory;
    return this.#add;
  }

  visit(visit: DirectoryVisitor): boolean {
    const entry = this.#entry;
    let start = 0;
    for (let i = 0; i < this.count; i++) {
      const end = this.#ends[i];
      entry.ino = this.#inos[i];
      entry.cookie = this.#cookies[i];
      entry.type = this.#types[i];
      entry.name = this.#names.subarray(start, end);
      if (!visit(entry)) return false;
      start = end;
    }
    return true;
  }

  readonly #add = (key: Uint8Array, value: Uint8Array): boolean => {
    if (!keyBelongsTo(key, KEY_TYPE.entry, this.#directory)) return false;
    checkDirent(value);
    const at = this.count++;
    const start = at === 0 ? 0 : this.#ends[at - 1];
    this.#names.set(value.subarray(DIRENT_NAME_AT), start);
    this.#ends[at] = start + value.length - DIRENT_NAME_AT;
    this.#inos[at] = direntIno(value);
    this.#types[at] = direntType(value);
    this.lastCookie = this.#cookies[at] = keyCookie(key);
    return this.count < BATCH;
  };
}
