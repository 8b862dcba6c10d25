import { decodeExtent, emptyExtent } from "../format/extent.ts";
import {
  encodeExtentKey,
  EXTENT_KEY_BYTES,
  KEY_TYPE,
  keyBelongsTo,
  nodeKey,
} from "../format/volume_key.ts";
import type { LineFile } from "../format/lock_record.ts";
import type { TreeStore } from "../tree/tree_store.ts";
import { everyTree } from "./every_tree.ts";
import type { KeyValueTree } from "./volume_store.ts";

/** Block ids from `first` to before `end`. */
export interface IdRange {
  readonly first: number;
  readonly end: number;
}

/** The ids of all blocks that any tree has as content of a file, in order, each once. */
export function blocksOfFile(store: TreeStore, { line, ino }: LineFile): IdRange[] {
  const ends = new Map<number, number>();
  const from = encodeExtentKey(new Uint8Array(EXTENT_KEY_BYTES), ino, 0);
  for (const tree of everyTree(store, line)) {
    tree.scan(from, (key, value) => {
      if (!keyBelongsTo(key, KEY_TYPE.extent, ino)) return false;
      const extent = emptyExtent();
      decodeExtent(value, extent);
      const end = extent.firstId + extent.count;
      if (!extent.unwritten) {
        ends.set(extent.firstId, Math.max(end, ends.get(extent.firstId) ?? 0));
      }
      return true;
    });
  }
  return joined([...ends].sort(([a], [b]) => a - b));
}

/** True where a tree has content of a file. */
export function hasContent(tree: Pick<KeyValueTree, "get" | "scan">, ino: number): boolean {
  if (tree.get(nodeKey(KEY_TYPE.inline, ino)) !== null) {
    return true;
  }
  let found = false;
  tree.scan(encodeExtentKey(new Uint8Array(EXTENT_KEY_BYTES), ino, 0), (key, value) => {
    if (!keyBelongsTo(key, KEY_TYPE.extent, ino)) return false;
    const extent = emptyExtent();
    decodeExtent(value, extent);
    found = !extent.unwritten;
    return !found;
  });
  return found;
}

function joined(sorted: readonly [number, number][]): IdRange[] {
  const ranges: { first: number; end: number }[] = [];
  for (const [first, end] of sorted) {
    const last = ranges.at(-1);
    if (last !== undefined && first <= last.end) last.end = Math.max(last.end, end);
    else ranges.push({ first, end });
  }
  return ranges;
}
