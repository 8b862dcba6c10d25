import assert from "node:assert/strict";
import fc from "fast-check";
import { viewOf } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import {
  checkDirent,
  DIRENT_BYTES_MAX,
  direntIno,
  direntIsNamed,
  direntType,
  encodeDirent,
} from "./dirent.ts";
import { decodeExtent, emptyExtent, encodeExtent, type Extent, EXTENT_BYTES } from "./extent.ts";
import { clampSeconds, decodeInode, emptyInode, encodeInode, INODE_BYTES } from "./inode.ts";
import { decodeMapEntry, encodeMapEntry, readMapKey } from "./map_entry.ts";
import { pointerBytes, readPointer, writePointer } from "./pointer.ts";
import { KIND } from "./seal_aad.ts";
import {
  encodeEntryKey,
  encodeExtentKey,
  ENTRY_KEY_BYTES,
  EXTENT_KEY_BYTES,
  keyBlock,
  keyCookie,
  keyIno,
} from "./volume_key.ts";
import {
  checkXattr,
  encodeXattr,
  XATTR_CHUNK_BYTES,
  xattrFirstPart,
  xattrName,
  xattrValueLength,
} from "./xattr.ts";

const ino = fc.integer({ min: 1, max: 2 ** 48 - 1 });
const name = fc.uint8Array({ minLength: 1, maxLength: 255 }).map((bytes) =>
  bytes.map((byte) => byte === 0 || byte === 0x2f ? 1 : byte)
).filter((bytes) => bytes.length > 2 || bytes.some((byte) => byte !== 0x2e));

/** Random bytes, of the right length and of others, give a value or `corrupt`. */
function survives(length: number, decode: (bytes: Uint8Array) => void): void {
  const lengths = fc.constantFrom(length, length, 0, 1, length - 1, length + 1);
  const bytes = lengths.chain((n) => fc.uint8Array({ minLength: n, maxLength: n }));
  fc.assert(fc.property(bytes, (input) => {
    try {
      decode(input);
    } catch (error) {
      assert.ok(error instanceof VaultError && error.kind === "corrupt");
    }
  }));
}

Deno.test("inode: what is encoded is decoded", () => {
  const count = fc.nat({ max: Number.MAX_SAFE_INTEGER });
  const u32 = fc.nat({ max: 0xffffffff });
  const seconds = fc.integer({ min: -(2 ** 43), max: 2 ** 43 });
  const nanoseconds = fc.nat({ max: 999_999_999 });
  const inode = fc.record({
    mode: fc.nat({ max: 0xffff }),
    nlink: u32,
    uid: u32,
    gid: u32,
    rdev: u32,
    generation: u32,
    size: count,
    atime: seconds,
    atimeNs: nanoseconds,
    mtime: seconds,
    mtimeNs: nanoseconds,
    ctime: seconds,
    ctimeNs: nanoseconds,
    crtime: seconds,
    crtimeNs: nanoseconds,
    parent: ino,
    cells: count,
    flags: fc.nat({ max: 63 }),
    secret: count,
  }, { noNullPrototype: true });
  fc.assert(fc.property(inode, (value) => {
    const bytes = new Uint8Array(INODE_BYTES);
    encodeInode(value, viewOf(bytes));
    const decoded = emptyInode();
    decodeInode(bytes, decoded);
    assert.deepEqual(decoded, value);
  }));
});

Deno.test("inode: random bytes never do more than throw corrupt", () => {
  survives(INODE_BYTES, (bytes) => decodeInode(bytes, emptyInode()));
});

Deno.test("inode: times beyond what a record holds are brought to its edge", () => {
  assert.equal(clampSeconds(1e300), 2 ** 43);
  assert.equal(clampSeconds(-Infinity), -(2 ** 43));
  assert.equal(clampSeconds(-5), -5);
});

Deno.test("directory entry: what is encoded is found by its name only", () => {
  fc.assert(fc.property(name, name, ino, fc.nat(15), (own, other, target, type) => {
    const out = new Uint8Array(DIRENT_BYTES_MAX);
    const bytes = encodeDirent(out, own, { ino: target, type });
    checkDirent(bytes);
    assert.equal(direntIno(bytes), target);
    assert.equal(direntType(bytes), type);
    assert.ok(direntIsNamed(bytes, own));
    const isSame = own.length === other.length && own.every((byte, i) => byte === other[i]);
    assert.equal(direntIsNamed(bytes, other), isSame);
  }));
});

Deno.test("directory entry: random bytes never do more than throw corrupt", () => {
  survives(12, checkDirent);
});

Deno.test("directory entry: a name with a slash is corrupt", () => {
  assert.throws(() => checkDirent(new Uint8Array([1, 0, 0, 0, 0, 0, 8, 0x61, 0x2f])), VaultError);
});

Deno.test("directory entry: the names . and .. are corrupt, others of dots are not", () => {
  const named = (name: string) =>
    new Uint8Array([1, 0, 0, 0, 0, 0, 8, ...new TextEncoder().encode(name)]);
  for (const name of [".", ".."]) assert.throws(() => checkDirent(named(name)), VaultError);
  for (const name of ["...", ".a", "a."]) checkDirent(named(name));
});

Deno.test("extent: what is encoded is decoded", () => {
  const extent = fc.record({
    count: fc.integer({ min: 1, max: 0xffffffff }),
    firstId: fc.nat({ max: 2 ** 52 }),
    tailCells: fc.nat({ max: 0xffff }),
    unwritten: fc.constant(false),
    packed: fc.boolean(),
  }, { noNullPrototype: true });
  fc.assert(fc.property(extent, (value) => {
    const bytes = new Uint8Array(EXTENT_BYTES);
    encodeExtent(value, bytes);
    const decoded: Extent = { ...emptyExtent(), unwritten: true };
    decodeExtent(bytes, decoded);
    assert.deepEqual(decoded, value);
  }));
});

Deno.test("extent: random bytes never do more than throw corrupt", () => {
  const into: Extent = emptyExtent();
  survives(EXTENT_BYTES, (bytes) => decodeExtent(bytes, into));
});

Deno.test("extended attribute: what is encoded is found again", () => {
  fc.assert(fc.property(name, fc.nat({ max: 9000 }), (own, length) => {
    const value = new Uint8Array(length).fill(length);
    const bytes = encodeXattr(own, value);
    checkXattr(bytes);
    assert.deepEqual(xattrName(bytes), own);
    assert.equal(xattrValueLength(bytes), length);
    assert.deepEqual(xattrFirstPart(bytes), value.subarray(0, XATTR_CHUNK_BYTES));
    assert.ok(bytes.length <= 4096);
  }));
});

Deno.test("extended attribute: random bytes never do more than throw corrupt", () => {
  survives(40, checkXattr);
});

Deno.test("keys: the order of bytes is the order of numbers", () => {
  const cookie = fc.nat({ max: Number.MAX_SAFE_INTEGER });
  fc.assert(fc.property(ino, cookie, cookie, (owner, a, b) => {
    const left = encodeEntryKey(new Uint8Array(ENTRY_KEY_BYTES), owner, a);
    const right = encodeEntryKey(new Uint8Array(ENTRY_KEY_BYTES), owner, b);
    assert.equal(keyIno(left), owner);
    assert.equal(keyCookie(left), a);
    assert.equal(Math.sign(a - b), left.toHex() < right.toHex() ? -1 : a === b ? 0 : 1);
  }));
  fc.assert(fc.property(ino, fc.nat({ max: 2 ** 40 - 1 }), (owner, block) => {
    const key = encodeExtentKey(new Uint8Array(EXTENT_KEY_BYTES), owner, block);
    assert.equal(keyBlock(key), block);
    assert.equal(keyIno(key), owner);
  }));
});

Deno.test("map entries and pointers: bytes that are zero, and flags beyond those there are, are refused", () => {
  const place = { cell: 1, nonce: new Uint8Array(24), tag: new Uint8Array(16) };
  const fixed = { kind: KIND.data, level: 0, epoch: 1, birth: 1, inner: null, places: [place] };
  const raw = { ...fixed, codec: 0, k: 1, m: 0, length: 9000, stored: 9000 };
  const plain = encodeMapEntry(raw);
  const packed = encodeMapEntry({ ...raw, codec: 1, stored: 100 });
  const changed = (bytes: Uint8Array, at: number, value: number) => {
    const copy = bytes.slice();
    copy[at] = value;
    return copy;
  };
  const [codecSection, placeAt] = [24, 24];
  for (const at of [1, 7, placeAt + 1]) {
    assert.throws(() => decodeMapEntry(changed(plain, at, 2)), { kind: "corrupt" }, `${at}`);
  }
  for (const at of [4, 5, 6, 7].map((byte) => codecSection + byte)) {
    assert.throws(() => decodeMapEntry(changed(packed, at, 1)), { kind: "corrupt" }, `${at}`);
  }
  assert.throws(() => readMapKey(new Uint8Array(8).fill(255)), { kind: "corrupt" });
  const pointer = new Uint8Array(pointerBytes(1));
  writePointer(pointer, 0, { cells: 1, epoch: 1, copies: [place] });
  for (const at of [2, 3, 9]) {
    assert.throws(() => readPointer(changed(pointer, at, 1), 0), { kind: "corrupt" }, `${at}`);
  }
});
