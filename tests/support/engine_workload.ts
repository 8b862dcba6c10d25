import assert from "node:assert/strict";
import { decodeExtent, encodeExtent, EXTENT_BYTES } from "../../core/format/extent.ts";
import { encodeExtentKey, EXTENT_KEY_BYTES, KEY_TYPE } from "../../core/format/volume_key.ts";
import type { Volume } from "../../core/volume/volume.ts";
import { RandomStream } from "./random_stream.ts";

/** Bytes of a full block of the vaults that the workload runs on. */
export const BLOCK_BYTES = 4096;
/** Keys that are no records of a filesystem: the check of those is not asked here. */
const PLAIN_KEY = 250;
const KEYS = 40;
const FILES = 8;

/** What was promised when a point was reached: groups up to this index. */
export interface Promised {
  readonly groups: number;
}

/** Random puts, drops, groups, syncs, commits and transactions. */
export class EngineWorkload {
  /** What the tree held after each group; index 0: before the first. */
  readonly states: string[] = [];
  private readonly volume: Volume;
  private readonly stream: RandomStream;
  private readonly address: number;
  private readonly mark: (promised: Promised) => void;

  /** `mark` is told what has become durable. */
  constructor(volume: Volume, seed: number, mark: (promised: Promised) => void) {
    this.volume = volume;
    this.mark = mark;
    this.stream = new RandomStream(seed);
    this.address = volume.kernel.reserve(4 * BLOCK_BYTES);
    this.states.push(dump(this.volume));
  }

  /** Runs so many groups. */
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
    this.mark({ groups: this.states.length - 1 });
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
      const extent = { count: 1, firstId: 0, tailCells: 0, unwritten: false };
      decodeExtent(old, extent);
      this.volume.drop(extent.firstId, extent.count);
    }
    if (this.stream.chance(0.2)) return void tree.delete(key);
    const count = 1 + this.stream.below(4);
    const firstId = this.volume.allocateIds(count);
    for (let i = 0; i < count; i++) {
      const at = this.address + i * BLOCK_BYTES;
      this.volume.kernel.bytes.fill(fillOf(firstId + i), at, at + BLOCK_BYTES);
    }
    this.volume.put({ firstId, count, address: this.address, lastLength: BLOCK_BYTES });
    const record = new Uint8Array(EXTENT_BYTES);
    encodeExtent({ count, firstId, tailCells: 0, unwritten: false }, record);
    tree.put(key, record);
  }
}

/** Every byte of a block, so that its content follows from its id. */
function fillOf(id: number): number {
  return id * 37 % 251;
}

/** Everything in the tree, as text. */
export function dump(volume: Volume): string {
  const lines: string[] = [];
  volume.tree.scan(new Uint8Array(0), (key, value) => {
    if (key[0] === PLAIN_KEY || key[0] === KEY_TYPE.extent) {
      lines.push(`${key.toHex()}=${value.toHex()}`);
    }
    return true;
  });
  return lines.join("\n");
}

/** Every block that the tree names holds what its id says. */
export function checkBlocks(volume: Volume): void {
  const address = volume.kernel.reserve(4 * BLOCK_BYTES);
  const extent = { count: 1, firstId: 0, tailCells: 0, unwritten: false };
  const runs: { firstId: number; count: number }[] = [];
  volume.tree.scan(new Uint8Array([KEY_TYPE.extent]), (key, value) => {
    if (key[0] !== KEY_TYPE.extent) return false;
    decodeExtent(value, extent);
    runs.push({ ...extent });
    return true;
  });
  for (const { firstId, count } of runs) {
    volume.get(firstId, count, address);
    for (let i = 0; i < count * BLOCK_BYTES; i++) {
      const expected = fillOf(firstId + Math.floor(i / BLOCK_BYTES));
      if (volume.kernel.bytes[address + i] !== expected) assert.fail("a block has other bytes");
    }
  }
}
