/** Shards and copies under power cuts: every state in which one can leave the medium opens, holds what was promised, and is whole. */
import assert from "node:assert/strict";
import type { SparseBytes } from "../../backends/memory/sparse_bytes.ts";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { decodeExtent, emptyExtent, encodeExtent, EXTENT_BYTES } from "../../core/format/extent.ts";
import { encodeExtentKey, EXTENT_KEY_BYTES, KEY_TYPE } from "../../core/format/volume_key.ts";
import type { Redundancy } from "../../core/format/redundancy.ts";
import { MIB } from "../../core/limits.ts";
import { checkVault } from "../../core/vault/check.ts";
import type { StorageBackend } from "../../core/storage/storage_backend.ts";
import type { Vault } from "../../core/vault/vault.ts";
import type { Volume } from "../../core/volume/volume.ts";
import { ArenaKernel } from "../support/arena_kernel.ts";
import { type CrashImage, CrashLog } from "../support/crash_log.ts";
import { CrashMedium } from "../support/crash_medium.ts";
import { createKeyedVault, openKeyedVault } from "../support/keyed_vault.ts";
import { RandomStream } from "../support/random_stream.ts";

/** Keys that are no records of a filesystem: the check of those is not asked here. */
const PLAIN_KEY = 250;
const KEYS = 40;
const FILES = 8;

const writerArena = new ArenaKernel(12 * MIB);
const readerArena = new ArenaKernel(16 * MIB);

/** What was promised when a point was reached: groups up to this index. */
interface Promised {
  readonly groups: number;
}

/** A recorded workload: the media, and what the tree held after each group. */
interface Recording {
  /** What the media held before. */
  readonly bases: readonly SparseBytes[];
  readonly log: CrashLog<Promised>;
  /** Index 0: before the first group. */
  readonly states: string[];
}

/** Random puts, drops, groups, syncs, commits and transactions. */
class Workload {
  readonly states: string[] = [];
  private readonly volume: Volume;
  private readonly stream: RandomStream;
  private readonly address: number;
  private readonly log: CrashLog<Promised>;

  constructor(vault: Vault, log: CrashLog<Promised>, seed: number) {
    this.volume = vault.opened.volume;
    this.log = log;
    this.stream = new RandomStream(seed);
    this.address = writerArena.reserve(4 * this.volume.blockBytes);
    this.states.push(dump(this.volume));
  }

  async run(groups: number): Promise<void> {
    for (let group = 0; group < groups; group++) {
      if (this.stream.chance(0.15)) this.transaction();
      else {
        for (let i = this.stream.below(5); i >= 0; i--) this.change(true);
        this.volume.endGroup();
      }
      this.states.push(dump(this.volume));
      if (this.stream.chance(0.35)) {
        this.volume.sync();
        this.promise();
      } else if (this.stream.chance(0.2)) {
        await this.volume.commit();
        this.promise();
      }
    }
  }

  private promise(): void {
    this.log.mark({ groups: this.states.length - 1 });
  }

  private transaction(): void {
    this.volume.beginTransaction();
    const keeps = this.stream.chance(0.6);
    for (let i = this.stream.below(5); i >= 0; i--) this.change(keeps);
    if (keeps) this.volume.keepTransaction();
    else this.volume.rollbackTransaction();
  }

  private change(withBlocks: boolean): void {
    const { tree } = this.volume;
    if (withBlocks && this.stream.chance(0.4)) return this.rewriteFile();
    const key = new Uint8Array([PLAIN_KEY, this.stream.below(KEYS), 0, 0, 0, 0, 0]);
    if (this.stream.chance(0.3)) tree.delete(key);
    else tree.put(key, new Uint8Array(this.stream.below(900)).fill(this.stream.below(256)));
  }

  /** Puts new blocks in place of an extent, or only drops it. */
  private rewriteFile(): void {
    const { tree } = this.volume;
    const ino = 1000 + this.stream.below(FILES);
    const key = encodeExtentKey(new Uint8Array(EXTENT_KEY_BYTES), ino, 0);
    const old = tree.get(key);
    if (old !== null) {
      const extent = emptyExtent();
      decodeExtent(old, extent);
      this.volume.drop(extent.firstId, extent.count);
    }
    if (this.stream.chance(0.2)) return void tree.delete(key);
    const count = 1 + this.stream.below(4);
    const firstId = this.volume.allocateIds(count);
    const { blockBytes } = this.volume;
    for (let i = 0; i < count; i++) {
      const at = this.address + i * blockBytes;
      this.volume.kernel.bytes.fill(fillOf(firstId + i), at, at + blockBytes);
    }
    this.volume.put({ firstId, count, address: this.address, lastLength: blockBytes });
    const record = new Uint8Array(EXTENT_BYTES);
    encodeExtent({ ...emptyExtent(), count, firstId }, record);
    tree.put(key, record);
  }
}

/** Every byte of a block, so that its content follows from its id. */
function fillOf(id: number): number {
  return id * 37 % 251;
}

/** Everything in the tree, as text. */
function dump(volume: Volume): string {
  const lines: string[] = [];
  volume.tree.scan(new Uint8Array(0), (key, value) => {
    if (key[0] === PLAIN_KEY || key[0] === KEY_TYPE.extent) {
      lines.push(`${key.toHex()}=${value.toHex()}`);
    }
    return true;
  });
  return lines.join("\n");
}

/** A workload to record. */
interface Plan {
  readonly seed: number;
  readonly groups: number;
  /** Segments at first: with few of them the vault grows on the way. */
  readonly segments: number;
  /** Of so many images one is looked at. */
  readonly every: number;
  readonly blockBytes?: number;
  readonly redundancy?: Redundancy;
  /** Media; one unless given. */
  readonly members?: number;
}

async function record(plan: Plan): Promise<Recording> {
  const { seed, groups } = plan;
  const bases = await emptyVault(plan);
  writerArena.reset();
  const log = new CrashLog<Promised>();
  const vault = openOn(bases.map((content) => new CrashMedium<Promised>({ content, log })));
  const workload = new Workload(vault, log, seed);
  await workload.run(groups);
  return { bases, log, states: workload.states };
}

function openOn(media: readonly StorageBackend[], kernel = writerArena): Vault {
  const [medium, ...members] = media;
  return openKeyedVault({ medium, members, kernel });
}

async function emptyVault(plan: Plan): Promise<SparseBytes[]> {
  writerArena.reset();
  const [medium, ...members] = Array.from({ length: plan.members ?? 1 }, () => new MemoryStorage());
  const { segments, blockBytes = 4096, redundancy } = plan;
  const shape = { segments, segmentsMax: Math.max(8, 2 * segments), blockBytes, redundancy };
  await createKeyedVault({ medium, members, kernel: writerArena }, shape);
  return [medium, ...members].map(({ content }) => content);
}

/** The media of an image, each a copy. */
function mediaOf(image: CrashImage<Promised>): MemoryStorage[] {
  return image.contents.map((_, member) => image.open(member));
}

/** The group that these media hold the end of; everything else about them must be right too. */
async function verify(
  media: readonly StorageBackend[],
  recording: Recording,
  access: "write" | "read" | "degraded" | "either" = "write",
): Promise<number> {
  readerArena.reset();
  const vault = openOn(media, readerArena);
  if (access !== "either") assert.equal(vault.readOnly, access === "read");
  assert.deepEqual(vault.opened.skippedRoots, [], "no root was named before it was durable");
  const { volume } = vault.opened;
  const state = dump(volume);
  const group = recording.states.lastIndexOf(state);
  assert.ok(group >= 0, "the tree is as it was after some group");
  checkBlocks(volume);
  if (access === "either") return group;
  const report = await checkVault(vault);
  const problems = report.problems.filter(({ kind }) => kind !== "record");
  if (access === "write") assert.deepEqual(problems, []);
  else assert.deepEqual(problems.map(({ kind }) => kind), ["member"]);
  if (media.length > 1 && access === "write") assert.equal(report.uncovered, 0);
  return group;
}

function checkBlocks(volume: Volume): void {
  const { blockBytes } = volume;
  const address = volume.kernel.reserve(4 * blockBytes);
  const extent = emptyExtent();
  const runs: { firstId: number; count: number }[] = [];
  volume.tree.scan(new Uint8Array([KEY_TYPE.extent]), (key, value) => {
    if (key[0] !== KEY_TYPE.extent) return false;
    decodeExtent(value, extent);
    runs.push({ ...extent });
    return true;
  });
  for (const { firstId, count } of runs) {
    volume.get(firstId, count, address);
    for (let i = 0; i < count * blockBytes; i++) {
      const expected = fillOf(firstId + Math.floor(i / blockBytes));
      if (volume.kernel.bytes[address + i] !== expected) assert.fail("a block has other bytes");
    }
  }
}

/** The recovered vault takes changes, and holds them when it is opened again. */
async function goOn(media: readonly MemoryStorage[]): Promise<void> {
  readerArena.reset();
  const { volume } = openOn(media, readerArena).opened;
  const workload = new Workload(
    { opened: { volume } } as Vault,
    new CrashLog<Promised>(),
    1,
  );
  await workload.run(6);
  await volume.commit();
  const expected = dump(volume);
  readerArena.reset();
  const again = openOn(media, readerArena);
  assert.equal(dump(again.opened.volume), expected);
  checkBlocks(again.opened.volume);
  const report = await checkVault(again);
  assert.deepEqual(report.problems.filter(({ kind }) => kind !== "record"), []);
}

/** A power cut while the vault recovers from one. */
async function crashAgain(
  contents: readonly SparseBytes[],
  recording: Recording,
  group: number,
): Promise<void> {
  readerArena.reset();
  const log = new CrashLog<Promised>();
  openOn(contents.map((content) => new CrashMedium<Promised>({ content, log })), readerArena);
  const points = [...log.images(3, { randomPerPoint: 1, missingMax: 1 })];
  for (const image of points.filter((_, i) => i % 4 === 0)) {
    assert.equal(await verify(mediaOf(image), recording), group, image.description);
  }
}

/** Any member may be lost after the crash: what was promised is there; of three, the others go on, and it comes back. */
async function loseMember(image: CrashImage<Promised>, recording: Recording): Promise<void> {
  const { contents: { length }, mark } = image;
  const lost = image.point % length;
  const media = mediaOf(image);
  const left = media.filter((_, member) => member !== lost);
  const group = await verify(left, recording, length > 2 ? "degraded" : "read");
  assert.ok(group >= (mark?.groups ?? 0), `what was promised is there without ${lost}`);
  if (length === 2) return;
  const { volume } = openOn(left, readerArena).opened;
  syncSome(volume);
  const expected = dump(volume);
  readerArena.reset();
  const all = openOn(media, readerArena);
  assert.equal(dump(all.opened.volume), expected, "who was away does not win");
}

function syncSome(volume: Volume): void {
  volume.tree.put(new Uint8Array([PLAIN_KEY, 255, 0, 0, 0, 0, 0]), new Uint8Array(10).fill(1));
  volume.endGroup();
  volume.sync();
}

/** What is synced after the crash is there without any member, whichever of them had the newest root. */
function syncThenLose(image: CrashImage<Promised>): void {
  readerArena.reset();
  const media = mediaOf(image);
  const { volume } = openOn(media, readerArena).opened;
  syncSome(volume);
  const expected = dump(volume);
  for (let lost = 0; lost < media.length; lost++) {
    readerArena.reset();
    const left = media.filter((_, i) => i !== lost)
      .map(({ content }) => new MemoryStorage({ content: content.fork() }));
    const { volume: again } = openOn(left, readerArena).opened;
    assert.equal(dump(again), expected, "what was synced is there whichever member is lost");
  }
}

/** A member may be as it was before: what was promised is there all the same. */
async function setBack(image: CrashImage<Promised>, recording: Recording): Promise<void> {
  const older = image.point % image.contents.length;
  const media = mediaOf(image);
  media[older] = new MemoryStorage({ content: recording.bases[older].fork() });
  const group = await verify(media, recording, "either");
  assert.ok(
    group >= (image.mark?.groups ?? 0),
    `what was promised is there with ${older} set back`,
  );
}

async function survive(plan: Plan): Promise<number> {
  const recording = await record(plan);
  const { seed, every } = plan;
  let images = 0;
  // With several media a second crash may come before all of them know what the first one left.
  const againEvery = (plan.members ?? 1) > 1 ? 13 : 97;
  for (const image of recording.log.images(seed, { randomPerPoint: 1, missingMax: 3 })) {
    if (++images % every !== 0) continue;
    try {
      const group = await verify(mediaOf(image), recording);
      assert.ok(group >= (image.mark?.groups ?? 0), "what was promised is there");
      if (images % (13 * every) === 0) await goOn(mediaOf(image));
      if (images % (againEvery * every) === 0) await crashAgain(image.contents, recording, group);
      if (image.contents.length > 1) {
        await loseMember(image, recording);
        await setBack(image, recording);
        syncThenLose(image);
      }
    } catch (error) {
      const where = `seed ${seed}, point ${image.point}, ${image.description}`;
      throw new Error(`${where}: ${error instanceof Error ? error.message : error}`, {
        cause: error,
      });
    }
  }
  return images;
}

const protections = [
  { name: "1+1", redundancy: { k: 1, m: 1 }, blockBytes: 4096, segments: 5 },
  { name: "4+2", redundancy: { k: 4, m: 2 }, blockBytes: 16384, segments: 9 },
  {
    name: "1+1 on two members",
    redundancy: { k: 1, m: 1 },
    blockBytes: 4096,
    segments: 4,
    members: 2,
  },
  {
    name: "2+1 on three members",
    redundancy: { k: 2, m: 1 },
    blockBytes: 8192,
    segments: 4,
    members: 3,
  },
];
for (const { name, ...shape } of protections) {
  const { members = 1 } = shape;
  Deno.test(`engine ${name}: every power cut leaves whole groups, with all shards and copies`, async () => {
    assert.ok(await survive({ seed: 11, groups: 20, every: 3 * members, ...shape }) > 100);
  });

  Deno.test(`engine ${name}: power cuts of a long workload`, async () => {
    assert.ok(await survive({ seed: 1011, groups: 120, every: 61 * members, ...shape }) > 1000);
  });
}
