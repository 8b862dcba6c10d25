import assert from "node:assert/strict";
import fc from "fast-check";
import { checkConsistency } from "../support/consistency.ts";
import { PosixError } from "../../core/fs/file_system.ts";
import { S_IFDIR, S_IFREG } from "../../core/fs/mode.ts";
import { createKernel } from "../../wasm/kernel.ts";
import { FileActions } from "../support/file_actions.ts";
import type { VolumeImage } from "../support/memory_volume_store.ts";
import { emptyAttributes, named, openMemoryVolume, ROOT } from "../support/open_memory_volume.ts";

const KERNEL_BYTES = 8 * 1024 * 1024;
const PUNCH = 3;

const file = fc.nat({ max: 5 });
const name = fc.constantFrom("a", "b", "c");
const offset = fc.nat({ max: 90_000 });
const length = fc.integer({ min: 1, max: 40_000 });

const step = fc.oneof(
  fc.record({ op: fc.constantFrom("create" as const, "mkdir" as const), file, name }),
  fc.record({ op: fc.constant("write" as const), file, offset, length }),
  fc.record({ op: fc.constant("resize" as const), file, offset }),
  fc.record({ op: fc.constantFrom("punch" as const, "allocate" as const), file, offset, length }),
  fc.record({ op: fc.constantFrom("unlink" as const, "rmdir" as const), file, name }),
  fc.record({ op: fc.constant("rename" as const), file, name, other: file, otherName: name }),
  fc.record({ op: fc.constant("link" as const), file, name, other: file }),
  fc.record({ op: fc.constantFrom("open" as const, "release" as const, "fsync" as const), file }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** A volume under load; every group it ends is kept as the image that a crash there would leave. */
class Load {
  readonly images: VolumeImage[] = [];
  readonly #volume = openMemoryVolume({
    volume: { kernel: createKernel({ memoryBytes: KERNEL_BYTES }), hashes: 2 },
  });
  readonly #actions = new FileActions(this.#volume.fs, this.#volume.store.kernel);
  readonly #inos = [1];
  readonly #open = new Set<number>();

  constructor() {
    this.#volume.store.onGroup = (image) => void this.images.push(image);
  }

  /** Does a step; what POSIX refuses is fine. */
  run(step: Step): void {
    try {
      this.#run(step, this.#inos[step.file % this.#inos.length]);
    } catch (error) {
      if (!(error instanceof PosixError)) throw error;
    }
  }

  #run(step: Step, ino: number): void {
    const { fs } = this.#volume;
    const out = emptyAttributes();
    if (step.op === "create" || step.op === "mkdir") {
      const mode = (step.op === "create" ? S_IFREG : S_IFDIR) | 0o700;
      fs.mknod(ROOT, { parent: ino, name: named(step.name) }, { mode, rdev: 0 }, out);
      this.#inos.push(out.ino);
    } else if (step.op === "write") {
      this.#actions.write(ino, step.offset, patternOf(step.offset, step.length));
    } else if (step.op === "resize") this.#actions.truncate(ino, step.offset);
    else if (step.op === "punch" || step.op === "allocate") {
      fs.fallocate(ino, step.offset, step.length, step.op === "punch" ? PUNCH : 0);
    } else if (step.op === "unlink" || step.op === "rmdir") fs[step.op](ino, named(step.name));
    else if (step.op === "rename") {
      const to = { parent: this.#other(step.other), name: named(step.otherName) };
      const flags = { noReplace: false, exchange: false };
      fs.rename({ parent: ino, name: named(step.name) }, to, flags);
    } else if (step.op === "link") fs.link(this.#other(step.other), ino, named(step.name), out);
    else if (step.op === "open") {
      if (this.#open.has(ino)) return;
      fs.open(ino, 0);
      this.#open.add(ino);
    } else if (step.op === "release") {
      if (this.#open.delete(ino)) fs.release(ino);
    } else this.#fsync(ino);
  }

  #other(index: number): number {
    return this.#inos[index % this.#inos.length];
  }

  /** What was synced is there after a crash, byte by byte. */
  #fsync(ino: number): void {
    this.#volume.fs.fsync(ino);
    const before = emptyAttributes();
    this.#volume.fs.getattr(ino, before);
    if ((before.mode & S_IFREG) === 0 || before.nlink === 0) return;
    const content = this.#actions.read(ino, 0, 1 << 20);
    const image = this.#volume.store.image();
    const { fs, store } = reopen(image);
    const after = emptyAttributes();
    fs.getattr(ino, after);
    assert.deepEqual({ ...after, atime: 0, nlink: 0 }, { ...before, atime: 0, nlink: 0 });
    const actions = new FileActions(fs, store.kernel);
    assert.equal(actions.read(ino, 0, 1 << 20).toHex(), content.toHex());
  }
}

function patternOf(seed: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (seed + i) & 0xff);
}

function reopen(image: VolumeImage) {
  const kernel = createKernel({ memoryBytes: KERNEL_BYTES });
  return openMemoryVolume({ image, volume: { kernel, hashes: 2 } });
}

/** A volume that opens, whose records agree, and whose blocks all belong to a file. */
function checkImage(image: VolumeImage): void {
  const { fs, store } = reopen(image);
  while (fs.reclaim(1024));
  let blocks = 0;
  const { problems } = checkConsistency(store, (_id, count) => blocks += count);
  assert.deepEqual(problems, []);
  assert.equal(store.blocks.count, blocks);
}

Deno.test("crash after any group: records agree, no block is lost, what was synced is there", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 40, size: "max" }), (steps) => {
      const load = new Load();
      for (const step of steps) load.run(step);
      for (const image of load.images) checkImage(image);
    }),
    { numRuns: 100 },
  );
});

Deno.test("crash while a large file is freed: the rest is freed after it", () => {
  const { fs, store } = openMemoryVolume({ volume: { hashes: 2 } });
  const actions = new FileActions(fs, store.kernel);
  const ino = actions.create("large");
  const piece = new Uint8Array(4096).fill(1);
  for (let i = 0; i < 3000; i++) actions.write(ino, 2 * i * 4096, piece);
  fs.fsync(ino);
  const images: VolumeImage[] = [];
  store.onGroup = (image) => void images.push(image);
  actions.truncate(ino, 4096);
  assert.ok(images.length > 3, "it takes several groups");
  for (const image of images) {
    const again = reopen(image);
    assert.equal(again.store.blocks.count, 1);
    assert.deepEqual(checkConsistency(again.store).problems, []);
  }
  for (let i = 0; i < 3000; i++) actions.write(ino, 2 * i * 4096, piece);
  fs.fsync(ino);
  fs.unlink(1, named("large"));
  assert.ok(store.blocks.count > 0, "deleting does not wait for the blocks");
  const image = store.image();
  while (fs.reclaim(1024));
  assert.equal(store.blocks.count, 0);
  checkImage(image);
});
