import assert from "node:assert/strict";
import fc from "fast-check";
import { COMPRESSIONS } from "../../core/format/catalog_record.ts";
import { checkConsistency } from "../support/consistency.ts";
import { FileActions } from "../support/file_actions.ts";
import { noiseByte } from "../support/noise_byte.ts";
import { named } from "../support/open_memory_volume.ts";
import { createRealVolume, reopenRealVolume } from "../support/open_real_volume.ts";

const FILES = 4;
const SPAN_BYTES = 400_000;
const PUNCH = 3;
/** Zero range, and the size stays. */
const ZERO = 17;

const file = fc.nat({ max: FILES - 1 });
const offset = fc.oneof(fc.nat({ max: SPAN_BYTES / 2 }), fc.constantFrom(0, 16384, 32768, 2048));
const length = fc.oneof(
  fc.integer({ min: 1, max: SPAN_BYTES / 2 }),
  fc.constantFrom(16384, 131072),
);
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ op: fc.constant("write" as const), file, offset, length }) },
  fc.record({ op: fc.constantFrom("read" as const, "punch" as const), file, offset, length }),
  fc.record({ op: fc.constantFrom("allocate" as const, "zero" as const), file, offset, length }),
  fc.record({ op: fc.constantFrom("resize" as const, "replace" as const), file, offset }),
  fc.record({ op: fc.constantFrom("fsync" as const, "commit" as const, "reopen" as const), file }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Of every third seed bytes that do not compress. */
function patternOf(seed: number, count: number): Uint8Array {
  const steps = (i: number) => (seed + i + (i >> 8)) & 0xff;
  return Uint8Array.from(
    { length: count },
    (_, i) => seed % 3 === 0 ? noiseByte(seed, i) : steps(i),
  );
}

/** Files on a sealed volume, beside the bytes that they must hold. */
class Subject {
  #opened: Awaited<ReturnType<typeof createRealVolume>>;
  #actions: FileActions;
  readonly #inos: number[] = [];
  readonly #models = Array.from({ length: FILES }, () => new Uint8Array(0));

  constructor(opened: Awaited<ReturnType<typeof createRealVolume>>) {
    this.#opened = opened;
    this.#actions = new FileActions(opened.fs, opened.volume.kernel);
    for (let i = 0; i < FILES; i++) this.#inos.push(this.#actions.create(`file ${i}`));
  }

  async run(step: Step): Promise<void> {
    const ino = this.#inos[step.file];
    const { fs } = this.#opened;
    if (step.op === "write") {
      const data = patternOf(step.offset, step.length);
      this.#actions.write(ino, step.offset, data);
      this.#grow(step.file, step.offset + step.length).set(data, step.offset);
    } else if (step.op === "punch") {
      fs.fallocate(ino, step.offset, step.length, PUNCH);
      this.#models[step.file].fill(0, step.offset, step.offset + step.length);
    } else if (step.op === "allocate") {
      fs.fallocate(ino, step.offset, step.length, 0);
      this.#grow(step.file, step.offset + step.length);
    } else if (step.op === "zero") {
      fs.fallocate(ino, step.offset, step.length, ZERO);
      const { length } = this.#models[step.file];
      this.#models[step.file].fill(0, step.offset, Math.min(length, step.offset + step.length));
    } else if (step.op === "resize") {
      this.#actions.truncate(ino, step.offset);
      this.#models[step.file] = this.#grow(step.file, step.offset).slice(0, step.offset);
    } else if (step.op === "replace") {
      fs.unlink(1, named(`file ${step.file}`));
      this.#inos[step.file] = this.#actions.create(`file ${step.file}`);
      this.#models[step.file] = new Uint8Array(0);
    } else if (step.op === "read") this.#compare(step.file);
    else if (step.op === "fsync") await fs.fsync(ino);
    else await this.#persist(step.op);
  }

  async finish(): Promise<void> {
    for (let i = 0; i < FILES; i++) this.#compare(i);
    await this.#opened.fs.syncAll();
    assert.deepEqual(checkConsistency(this.#opened.volume).problems, []);
  }

  /** A commit; or everything synced, and the vault opened again from its root and its log. */
  async #persist(op: "commit" | "reopen"): Promise<void> {
    if (op === "commit") return await this.#opened.fs.syncAll();
    await this.#opened.fs.fsync(1);
    this.#opened = reopenRealVolume(this.#opened.medium);
    this.#actions = new FileActions(this.#opened.fs, this.#opened.volume.kernel);
    for (let i = 0; i < FILES; i++) this.#compare(i);
    assert.deepEqual(checkConsistency(this.#opened.volume).problems, []);
  }

  #grow(index: number, size: number): Uint8Array<ArrayBuffer> {
    const old = this.#models[index];
    if (old.length >= size) return old;
    const grown = new Uint8Array(size);
    grown.set(old);
    return this.#models[index] = grown;
  }

  #compare(index: number): void {
    const got = this.#actions.read(this.#inos[index], 0, 1 << 20);
    const want = this.#models[index];
    assert.equal(got.length, want.length);
    const differs = got.findIndex((byte, i) => byte !== want[i]);
    assert.equal(differs, -1, `file ${index} differs at ${differs}`);
  }
}

for (const compression of COMPRESSIONS) {
  Deno.test(`sealed volume, compression ${compression}: files hold what was written, also after opening the vault again`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 5, maxLength: 50, size: "max" }),
        async (steps) => {
          const subject = new Subject(await createRealVolume({}, { compression }));
          for (const step of steps) await subject.run(step);
          await subject.finish();
        },
      ),
      { numRuns: 10 },
    );
  });
}
