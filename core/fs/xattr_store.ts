import { concat } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { INODE_FLAG } from "../format/inode.ts";
import {
  ATTRIBUTE_KEY_BYTES,
  encodeAttributeKey,
  KEY_TYPE,
  keyBelongsTo,
  keyHash,
} from "../format/volume_key.ts";
import {
  checkXattr,
  encodeXattr,
  XATTR_CHUNK_BYTES,
  xattrChunks,
  xattrFirstPart,
  xattrName,
  xattrValueLength,
} from "../format/xattr.ts";
import { compare } from "../bytes.ts";
import type { VolumeStore } from "../volume/volume_store.ts";
import { fail } from "./errno.ts";
import type { Node } from "./node.ts";

/** Places of the probe and the chunk in a key. */
const PROBE_AT = 13;
const CHUNK_AT = 14;
const PROBES = 256;

/** Extended attributes as bytes by name; what names mean is decided above. */
export class XattrStore {
  readonly #store: VolumeStore;
  readonly #key = new Uint8Array(ATTRIBUTE_KEY_BYTES);

  constructor(store: VolumeStore) {
    this.#store = store;
  }

  /** The value, or null. */
  get(node: Node, name: Uint8Array): Uint8Array | null {
    const place = this.#find(node, name);
    if (place.length < 0) return null;
    const first = this.#chunk(node, place, 0);
    const parts = [xattrFirstPart(first).slice()];
    for (let chunk = 1; chunk < xattrChunks(place.length); chunk++) {
      parts.push(this.#chunk(node, place, chunk).slice());
    }
    return concat(...parts);
  }

  /** True where the attribute is there. */
  has(node: Node, name: Uint8Array): boolean {
    return this.#find(node, name).length >= 0;
  }

  /** Sets a value. The caller saves the node. */
  set(node: Node, name: Uint8Array, value: Uint8Array): void {
    const place = this.#find(node, name);
    if (place.length >= 0) this.#deleteChunks(node, place);
    if (place.probe === PROBES) fail("ENOSPC");
    this.#store.tree.put(this.#keyOf(node, place, 0), encodeXattr(name, value));
    for (let chunk = 1; chunk < xattrChunks(value.length); chunk++) {
      const start = chunk * XATTR_CHUNK_BYTES;
      const part = value.subarray(start, start + XATTR_CHUNK_BYTES);
      this.#store.tree.put(this.#keyOf(node, place, chunk), part);
    }
    node.inode.flags |= INODE_FLAG.attributes;
  }

  /** Removes an attribute; false where there was none. The caller saves the node. */
  remove(node: Node, name: Uint8Array): boolean {
    const place = this.#find(node, name);
    if (place.length < 0) return false;
    this.#deleteChunks(node, place);
    if (this.list(node).length === 0) node.inode.flags &= ~INODE_FLAG.attributes;
    return true;
  }

  /** All names. */
  list(node: Node): Uint8Array[] {
    const names: Uint8Array[] = [];
    if ((node.inode.flags & INODE_FLAG.attributes) === 0) return names;
    this.#scan(node, 0, (key, value) => {
      if (key[CHUNK_AT] !== 0) return true;
      checkXattr(value);
      names.push(xattrName(value).slice());
      return true;
    });
    return names;
  }

  /** Removes everything that belongs to an inode that goes away. */
  removeAll(node: Node): void {
    for (const name of this.list(node)) {
      const place = this.#find(node, name);
      if (place.length >= 0) this.#deleteChunks(node, place);
    }
    node.inode.flags &= ~INODE_FLAG.attributes;
  }

  /** Where the attribute lies; `length` is -1 where there is none, and `probe` then the first free one. */
  #find(node: Node, name: Uint8Array): Found {
    const found = { hash: this.#store.hashName(name), probe: 0, length: -1 };
    if ((node.inode.flags & INODE_FLAG.attributes) === 0) return found;
    let free = 0;
    this.#scan(node, found.hash, (key, value) => {
      if (keyHash(key) !== found.hash) return false;
      if (key[CHUNK_AT] !== 0) return true;
      checkXattr(value);
      const probe = key[PROBE_AT];
      if (compare(xattrName(value), name) === 0) {
        found.probe = probe;
        found.length = xattrValueLength(value);
        return false;
      }
      if (probe === free) free++;
      return true;
    });
    if (found.length < 0) found.probe = free;
    return found;
  }

  #scan(
    node: Node,
    hash: number,
    visit: (key: Uint8Array, value: Uint8Array) => boolean,
  ): void {
    const from = encodeAttributeKey(this.#key, node.ino, hash);
    this.#store.tree.scan(from, (key, value) => {
      const isOurs = keyBelongsTo(key, KEY_TYPE.attribute, node.ino);
      return isOurs && key.length === ATTRIBUTE_KEY_BYTES && visit(key, value);
    });
  }

  #chunk(node: Node, place: Found, chunk: number): Uint8Array {
    const value = this.#store.tree.get(this.#keyOf(node, place, chunk));
    if (value !== null) return value;
    throw new VaultError("corrupt", "Cannot read an extended attribute: a part is missing");
  }

  #deleteChunks(node: Node, place: Found): void {
    for (let chunk = 0; chunk < xattrChunks(place.length); chunk++) {
      this.#store.tree.delete(this.#keyOf(node, place, chunk));
    }
  }

  #keyOf(node: Node, place: Found, chunk: number): Uint8Array {
    encodeAttributeKey(this.#key, node.ino, place.hash);
    this.#key[PROBE_AT] = place.probe;
    this.#key[CHUNK_AT] = chunk;
    return this.#key;
  }
}

interface Found {
  readonly hash: number;
  probe: number;
  length: number;
}
