/**
 * A read that fails once, in the middle of a change that has to read: nobody finds half of the change, and what was acknowledged
 * before is there.
 */
import assert from "node:assert/strict";
import { MemoryStorage } from "../../backends/memory/store.ts";
import type { PosixFileSystem } from "../../core/fs/posix_file_system.ts";
import { MIB } from "../../core/limits.ts";
import { checkVault } from "../../core/vault/check.ts";
import type { Vault } from "../../core/vault/vault.ts";
import { ArenaKernel } from "../support/arena_kernel.ts";
import { FakeRuntime } from "../support/fake_runtime.ts";
import { FaultyMedium } from "../support/faulty_medium.ts";
import { createKeyedVault, openKeyedVault } from "../support/keyed_vault.ts";
import { emptyAttributes, emptySpans, named, ROOT } from "../support/open_memory_volume.ts";

const BLOCK_BYTES = 4096;
const AREA_BYTES = 256 * 1024;
/** Blocks of the file that fills the block map, so that it does not fit the cache. */
const MANY_BLOCKS = 6400;
const STOPPED = /an earlier change failed half-way; reopen it/;

/** Blocks that are written with one byte all over; from a request's own buffer, or copied. */
interface Written {
  readonly block: number;
  readonly blocks?: number;
  readonly fill: number;
  readonly buffer?: boolean;
}

/** A vault on a medium whose next read can be told to fail; its tree nodes hardly fit into memory. */
class World {
  readonly arena = new ArenaKernel(48 * MIB);
  readonly medium = new FaultyMedium(new MemoryStorage({}));
  vault!: Vault;
  area = 0;
  #seed = 5;

  static async make(): Promise<World> {
    const world = new World();
    const shape = { segments: 16, segmentsMax: 16, blockBytes: BLOCK_BYTES };
    await createKeyedVault({ medium: world.medium, kernel: world.arena }, shape);
    world.open();
    return world;
  }

  /** Opens it anew: nothing is in memory. */
  open(): void {
    this.medium.fail("read", Infinity, "EIO");
    this.arena.reset();
    this.vault = openKeyedVault({
      medium: this.medium,
      kernel: this.arena,
      runtime: new FakeRuntime(this.#seed++),
      cacheBytes: 64 * 1024,
    });
    this.area = this.arena.reserve(AREA_BYTES);
  }

  get files(): PosixFileSystem {
    return this.vault.fileSystem;
  }

  make(name: string): number {
    const out = emptyAttributes();
    const node = { mode: 0o100644, rdev: 0 };
    this.files.mknod(ROOT, { parent: 1, name: named(name) }, node, out);
    return out.ino;
  }

  write(ino: number, { block, blocks = 1, fill, buffer = false }: Written): void {
    const length = blocks * BLOCK_BYTES;
    this.arena.bytes.fill(fill, this.area, this.area + length);
    const request = buffer ? { address: this.area, references: 0 } : null;
    this.files.write(ino, {
      ...{ offset: block * BLOCK_BYTES, length, address: this.area },
      ...{ buffer: request, killSetId: false },
    });
  }

  /** The first byte of a block. */
  read(ino: number, block: number): number {
    const spans = emptySpans();
    this.files.read(ino, block * BLOCK_BYTES, 100, spans);
    assert.equal(spans.total, 100);
    return this.arena.bytes[spans.addresses[0]];
  }

  /** A file that is larger than the cache. */
  makeLarge(): number {
    const ino = this.make("large");
    for (let block = 0; block < MANY_BLOCKS; block += 16) {
      this.write(ino, { block, blocks: 16, fill: 1 });
    }
    return ino;
  }

  touch(ino: number): void {
    this.files.setattr(ROOT, ino, { mode: ino === 1 ? 0o755 : 0o600 }, emptyAttributes());
  }

  async isWhole(): Promise<void> {
    assert.deepEqual((await checkVault(this.vault)).problems, []);
  }
}

/** A file of some blocks, whose records are in memory but for those of its blocks. */
async function openVictim(blocks: readonly number[]): Promise<{ world: World; victim: number }> {
  const world = await World.make();
  const victim = world.make("victim");
  for (const block of blocks) world.write(victim, { block, fill: 7 });
  const large = world.makeLarge();
  await world.files.syncAll();
  world.touch(victim);
  world.write(large, { block: MANY_BLOCKS - 10, fill: 3 });
  await world.files.syncAll();
  world.open();
  world.touch(1);
  world.touch(large);
  world.files.lookup(1, named("victim"), emptyAttributes());
  world.read(large, MANY_BLOCKS - 1400);
  return { world, victim };
}

for (const isLeft of [false, true]) {
  const when = isLeft ? "after the answer" : "before it";

  Deno.test(`failing reads: a removal that fails ${when} is not made half`, async () => {
    const { world, victim } = await openVictim([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    world.medium.fail("read", 1, "EIO");
    if (isLeft) world.files.left.open();
    const remove = () => {
      world.files.unlink(1, named("victim"));
      world.files.left.finish();
    };
    assert.throws(remove, /input\/output error/);
    await assert.rejects(world.files.syncAll(), STOPPED);
    world.open();
    await world.isWhole();
    assert.equal(world.read(victim, 9), 7);
    world.files.unlink(1, named("victim"));
    await world.files.syncAll();
    await world.isWhole();
  });

  Deno.test(`failing reads: a block whose overwriting fails ${when} is the old one`, async () => {
    const { world, victim } = await openVictim([0, 2, 4, 6]);
    world.medium.fail("read", 1, "EIO");
    if (isLeft) world.files.left.open();
    const overwrite = () => {
      world.write(victim, { block: 2, fill: 9, buffer: true });
      world.files.left.finish();
    };
    assert.throws(overwrite, /input\/output error/);
    await assert.rejects(async () => await world.files.fsync(victim));
    await assert.rejects(async () => await world.files.fsync(victim), STOPPED);
    world.open();
    await world.isWhole();
    assert.equal(world.read(victim, 2), 7);
  });
}

Deno.test("failing reads: who reads while blocks are entered into the map loses none of them", async () => {
  const world = await World.make();
  const large = world.makeLarge();
  const file = world.make("file");
  await world.files.syncAll();
  const readMany = () => {
    for (let block = 0; block < MANY_BLOCKS - 400; block += 90) world.read(large, block);
  };
  readMany();
  for (let block = 0; block < 10; block++) world.write(file, { block, fill: 9 });
  world.files.lseek(file, 0, 3); // puts what is dirty
  readMany();
  world.medium.fail("read", 1, "EIO");
  assert.throws(() => world.read(file, 0), /input\/output error/);
  assert.equal(world.read(file, 0), 9);
  await world.files.fsync(file);
  world.open();
  assert.equal(world.read(file, 9), 9);
  await world.isWhole();
});

Deno.test("failing reads: a change that fails before it has changed anything stops no other", async () => {
  const { world, victim } = await openVictim([0, 2, 4, 6]);
  world.medium.fail("read", 1, "EIO");
  assert.throws(() => world.files.setattr(ROOT, victim, { size: 100 }, emptyAttributes()));
  world.files.setattr(ROOT, victim, { size: 100 }, emptyAttributes());
  await world.files.syncAll();
  world.open();
  await world.isWhole();
  assert.equal(world.read(victim, 0), 7);
});
