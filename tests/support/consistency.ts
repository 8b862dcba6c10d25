import { unwrittenBlocks } from "../../core/format/extent.ts";
import { KEY_TYPE } from "../../core/format/volume_key.ts";
import { ConsistencyCheck } from "../../core/fs/consistency.ts";
import type { VolumeStore } from "../../core/volume/volume_store.ts";

/** Compares all records of a volume, as they are in memory; `visitRun` is told the blocks of files. */
export function checkConsistency(
  volume: VolumeStore,
  visitRun?: (firstId: number, count: number) => void,
): { readonly problems: readonly string[]; readonly files: number; readonly directories: number } {
  const problems: string[] = [];
  const check = new ConsistencyCheck({
    volume,
    storedCells: (firstId, count) => volume.blocks.cells(firstId, count),
    visitRun,
    wrong: (what) => problems.push(what),
  });
  let setAside = 0;
  volume.tree.scan(new Uint8Array([0]), (key, value) => {
    check.record(key, value);
    if (key[0] === KEY_TYPE.extent) setAside += unwrittenBlocks(value);
    return true;
  });
  for (const _ of check.finish());
  if (volume.setAside !== undefined && volume.setAside !== setAside) {
    problems.push(`${volume.setAside} blocks are counted as set aside, ${setAside} were met`);
  }
  return { problems, files: check.files, directories: check.directories };
}
