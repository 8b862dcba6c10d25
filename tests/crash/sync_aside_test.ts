/**
 * The engine on a medium that is slow to sync: it goes on while the medium syncs aside, and every power cut in between
 * leaves whole groups, at least those that were promised.
 */
import assert from "node:assert/strict";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { decodeExtent, emptyExtent, encodeExtent, EXTENT_BYTES } from "../../core/format/extent.ts";
import { encodeExtentKey, EXTENT_KEY_BYTES, KEY_TYPE } from "../../core/format/volume_key.ts";
import { MIB } from "../../core/limits.ts";
import { checkVault } from "../../core/vault/check.ts";
import type { Volume } from "../../core/volume/volume.ts";
import { ArenaKernel } from "../support/arena_kernel.ts";
import { CrashMedium } from "../support/crash_medium.ts";
import { slowRuntime } from "../support/fake_runtime.ts";
import { createKeyedVault, openKeyedVault } from "../support/keyed_vault.ts";
import { RandomStream } from "../support/random_stream.ts";

const SEEDS = Number(Deno.env.get("SIGMAVAULT_CRASH_SEEDS") ?? 5);
const FIRST_SEED = Number(Deno.env.get("SIGMAVAULT_FIRST_SEED") ?? 1);
const BLOCK_BYTES = 4096;
const FILES = 30;
const writerArena = new ArenaKernel(12 * MIB);
const readerArena = new ArenaKernel(12 * MIB);

/** Groups up to this index are durable. */
interface Promised {
  readonly groups: number;
}

class Workload {
  readonly states: string[] = [];
  /** Calls that wait for the medium. */
  readonly waiting = new Set<Promise<void>>();
  readonly #volume: Volume;
  readonly #medium: CrashMedium<Promised>;
  readonly #stream: RandomStream;
  readonly #address: number;

  constructor(volume: Volume, medium: CrashMedium<Promised>, seed: number) {
    this.#volume = volume;
    this.#medium = medium;
    this.#stream = new RandomStream(seed);
    this.#address = writerArena.reserve(BLOCK_BYTES);
    this.states.push(dump(volume));
  }

  async run(groups: number): Promise<void> {
    for (let group = 0; group < groups; group++) {
      if (this.#stream.chance(0.1)) this.#transaction();
      else this.#group();
      this.states.push(dump(this.#volume));
      if (this.#stream.chance(0.5)) this.#wait(() => this.#volume.sync());
      if (this.#stream.chance(0.1)) this.#wait(() => this.#volume.commit());
      if (this.#stream.chance(0.03)) this.#volume.commitNow();
      await this.#time(this.#stream.below(3));
    }
    while (this.waiting.size > 0) await this.#time(1);
  }

  #group(): void {
    for (let i = this.#stream.below(3); i >= 0; i--) this.#change();
    this.#volume.endGroup();
  }

  #transaction(): void {
    this.#volume.beginTransaction();
    for (let i = this.#stream.below(3); i >= 0; i--) this.#change();
    if (this.#stream.chance(0.6)) this.#volume.keepTransaction();
    else this.#volume.rollbackTransaction();
  }

  /** An extent of one block that is put or deleted. */
  #change(): void {
    const volume = this.#volume;
    const ino = 1000 + this.#stream.below(FILES);
    const key = encodeExtentKey(new Uint8Array(EXTENT_KEY_BYTES), ino, 0);
    const old = volume.tree.get(key);
    if (old !== null) volume.drop(idIn(old), 1);
    if (this.#stream.chance(0.3)) return void volume.tree.delete(key);
    const id = volume.allocateIds(1);
    volume.kernel.bytes.fill(id * 37 % 251, this.#address, this.#address + BLOCK_BYTES);
    volume.put({ firstId: id, count: 1, address: this.#address, lastLength: BLOCK_BYTES });
    const value = new Uint8Array(EXTENT_BYTES);
    encodeExtent({ ...emptyExtent(), firstId: id }, value);
    volume.tree.put(key, value);
  }

  /** What has been applied by now is promised once the call resolves. */
  #wait(call: () => void | Promise<void>): void {
    const groups = this.states.length - 1;
    const promise = (async () => {
      await call();
      this.#medium.mark({ groups });
    })();
    this.waiting.add(promise);
    promise.finally(() => this.waiting.delete(promise));
  }

  /** Lets some syncs end, and those who wait for them go on. */
  async #time(syncs: number): Promise<void> {
    for (let i = 0; i < syncs; i++) {
      this.#medium.finishSync();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

function idIn(value: Uint8Array): number {
  const extent = emptyExtent();
  decodeExtent(value, extent);
  return extent.firstId;
}

/** Visits every extent. */
function extents(volume: Volume, visit: (key: Uint8Array, value: Uint8Array) => void): void {
  volume.tree.scan(new Uint8Array([KEY_TYPE.extent]), (key, value) => {
    if (key[0] !== KEY_TYPE.extent) return false;
    visit(key, value);
    return true;
  });
}

function dump(volume: Volume): string {
  const lines: string[] = [];
  extents(volume, (key, value) => lines.push(`${key.toHex()}=${value.toHex()}`));
  return lines.join("\n");
}

function checkBlocks(volume: Volume): void {
  const address = volume.kernel.reserve(BLOCK_BYTES);
  const ids: number[] = [];
  extents(volume, (_, value) => ids.push(idIn(value)));
  for (const id of ids) {
    volume.get(id, 1, address);
    assert.equal(volume.kernel.bytes[address + 100], id * 37 % 251, "a block has its own bytes");
  }
}

async function record(seed: number, groups: number) {
  writerArena.reset();
  const empty = new MemoryStorage({});
  const shape = { segments: 5, segmentsMax: 8, blockBytes: BLOCK_BYTES };
  await createKeyedVault({ medium: empty, kernel: writerArena }, shape);
  writerArena.reset();
  const medium = new CrashMedium<Promised>({ content: empty.content, syncsAside: true });
  const runtime = slowRuntime();
  const { volume } = openKeyedVault({ medium, kernel: writerArena, runtime }).opened;
  const workload = new Workload(volume, medium, seed);
  await workload.run(groups);
  return { medium, states: workload.states };
}

async function verify(medium: MemoryStorage, states: readonly string[]): Promise<number> {
  readerArena.reset();
  const vault = openKeyedVault({ medium, kernel: readerArena });
  const { volume, skippedRoots } = vault.opened;
  assert.deepEqual(skippedRoots, [], "no root was named before it was durable");
  const group = states.lastIndexOf(dump(volume));
  assert.ok(group >= 0, "the tree is as it was after some group");
  checkBlocks(volume);
  const { problems } = await checkVault(vault);
  // The extents belong to no inodes.
  assert.deepEqual(problems.filter(({ kind }) => kind !== "record"), []);
  return group;
}

for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
  Deno.test(`engine: power cuts while the medium syncs aside, workload ${seed}`, async () => {
    const { medium, states } = await record(seed, 60);
    let images = 0, asideGroups = 0;
    for (const image of medium.images(seed, { randomPerPoint: 1, missingMax: 2 })) {
      if (++images % 7 !== 0) continue;
      const promised = image.mark?.groups ?? 0;
      try {
        const group = await verify(image.open(), states);
        assert.ok(group >= promised, `group ${promised} was promised, ${group} is there`);
        asideGroups = Math.max(asideGroups, group);
      } catch (error) {
        throw new Error(`seed ${seed}, point ${image.point}, ${image.description}`, {
          cause: error,
        });
      }
    }
    assert.ok(images > 300 && asideGroups > 30);
  });
}
