import assert from "node:assert/strict";
import fc from "fast-check";
import { checkConsistency } from "../support/consistency.ts";
import { FileActions } from "../support/file_actions.ts";
import {
  emptyAttributes,
  type MemoryVolume,
  openMemoryVolume,
  type OpenOptions,
} from "../support/open_memory_volume.ts";

/** Furthest byte that an operation touches: more blocks than the pool of 16 has buffers. */
const SPAN_BYTES = 160 * 1024;
const KEEP_SIZE = 1;
const PUNCH_HOLE = 2;
const ZERO_RANGE = 16;

type Operation =
  | { kind: "write"; offset: number; length: number; fill: number }
  | { kind: "read"; offset: number; length: number }
  | { kind: "truncate"; size: number }
  | { kind: "allocate" | "punch" | "zero"; offset: number; length: number; keepsSize: boolean }
  | { kind: "copy"; offset: number; length: number; to: number }
  | { kind: "fsync" | "reopen" | "remount" };

/** Offsets near what matters: the inline limit, block and cell boundaries, and anything. */
const offset = fc.oneof(
  fc.constantFrom(0, 1, 100, 2047, 2048, 2049, 4095, 4096, 4097, 8192, 12288, 65536),
  fc.integer({ min: 0, max: 20 }).map((block) => block * 4096),
  fc.integer({ min: 0, max: SPAN_BYTES / 2 }),
);
const length = fc.oneof(
  fc.constantFrom(1, 7, 512, 2048, 4096, 8192, 65536),
  fc.integer({ min: 1, max: SPAN_BYTES / 2 }),
);
const fill = fc.integer({ min: 1, max: 255 });
const keepsSize = fc.boolean();

const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant("write" as const), offset, length, fill }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("read" as const), offset, length }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("truncate" as const), size: offset }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom("allocate" as const, "punch" as const, "zero" as const),
      offset,
      length,
      keepsSize,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("copy" as const), offset, length, to: offset }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom("fsync" as const, "reopen" as const, "remount" as const),
    }),
  },
);

/** A file as bytes: what every operation must leave. */
class Model {
  #bytes = new Uint8Array(2 * SPAN_BYTES);
  size = 0;

  get data(): Uint8Array {
    return this.#bytes.subarray(0, this.size);
  }

  write(at: number, data: Uint8Array): void {
    this.#bytes.set(data, at);
    this.size = Math.max(this.size, at + data.length);
  }

  truncate(size: number): void {
    this.#bytes.fill(0, size);
    this.size = size;
  }

  apply(op: Operation): void {
    if (op.kind === "write") this.write(op.offset, patternOf(op));
    if (op.kind === "truncate") this.truncate(op.size);
    if (op.kind === "punch" || op.kind === "zero") {
      this.#bytes.fill(0, op.offset, Math.min(op.offset + op.length, this.size));
    }
    if ((op.kind === "allocate" || op.kind === "zero") && !op.keepsSize) {
      this.size = Math.max(this.size, op.offset + op.length);
    }
  }
}

function patternOf(op: { offset: number; length: number; fill: number }): Uint8Array {
  return Uint8Array.from({ length: op.length }, (_, i) => (op.fill + i + (i >> 8)) & 0xff);
}

/** One file under test. */
class Subject {
  #volume: MemoryVolume;
  #actions: FileActions;
  readonly #ino: number;

  readonly #options: OpenOptions["volume"];

  constructor(volume: OpenOptions["volume"]) {
    this.#options = volume;
    this.#volume = openMemoryVolume({ volume });
    this.#actions = new FileActions(this.#volume.fs, this.#volume.store.kernel);
    this.#ino = this.#actions.create("file");
    this.#volume.fs.open(this.#ino, 0);
  }

  async apply(op: Operation, model: Model): Promise<void> {
    const { fs } = this.#volume;
    const ino = this.#ino;
    if (op.kind === "write") this.#actions.write(ino, op.offset, patternOf(op));
    else if (op.kind === "truncate") this.#actions.truncate(ino, op.size);
    else if (op.kind === "read") this.#compare(op.offset, op.length, model);
    else if (op.kind === "copy") this.#copy(op, model);
    else if (op.kind === "fsync") await fs.fsync(ino);
    else if (op.kind === "reopen") {
      fs.release(ino);
      fs.open(ino, 0);
    } else if (op.kind === "remount") await this.#remount();
    else if ("keepsSize" in op) fs.fallocate(ino, op.offset, op.length, modeOf(op));
  }

  check(model: Model): void {
    assert.equal(this.#actions.size(this.#ino), model.size);
    for (let at = 0; at < model.size; at += 65536) this.#compare(at, 65536, model);
    this.#checkHoles(model);
  }

  async finish(): Promise<void> {
    const { fs, store } = this.#volume;
    await fs.syncAll();
    assert.equal(store.promised, 0);
    assert.deepEqual(checkConsistency(store).problems, []);
    this.#actions.truncate(this.#ino, 0);
    assert.equal(store.blocks.count, 0);
    const out = emptyAttributes();
    fs.getattr(this.#ino, out);
    assert.equal(out.blocks, 0);
  }

  /** Beyond a hole's first byte there are zeros; SEEK_DATA skips nothing but zeros. */
  #checkHoles(model: Model): void {
    const { fs } = this.#volume;
    for (let at = 0; at < model.size;) {
      const hole = fs.lseek(this.#ino, at, 4);
      if (hole >= model.size) return;
      let data = model.size;
      try {
        data = fs.lseek(this.#ino, hole, 3);
      } catch {
        // ENXIO: nothing but a hole up to the end.
      }
      assert.ok(data > hole);
      assert.ok(model.data.subarray(hole, data).every((byte) => byte === 0));
      at = data;
    }
  }

  #compare(at: number, count: number, model: Model): void {
    const want = model.data.subarray(at, at + count);
    const got = this.#actions.read(this.#ino, at, count);
    assert.equal(got.length, want.length);
    const differs = got.findIndex((byte, i) => byte !== want[i]);
    assert.equal(differs, -1, `bytes differ at ${at + differs}`);
  }

  #copy(op: { offset: number; length: number; to: number }, model: Model): void {
    const available = Math.max(0, Math.min(op.length, model.size - op.offset));
    if (Math.abs(op.offset - op.to) < op.length) return;
    const ino = this.#ino;
    const from = { ino, offset: op.offset };
    const copied = this.#volume.fs.copyRange(from, { ino, offset: op.to }, op.length);
    assert.equal(copied, available);
    if (copied > 0) model.write(op.to, model.data.slice(op.offset, op.offset + copied));
  }

  async #remount(): Promise<void> {
    await this.#volume.fs.syncAll();
    const image = this.#volume.store.image();
    this.#volume = openMemoryVolume({ image, volume: this.#options });
    this.#actions = new FileActions(this.#volume.fs, this.#volume.store.kernel);
    this.#volume.fs.open(this.#ino, 0);
  }
}

function modeOf(op: { kind: "allocate" | "punch" | "zero"; keepsSize: boolean }): number {
  if (op.kind === "punch") return PUNCH_HOLE | KEEP_SIZE;
  return (op.kind === "zero" ? ZERO_RANGE : 0) | (op.keepsSize ? KEEP_SIZE : 0);
}

/** Brings an operation into a file of about `scale` bytes, so that small files are tested as much as large ones. */
function scaled(op: Operation, scale: number): Operation {
  const small = { ...op };
  if ("offset" in small) small.offset %= scale;
  if ("to" in small) small.to %= scale;
  if ("size" in small) small.size %= scale;
  if ("length" in small) small.length = 1 + (small.length - 1) % scale;
  return small;
}

const sequence = fc.array(operation, { minLength: 1, maxLength: 40, size: "max" });

/** With blocks of 16 KiB that take fewer cells than they have; the others are of 4 KiB. */
const packed = { blockBytes: 16384, compresses: true };
const kinds = [
  ...[1500, 3000, 9000, SPAN_BYTES].map((scale) => ({ what: "operations", scale, volume: {} })),
  { what: "packed blocks, operations", scale: SPAN_BYTES, volume: packed },
];

for (const { what, scale, volume } of kinds) {
  Deno.test(`file data: ${what} within ${scale} bytes leave what a byte array has`, async () => {
    await fc.assert(
      fc.asyncProperty(sequence, async (operations) => {
        const subject = new Subject(volume);
        const model = new Model();
        for (const op of operations.map((op) => scaled(op, scale))) {
          await subject.apply(op, model);
          model.apply(op);
        }
        subject.check(model);
        await subject.finish();
      }),
      { numRuns: 60 },
    );
  });
}
