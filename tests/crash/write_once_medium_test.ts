/** A write-once medium alone: power cuts, two writers, tampering. */
import assert from "node:assert/strict";
import { MemoryObjects } from "../../backends/memory/objects.ts";
import { VaultError } from "../../core/errors.ts";
import { CELL_BYTES, KIB, SEGMENT_BYTES } from "../../core/limits.ts";
import type { WriteOnceMedium } from "../../core/storage/write_once/write_once_medium.ts";
import { CrashObjects } from "../support/crash_objects.ts";
import { openWriteOnce } from "../support/open_write_once.ts";
import { RandomStream } from "../support/random_stream.ts";

/** Behind the fixed cells of the first header copy, which are not part of the log. */
const BASE = 64 * CELL_BYTES;
const BYTES_MAX = 80 * CELL_BYTES;
const SMALL = { objectBytesMax: 64 * KIB, graceSyncs: 1, readBytes: 4 * KIB };

/** Writes, cuts, growth, discards; a model says what the medium must hold. */
class MediumWorkload {
  readonly medium: WriteOnceMedium;
  readonly #stream: RandomStream;
  /** What lies from BASE on. */
  model: Uint8Array = new Uint8Array(0);

  constructor(medium: WriteOnceMedium, stream: RandomStream) {
    this.medium = medium;
    this.#stream = stream;
    medium.direct.truncate(BASE);
  }

  change(): void {
    const { direct } = this.medium;
    const kind = this.#stream.below(10);
    const at = this.#stream.below(BYTES_MAX / 2);
    if (kind < 7) {
      const isWhole = this.#stream.chance(0.7);
      const offset = isWhole ? at - at % CELL_BYTES : at;
      const length = isWhole ? CELL_BYTES * (1 + this.#stream.below(9)) : this.#stream.below(9000);
      const bytes = new Uint8Array(length).fill(1 + this.#stream.below(255));
      direct.write(BASE + offset, bytes);
      this.#grow(Math.max(this.model.length, offset + length));
      this.model.set(bytes, offset);
    } else if (kind < 9) {
      direct.truncate(BASE + at);
      this.#grow(at);
    } else if (at < this.model.length) {
      // The bytes may be anything then, so they are written at once, which the discard must not undo.
      const length = Math.min(this.#stream.below(9) * CELL_BYTES, this.model.length - at);
      direct.discard(BASE + at, length);
      direct.write(BASE + at, this.model.subarray(at, at + length));
    }
  }

  #grow(length: number): void {
    const model = new Uint8Array(length);
    model.set(this.model.subarray(0, length));
    this.model = model;
  }
}

function contentOf(medium: WriteOnceMedium): Uint8Array {
  const bytes = new Uint8Array(Math.max(0, medium.direct.size() - BASE));
  if (bytes.length > 0) medium.direct.read(BASE, bytes);
  return bytes;
}

for (let seed = 1; seed <= 6; seed++) {
  Deno.test(`write-once medium: power cuts of workload ${seed} leave the state of a sync`, () => {
    const objects = new CrashObjects<number>();
    const stream = new RandomStream(seed);
    const workload = new MediumWorkload(openWriteOnce(objects, SMALL), stream);
    const states: string[] = [""];
    for (let sync = 1; sync <= 150; sync++) {
      for (let i = stream.below(4); i >= 0; i--) workload.change();
      assert.deepEqual(contentOf(workload.medium), workload.model);
      // What is being synced may be there before it was promised.
      states.push(workload.model.toBase64());
      workload.medium.direct.sync();
      objects.mark(states.length - 1);
    }
    let images = 0;
    for (const image of objects.images(stream)) {
      if (++images % 3 !== 0) continue;
      const found = states.lastIndexOf(contentOf(openWriteOnce(image.open(), SMALL)).toBase64());
      assert.ok(found >= (image.mark ?? 0), `point ${image.point}, ${image.description}: ${found}`);
    }
    assert.ok(images > 1000, "there were power cuts");
    assert.ok(objects.content.size < 200, "dead objects are deleted");
  });
}

function filled(byte: number, cells = 1): Uint8Array {
  return new Uint8Array(cells * CELL_BYTES).fill(byte);
}

function write(medium: WriteOnceMedium, cell: number, byte: number): void {
  medium.direct.write(BASE + cell * CELL_BYTES, filled(byte));
  medium.direct.sync();
}

function read(medium: WriteOnceMedium, cell: number): number {
  const into = filled(0);
  medium.direct.read(BASE + cell * CELL_BYTES, into);
  assert.ok(into.every((byte) => byte === into[0]));
  return into[0];
}

Deno.test("write-once medium: who takes it over fences the writer that had it", async () => {
  const { content } = new MemoryObjects();
  const open = () => openWriteOnce(new MemoryObjects({ content }), SMALL);
  const older = open();
  write(older, 0, 1);
  write(older, 1, 1);
  const newer = open();
  write(newer, 1, 2);
  assert.throws(() => write(older, 1, 3), { kind: "conflict" });
  assert.throws(() => older.direct.sync(), { kind: "conflict" }, "it stays fenced");
  await assert.rejects(older.close(), { kind: "conflict" });
  write(newer, 2, 2);
  assert.deepEqual([0, 1, 2].map((cell) => read(open(), cell)), [1, 2, 2]);
});

Deno.test("write-once medium: of two that open at once, one writes and the other is told", () => {
  const { content } = new MemoryObjects();
  const open = () => openWriteOnce(new MemoryObjects({ content }), SMALL);
  write(open(), 0, 1);
  const [first, second] = [open(), open()];
  write(first, 1, 1);
  assert.throws(() => write(second, 1, 2), { kind: "conflict" });
  assert.equal(read(open(), 1), 1);
});

Deno.test("write-once medium: who wakes up when all that it knew is deleted is told, too", () => {
  const objects = new MemoryObjects();
  const open = () => openWriteOnce(new MemoryObjects({ content: objects.content }), SMALL);
  const writer = open();
  write(writer, 0, 1);
  // No fence ends the era that it knows: the writer itself goes on to others.
  const sleeper = open();
  const known = new Set(objects.content.keys());
  for (let i = 0; i < 400; i++) write(writer, i % 5, 1 + i % 250);
  const left = [...objects.content.keys()].filter((name) => known.has(name));
  assert.deepEqual(left, [], "neither objects nor claims are left of what it knew");
  assert.throws(() => write(sleeper, 0, 251), { kind: "conflict" });
  write(writer, 0, 252);
  assert.equal(read(open(), 0), 252);
});

Deno.test("write-once medium: what is written again after many discards stays", () => {
  const objects = new MemoryObjects();
  const medium = openWriteOnce(objects, SMALL);
  const cells = Array.from({ length: 500 }, (_, i) => i * 2);
  for (const byte of [1, 2]) {
    for (const cell of cells.reverse()) medium.direct.write(BASE + cell * CELL_BYTES, filled(byte));
    medium.direct.sync();
    if (byte > 1) break;
    for (const cell of cells) medium.direct.discard(BASE + cell * CELL_BYTES, CELL_BYTES);
  }
  const again = openWriteOnce(new MemoryObjects({ content: objects.content }), SMALL);
  assert.ok(cells.every((cell) => read(again, cell) === 2));
});

Deno.test("write-once medium: thin objects are emptied into others and deleted", () => {
  const objects = new MemoryObjects();
  const medium = openWriteOnce(objects, { graceSyncs: 0 });
  const bytes = new Map<number, number>();
  for (let cell = 0; cell < 10_000; cell++) {
    medium.direct.write(BASE + cell * CELL_BYTES, filled(cell % 251));
    bytes.set(cell, cell % 251);
  }
  for (let cell = 0; cell < 10_000; cell++) {
    if (cell % 4 === 0) continue;
    medium.direct.discard(BASE + cell * CELL_BYTES, CELL_BYTES);
    bytes.delete(cell);
  }
  for (let i = 0; i < 400; i++) write(medium, 10_000 + i % 3, i % 251);
  const { liveBytes, objectBytes } = medium.objectUse()!;
  assert.ok(objectBytes < liveBytes * 1.5 + 17 * 1024 * KIB, `${objectBytes} for ${liveBytes}`);
  const stored = [...objects.content.values()].reduce((sum, { length }) => sum + length, 0);
  assert.ok(stored < objectBytes + 16 * 1024 * KIB, "what was emptied is deleted");
  const again = openWriteOnce(new MemoryObjects({ content: objects.content }));
  for (const [cell, byte] of bytes) assert.equal(read(again, cell), byte);
});

Deno.test("write-once medium: who hangs while others come and go damages nothing", () => {
  const { content } = new MemoryObjects();
  const open = () => openWriteOnce(new MemoryObjects({ content }), SMALL);
  const hanging = open();
  write(hanging, 0, 1);
  for (let round = 1; round <= 5; round++) {
    const other = open();
    for (let i = 0; i < 150; i++) write(other, i % 20, round * 40 + i % 20);
  }
  assert.throws(() => write(hanging, 0, 9), { kind: "conflict" });
  for (let cell = 0; cell < 20; cell++) assert.equal(read(open(), cell), 200 + cell);
});

Deno.test("write-once medium: a reader of an older state reads on for some syncs", () => {
  const { content } = new MemoryObjects();
  const writer = openWriteOnce(new MemoryObjects({ content }), { ...SMALL, graceSyncs: 100 });
  for (let cell = 0; cell < 50; cell++) write(writer, cell, 1);
  const reader = openWriteOnce(new MemoryObjects({ content, readOnly: true }), SMALL);
  for (let i = 0; i < 90; i++) write(writer, i % 50, 2);
  for (let cell = 0; cell < 50; cell++) assert.equal(read(reader, cell), 1);
});

/** Cells filled with bytes of their own, overwritten now and then; the objects before and after. */
function makeStates(): { older: Map<string, Uint8Array>; newer: Map<string, Uint8Array> } {
  const objects = new MemoryObjects();
  const medium = openWriteOnce(objects, { ...SMALL, graceSyncs: 1000 });
  for (let cell = 0; cell < 30; cell++) write(medium, cell, 1 + cell);
  const older = new Map(objects.content);
  for (let cell = 0; cell < 30; cell += 3) write(medium, cell, 101 + cell);
  return { older, newer: new Map(objects.content) };
}

/** Opens it: `corrupt`, or what the cells hold. A cell of sealed data may hold anything: its owner checks its tag. */
function look(content: Map<string, Uint8Array>): number[] | "corrupt" {
  try {
    const medium = openWriteOnce(new MemoryObjects({ content }), SMALL);
    return Array.from({ length: 30 }, (_, cell) => {
      const into = filled(0);
      medium.direct.read(BASE + cell * CELL_BYTES, into);
      return into[0];
    });
  } catch (error) {
    assert.ok(error instanceof VaultError && error.kind === "corrupt", `${error}`);
    return "corrupt";
  }
}

Deno.test("write-once medium: footers, checkpoints and claims cannot be changed or swapped", () => {
  const { newer } = makeStates();
  const state = look(newer);
  assert.ok(state !== "corrupt" && state[3] === 104);
  const names = [...newer.keys()].filter((name) => !name.startsWith("header-"));
  const stream = new RandomStream(5);
  let refused = 0;
  for (const name of names) {
    const changed = new Map(newer);
    const bytes = newer.get(name)!.slice();
    // The footer, or the first cell of a checkpoint, or a claim; elsewhere is padding or what others seal.
    const at = stream.chance(0.5) ? bytes.length - 1 - stream.below(CELL_BYTES) : stream.below(40);
    bytes[at] ^= 1 << stream.below(8);
    changed.set(name, bytes);
    const swapped = new Map(newer);
    const other = names[stream.below(names.length)];
    swapped.set(name, newer.get(other)!);
    swapped.set(other, newer.get(name)!);
    for (const content of [changed, swapped]) {
      const seen = look(content);
      if (seen === "corrupt") refused++;
      else if (content === swapped || at >= 40) assert.deepEqual(seen, state);
    }
  }
  assert.ok(refused > names.length, "most objects are of use");
});

Deno.test("write-once medium: without an object it is refused, or what it held is", () => {
  const { newer } = makeStates();
  const state = look(newer);
  const names = [...newer.keys()].filter((name) => /^[0-9a-f]{32}$/.test(name));
  const last = names.at(-1);
  for (const name of names) {
    const content = new Map(newer);
    content.delete(name);
    const seen = look(content);
    // Taking away the newest is going back to the state before: a whole one, which only a memory outside can tell.
    if (name !== last && seen !== "corrupt") assert.deepEqual(seen, state);
  }
});

Deno.test("write-once medium: names and sizes say nothing, and no plaintext is to be seen", () => {
  const objects = new MemoryObjects();
  const medium = openWriteOnce(objects, { graceSyncs: 0 });
  for (let i = 0; i < 300; i++) medium.direct.write(SEGMENT_BYTES * i, filled(i & 255, i % 7 + 1));
  medium.direct.sync();
  write(medium, 3, 1);
  for (const [name, { length }] of objects.content) {
    if (/^(writer|header)-[0-9a-f]{16}$/.test(name)) continue;
    assert.match(name, /^[0-9a-f]{32}$/);
    assert.ok(length >= 65536 && length <= 4194304 && (length & (length - 1)) === 0);
  }
});
