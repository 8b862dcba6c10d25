import type { Tree } from "../btree/tree.ts";
import { compare, concat } from "../bytes.ts";
import {
  checkDirent,
  DIRENT_NAME_AT,
  direntIno,
  direntIsNamed,
  direntType,
} from "../format/dirent.ts";
import type { StreamChange } from "../format/stream_record.ts";
import { ATTRIBUTE_KEY_BYTES, ENTRY_KEY_BYTES, keyIno } from "../format/volume_key.ts";
import {
  checkXattr,
  xattrChunks,
  xattrFirstPart,
  xattrName,
  xattrValueLength,
} from "../format/xattr.ts";
import { VaultError } from "../errors.ts";

/** Changes that name what they are about. */
type NamedChange = Extract<
  StreamChange,
  { kind: "name" | "unname" | "attribute" | "noAttribute" }
>;

/** Bytes of an entry's key before the probe: all but the cookie's lowest byte. */
const HASH_END = ENTRY_KEY_BYTES - 1;
/** Bytes of an attribute's key before the probe, and before the chunk. */
const ATTRIBUTE_HASH_END = ATTRIBUTE_KEY_BYTES - 2;
const CHUNK_AT = ATTRIBUTE_KEY_BYTES - 1;

/** Says of entries and attributes, which trees have under keyed hashes, what their names are. */
export class StreamNames {
  readonly #after: Tree;
  /** The attribute whose chunks differ: all of them make one change. */
  #attribute = new Uint8Array(0);

  /** `after` is what the stream leads to. */
  constructor(after: Tree) {
    this.#after = after;
  }

  /** What becomes of a directory's entry. */
  *entry(
    key: Uint8Array,
    before: Uint8Array | null,
    after: Uint8Array | null,
  ): Generator<NamedChange> {
    const directory = keyIno(key);
    if (before !== null) {
      checkDirent(before);
      const name = before.slice(DIRENT_NAME_AT);
      if (!this.#hasEntry(key, name)) yield { kind: "unname", directory, name };
    }
    if (after === null) return;
    checkDirent(after);
    const name = after.slice(DIRENT_NAME_AT);
    yield { kind: "name", directory, ino: direntIno(after), type: direntType(after), name };
  }

  /** A name whose hash others have too may have another probe now. */
  #hasEntry(key: Uint8Array, name: Uint8Array): boolean {
    let found = false;
    this.#under(key, HASH_END, (_, value) => found ||= direntIsNamed(value, name));
    return found;
  }

  /** What becomes of the attribute that a chunk belongs to; nothing for further chunks. `before` is the tree before. */
  *attribute(key: Uint8Array, before: Tree): Generator<NamedChange> {
    const first = key.slice();
    first[CHUNK_AT] = 0;
    if (compare(first, this.#attribute) === 0) return;
    this.#attribute = first;
    const ino = keyIno(key);
    const old = before.get(first)?.slice() ?? null;
    if (old !== null) {
      checkXattr(old);
      const name = xattrName(old);
      if (!this.#hasAttribute(first, name)) yield { kind: "noAttribute", ino, name };
    }
    const now = this.#after.get(first)?.slice() ?? null;
    if (now === null) return;
    checkXattr(now);
    yield { kind: "attribute", ino, name: xattrName(now), value: this.#valueOf(first, now) };
  }

  #hasAttribute(key: Uint8Array, name: Uint8Array): boolean {
    let found = false;
    this.#under(key, ATTRIBUTE_HASH_END, (at, value) => {
      if (at[CHUNK_AT] !== 0) return;
      checkXattr(value);
      found ||= compare(xattrName(value), name) === 0;
    });
    return found;
  }

  #valueOf(first: Uint8Array, now: Uint8Array): Uint8Array {
    const parts = [xattrFirstPart(now)];
    for (let chunk = 1; chunk < xattrChunks(xattrValueLength(now)); chunk++) {
      const key = first.slice();
      key[CHUNK_AT] = chunk;
      const part = this.#after.get(key);
      if (part === null) {
        throw new VaultError("corrupt", "Cannot send an extended attribute: a part is missing");
      }
      parts.push(part.slice());
    }
    return concat(...parts);
  }

  /** Visits the records of the tree after whose keys begin as this one does. */
  #under(
    key: Uint8Array,
    bytes: number,
    visit: (key: Uint8Array, value: Uint8Array) => void,
  ): void {
    const prefix = key.slice(0, bytes);
    this.#after.scan(prefix, (at, value) => {
      if (compare(at.subarray(0, bytes), prefix) !== 0) return false;
      visit(at, value);
      return true;
    });
  }
}
