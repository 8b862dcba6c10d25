import type {
  BranchRecord,
  SnapshotRecord,
  VolumeRecord,
} from "../../core/format/catalog_record.ts";

/** A volume of which everything was said. */
export const volume: VolumeRecord = {
  name: "photos ü",
  branch: 7,
  created: 1_700_000_000_000,
  blockBytes: 16384,
  quotaBytes: 2 ** 40,
  quotaFiles: 1000,
  readOnly: true,
  accessTimes: "noatime",
  compression: "zstd",
  historySeconds: 3600,
  historyPercent: 10,
};

/** A branch that was made from a snapshot. */
export const branch: BranchRecord = {
  volume: 3,
  originBranch: 2,
  originSequence: 88,
  root: 4000,
  birth: 90,
  cells: 1234,
  inodes: 12,
  setAside: 77,
};

/** A snapshot with every flag. */
export const snapshot: SnapshotRecord = {
  name: "before the upgrade",
  time: 1_700_000_000_000,
  root: 4000,
  birth: 87,
  cells: 1230,
  inodes: 13,
  setAside: 77,
  nextBlockId: 4001,
  hidden: true,
  history: true,
  guid: new Uint8Array(16).fill(6),
};
