import assert from "node:assert/strict";
import { decodeExtent, emptyExtent, encodeExtent, EXTENT_BYTES } from "../../core/format/extent.ts";
import {
  encodeExtentKey,
  EXTENT_KEY_BYTES,
  KEY_TYPE,
  keyIno,
  nodeKey,
} from "../../core/format/volume_key.ts";
import type { VolumeStore } from "../../core/volume/volume_store.ts";
import type { RandomStream } from "./random_stream.ts";

/** Keys that are no records of a filesystem: the check of those is not asked here. */
const PLAIN_KEY = 250;
const KEYS = 40;
/** Of these some are counted as inodes, whatever their records hold. */
const FIRST_INODE = 5000;
const FILES = 8;
/** Blocks of an extent at most. */
export const RUN_BLOCKS_MAX = 4;

/** Tries to compress every block. */
const ALWAYS = { isDue: () => true, tried: () => {} };

/** Random puts and deletes of keys and extents in a volume's tree, with blocks whose content follows from their ids. */
export class TreeWorkload {
  private readonly stream: RandomStream;
  private readonly address: number;
  private readonly valueBytes: number;

  /** `address` leads to memory for {@linkcode RUN_BLOCKS_MAX} blocks; values below `valueBytes` make a tree small or large. */
  constructor(stream: RandomStream, address: number, valueBytes: number) {
    this.stream = stream;
    this.address = address;
    this.valueBytes = valueBytes;
  }

  /** One change; not of blocks unless `withBlocks`. */
  change(volume: VolumeStore, withBlocks: boolean): void {
    if (withBlocks && this.stream.chance(0.4)) return this.rewriteFile(volume);
    const number = this.stream.below(KEYS);
    const key = this.stream.chance(0.4)
      ? nodeKey(KEY_TYPE.inode, FIRST_INODE + number)
      : new Uint8Array([PLAIN_KEY, number, 0, 0, 0, 0, 0]);
    if (this.stream.chance(0.3)) volume.tree.delete(key);
    else {
      const value = new Uint8Array(this.stream.below(this.valueBytes));
      volume.tree.put(key, value.fill(this.stream.below(256)));
    }
  }

  /** Puts fresh blocks in place of an extent, or only drops it. */
  private rewriteFile({ tree, blocks, blockBytes, kernel }: VolumeStore): void {
    const ino = 1000 + this.stream.below(FILES);
    const key = encodeExtentKey(new Uint8Array(EXTENT_KEY_BYTES), ino, 0);
    const old = tree.get(key);
    if (old !== null) {
      const extent = emptyExtent();
      decodeExtent(old, extent);
      blocks.drop(extent.firstId, extent.count);
    }
    if (this.stream.chance(0.2)) return void tree.delete(key);
    const count = 1 + this.stream.below(RUN_BLOCKS_MAX);
    const firstId = blocks.allocateIds(count);
    for (let i = 0; i < count; i++) {
      const at = this.address + i * blockBytes;
      kernel.bytes.fill(fillOf(firstId + i), at, at + blockBytes);
    }
    const packed = this.stream.chance(0.5);
    const trials = packed ? ALWAYS : undefined;
    blocks.put({ firstId, count, address: this.address, lastLength: blockBytes, trials });
    const record = new Uint8Array(EXTENT_BYTES);
    encodeExtent({ ...emptyExtent(), count, firstId, packed }, record);
    tree.put(key, record);
  }
}

/** Every byte of a block, so that its content follows from its id. */
function fillOf(id: number): number {
  return id * 37 % 251;
}

/** Everything that the workload put into a tree, as text. */
export function dumpTree({ tree }: Pick<VolumeStore, "tree">): string {
  const lines: string[] = [];
  tree.scan(new Uint8Array(0), (key, value) => {
    const isOurs = key[0] === KEY_TYPE.inode && keyIno(key) >= FIRST_INODE;
    if (key[0] === PLAIN_KEY || key[0] === KEY_TYPE.extent || isOurs) {
      lines.push(`${key.toHex()}=${value.toHex()}`);
    }
    return true;
  });
  return lines.join("\n");
}

/** Reads all blocks of a tree into memory for {@linkcode RUN_BLOCKS_MAX} of them and compares every byte. */
export function assertBlocks(volume: VolumeStore, address: number): void {
  const { tree, blocks, blockBytes, kernel } = volume;
  const extent = emptyExtent();
  const runs: { firstId: number; count: number }[] = [];
  tree.scan(new Uint8Array([KEY_TYPE.extent]), (key, value) => {
    if (key[0] !== KEY_TYPE.extent) return false;
    decodeExtent(value, extent);
    runs.push({ ...extent });
    return true;
  });
  for (const { firstId, count } of runs) {
    blocks.get(firstId, count, address);
    for (let i = 0; i < count; i++) {
      const at = address + i * blockBytes;
      const block = kernel.bytes.subarray(at, at + blockBytes);
      const expected = fillOf(firstId + i);
      if (block.some((byte) => byte !== expected)) assert.fail("a block has other bytes");
    }
  }
}

/** How many inodes a scan of a tree finds. */
export function countInodes({ tree }: Pick<VolumeStore, "tree">): number {
  let count = 0;
  tree.scan(new Uint8Array([KEY_TYPE.inode]), (key) => key[0] === KEY_TYPE.inode && ++count > 0);
  return count;
}
