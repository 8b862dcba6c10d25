/**
 * Random operations on a sealed vault against a plain model, with remounts and power cuts in between.
 * `SIGMAVAULT_MODEL_STEPS` (1500 unless set) says how many operations each seed does: millions take hours.
 */
import assert from "node:assert/strict";
import { MemoryObjects } from "../../backends/memory/objects.ts";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { PosixError } from "../../core/fs/file_system.ts";
import { KIB, MIB } from "../../core/limits.ts";
import type { StorageBackend } from "../../core/storage/storage_backend.ts";
import { WriteOnceMedium } from "../../core/storage/write_once/write_once_medium.ts";
import { checkVault } from "../../core/vault/check.ts";
import type { Vault } from "../../core/vault/vault.ts";
import { ArenaKernel } from "../support/arena_kernel.ts";
import { FakeRuntime } from "../support/fake_runtime.ts";
import { FileActions } from "../support/file_actions.ts";
import { createKeyedVault, openKeyedVault } from "../support/keyed_vault.ts";
import { emptyAttributes, named } from "../support/open_memory_volume.ts";
import { RandomStream } from "../support/random_stream.ts";

const STEPS = Number(Deno.env.get("SIGMAVAULT_MODEL_STEPS") ?? 1500);
const SEEDS = 3;
const FIRST_SEED = Number(Deno.env.get("SIGMAVAULT_FIRST_SEED") ?? 1);
const NAMES = 30;
const FILE_BYTES_MAX = 150_000;
const arena = new ArenaKernel(24 * MIB);

/** Opens the medium of a test, again and again. */
type OpenAgain = () => StorageBackend;
const MEDIA: Record<string, () => OpenAgain> = {
  memory: () => {
    const medium = new MemoryStorage({});
    return () => medium;
  },
  "write-once": () => {
    const { content } = new MemoryObjects();
    const options = { objectBytesMax: 256 * KIB, graceSyncs: 0 };
    return () => new WriteOnceMedium(new MemoryObjects({ content }), options);
  },
};
/** Every opening draws other random numbers. */
let openings = 0;

/** A vault and what it should hold: name → content. */
class Subject {
  readonly model = new Map<string, Uint8Array>();
  vault!: Vault;
  #actions!: FileActions;
  readonly #stream: RandomStream;
  readonly #openAgain: OpenAgain;

  constructor(seed: number, openAgain: OpenAgain) {
    this.#openAgain = openAgain;
    this.#stream = new RandomStream(seed);
  }

  async create(): Promise<void> {
    arena.reset();
    const shape = { segments: 6, segmentsMax: 20, blockBytes: 4096 << this.#stream.below(3) };
    this.#take(await createKeyedVault(this.#parts(), shape));
  }

  #parts() {
    return { medium: this.#openAgain(), kernel: arena, runtime: new FakeRuntime(++openings) };
  }

  #take(vault: Vault): void {
    this.vault = vault;
    this.#actions = new FileActions(vault.fileSystem, arena);
  }

  /** Closes and opens, or drops the handle as a power cut does after a sync. */
  async remount(): Promise<void> {
    if (this.#stream.chance(0.5)) await this.vault.fileSystem.syncAll();
    else for (const name of this.model.keys()) await this.vault.fileSystem.fsync(this.#ino(name));
    await this.vault.fileSystem.fsync(1);
    arena.reset();
    const cacheBytes = this.#stream.chance(0.5) ? 64 * 1024 : undefined;
    this.#take(openKeyedVault({ ...this.#parts(), cacheBytes }));
  }

  #ino(name: string): number {
    const out = emptyAttributes();
    this.vault.fileSystem.lookup(1, named(name), out);
    return out.ino;
  }

  async step(): Promise<void> {
    const kind = this.#stream.below(100);
    const name = `name ${this.#stream.below(NAMES)}`;
    const known = this.model.get(name);
    if (kind >= 98) return await this.vault.fileSystem.syncAll();
    if (known === undefined) {
      assert.throws(() => this.#ino(name), PosixError);
      this.#actions.create(name);
      this.model.set(name, new Uint8Array(0));
    } else if (kind < 45) this.#write(name, known);
    else if (kind < 60) this.#resize(name, known);
    else if (kind < 75) this.#rename(name, known);
    else if (kind < 80) {
      this.vault.fileSystem.unlink(1, named(name));
      this.model.delete(name);
    } else if (kind < 92) this.#compare(name, known);
    else await this.vault.fileSystem.fsync(this.#ino(name));
  }

  #write(name: string, known: Uint8Array): void {
    const offset = this.#stream.below(FILE_BYTES_MAX / 2);
    const length = 1 + this.#stream.below(this.#stream.chance(0.5) ? 500 : FILE_BYTES_MAX / 2);
    const data = new Uint8Array(length);
    this.#stream.fill(data.subarray(0, 64));
    data.fill(this.#stream.below(256), 64);
    this.#actions.write(this.#ino(name), offset, data);
    const content = new Uint8Array(Math.max(known.length, offset + length));
    content.set(known);
    content.set(data, offset);
    this.model.set(name, content);
  }

  #resize(name: string, known: Uint8Array): void {
    const size = this.#stream.below(FILE_BYTES_MAX);
    this.#actions.truncate(this.#ino(name), size);
    const content = new Uint8Array(size);
    content.set(known.subarray(0, size));
    this.model.set(name, content);
  }

  #rename(name: string, known: Uint8Array): void {
    const other = `name ${this.#stream.below(NAMES)}`;
    const target = this.model.get(other);
    const exchange = target !== undefined && this.#stream.chance(0.5);
    const places = [name, other].map((each) => ({ parent: 1, name: named(each) }));
    this.vault.fileSystem.rename(places[0], places[1], { noReplace: false, exchange });
    if (name === other) return;
    if (exchange) this.model.set(name, target);
    else this.model.delete(name);
    this.model.set(other, known);
  }

  #compare(name: string, content: Uint8Array): void {
    const ino = this.#ino(name);
    assert.equal(this.#actions.size(ino), content.length, `size of "${name}"`);
    const from = this.#stream.below(content.length + 1);
    const length = this.#stream.below(content.length - from + 1);
    const read = this.#actions.read(ino, from, length);
    assert.ok(equal(read, content.subarray(from, from + length)), `content of "${name}"`);
  }

  compareAll(): void {
    const names: string[] = [];
    this.vault.fileSystem.readdir(1, 2, ({ name }) => {
      names.push(new TextDecoder().decode(name));
      return true;
    });
    assert.deepEqual(names.sort(), [...this.model.keys()].sort());
    for (const [name, content] of this.model) {
      const read = this.#actions.read(this.#ino(name), 0, FILE_BYTES_MAX * 2);
      assert.ok(equal(read, content), `content of "${name}"`);
    }
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

const runs = Object.entries(MEDIA).flatMap(([name, open]) =>
  Array.from({ length: SEEDS }, (_, i) => ({ name, open, seed: FIRST_SEED + i }))
);

for (const { name, open, seed } of runs) {
  Deno.test(`vault: ${STEPS} random operations of seed ${seed} on ${name} do what the model does`, async () => {
    const subject = new Subject(seed, open());
    await subject.create();
    for (let step = 1; step <= STEPS; step++) {
      await subject.step();
      if (step % 150 !== 0) continue;
      await subject.remount();
      subject.compareAll();
      assert.deepEqual((await checkVault(subject.vault)).problems, [], `after ${step} operations`);
    }
  });
}
