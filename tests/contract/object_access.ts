import assert from "node:assert/strict";
import { listAll, type ObjectAccess } from "../../core/storage/object_access.ts";

/** Objects of one kind, for one test. */
export interface ObjectsUnderTest {
  /** Opened for writing, with nothing in it. */
  readonly objects: ObjectAccess;
  /** Opens the same content once more, for reading only, when the first one is closed. */
  openReader(): ObjectAccess;
}

const KIB = 1024;

function pattern(seed: number, size: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: size }, (_, i) => (seed * 31 + i * 7 + (i >> 8) * 13) & 255);
}

function bytesOf(objects: ObjectAccess, name: string, size: number, offset = 0): Uint8Array {
  const into = new Uint8Array(size);
  objects.read(name, offset, into);
  return into;
}

const names = (objects: ObjectAccess, prefix: string) =>
  [...listAll(objects, prefix)].map(({ name }) => name);

/** Properties that all storage of objects must have. */
export const objectContract: Record<string, (under: ObjectsUnderTest) => void> = {
  "reads what was created, also parts of it"({ objects }) {
    objects.create("a", pattern(1, 300 * KIB));
    objects.create("b-1", new Uint8Array(0));
    assert.deepEqual(bytesOf(objects, "a", 300 * KIB), pattern(1, 300 * KIB));
    assert.deepEqual(bytesOf(objects, "a", 5000, 4097), pattern(1, 300 * KIB).slice(4097, 9097));
    assert.equal(bytesOf(objects, "b-1", 0).length, 0);
  },

  "does not take over the bytes it was given"({ objects }) {
    const bytes = pattern(1, 100);
    objects.create("a", bytes);
    bytes.fill(0);
    assert.deepEqual(bytesOf(objects, "a", 100), pattern(1, 100));
  },

  "a name is taken once"({ objects }) {
    objects.create("a", pattern(1, 10));
    assert.throws(() => objects.create("a", pattern(2, 10)), { kind: "conflict", errno: "EEXIST" });
    assert.deepEqual(bytesOf(objects, "a", 10), pattern(1, 10));
    assert.deepEqual(names(objects, ""), ["a"]);
  },

  "says what is missing, and where an object ends too soon"({ objects }) {
    assert.throws(() => bytesOf(objects, "a", 1), { kind: "missing" });
    objects.create("a", pattern(1, 10));
    assert.throws(() => bytesOf(objects, "a", 11), { kind: "corrupt", errno: "EIO" });
    assert.throws(() => bytesOf(objects, "a", 1, 10), { kind: "corrupt" });
  },

  "lists by prefix, in order, with sizes, page after page"({ objects }) {
    for (let i = 0; i < 30; i++) objects.create(`x-${i}`, pattern(i, i));
    objects.create("w", pattern(1, 1));
    objects.create("xy", pattern(1, 2));
    const all = [...listAll(objects, "x-")];
    assert.deepEqual(all.map(({ name }) => name), all.map(({ name }) => name).toSorted());
    assert.deepEqual(new Set(all.map(({ size }) => size)).size, 30);
    assert.ok(all.every(({ name, size }) => name === `x-${size}`));
    assert.deepEqual(objects.list("x-", "x-9"), []);
    assert.equal(objects.list("x-", "x-8")[0].name, "x-9");
    assert.equal(names(objects, "").length, 32);
  },

  "what was deleted is gone, and deleting it again is nothing"({ objects }) {
    objects.create("a", pattern(1, 10));
    objects.create("b", pattern(1, 10));
    objects.delete("a");
    objects.delete("a");
    objects.sync();
    assert.deepEqual(names(objects, ""), ["b"]);
    assert.throws(() => bytesOf(objects, "a", 1), { kind: "missing" });
  },

  "opened for reading only, it refuses every change"({ objects, openReader }) {
    objects.create("a", pattern(1, 10));
    objects.sync();
    objects.close();
    const reader = openReader();
    const refused = { kind: "denied", errno: "EROFS" };
    assert.equal(reader.writable, false);
    assert.deepEqual(bytesOf(reader, "a", 10), pattern(1, 10));
    assert.throws(() => reader.create("b", new Uint8Array(1)), refused);
    assert.throws(() => reader.delete("a"), refused);
    reader.sync();
    reader.close();
  },

  "after close every call is refused, and a second close is not"({ objects }) {
    objects.close();
    objects.close();
    const refused = { kind: "invalid", errno: "EBADF" };
    assert.throws(() => objects.create("a", new Uint8Array(1)), refused);
    assert.throws(() => objects.read("a", 0, new Uint8Array(1)), refused);
    assert.throws(() => objects.list("", ""), refused);
    assert.throws(() => objects.delete("a"), refused);
    assert.throws(() => objects.sync(), refused);
  },
};
