import type { AccessTimes, Compression } from "../format/catalog_record.ts";
import type { FileChange } from "../vault/file_changes.ts";
import type { Vault } from "../vault/vault.ts";
import { BLOCK_BYTES } from "../volume/block_size.ts";
import { DEFAULT_PROPERTIES } from "../volume/volume_properties.ts";
import type { SnapshotStatus, VolumeStatus } from "../volume/volume_status.ts";
import { formatAge } from "./durations.ts";
import { pathText } from "./path_text.ts";
import { formatSize, plural } from "./sizes.ts";
import { columns, printable, type Style } from "./terminal/colours.ts";
import { isoTime } from "../dates.ts";
import { dayText, secondText } from "./times.ts";

/** A volume in JSON. */
export interface VolumeRow {
  readonly name: string;
  /** It is meant where no volume is said. */
  readonly isDefault: boolean;
  /** ISO 8601. */
  readonly created: string;
  readonly referencedBytes: number;
  /** Of its snapshots. */
  readonly snapshots: number;
  /** 0: no limit. */
  readonly quotaBytes: number;
  /** Files, directories and all else. */
  readonly inodes: number;
  /** 0: no limit. */
  readonly quotaFiles: number;
  readonly readOnly: boolean;
  readonly accessTimes: AccessTimes;
  readonly compression: Compression;
  /** Of a full data block. */
  readonly blockBytes: number;
  /** 0: no history to undo with. */
  readonly historySeconds: number;
  readonly historyPercent: number;
}

/** A snapshot in JSON. */
export interface SnapshotRow {
  /** Empty for one of the undo history. */
  readonly name: string;
  readonly sequence: number;
  /** ISO 8601. */
  readonly time: string;
  readonly history: boolean;
  readonly referencedBytes: number;
  readonly ownBytes: number;
  readonly sharedBytes: number;
}

/** A snapshot with the volume that it is of. */
export interface VolumeSnapshotRow extends SnapshotRow {
  readonly volume: string;
}

/** A difference in JSON. */
export interface ChangeRow {
  readonly kind: FileChange["kind"];
  readonly type: FileChange["type"];
  readonly path: string;
  readonly from?: string;
}

/** What a rule lets go, in JSON. */
export interface PrunedRows {
  readonly deleted: readonly SnapshotRow[];
  readonly kept: number;
  readonly freedBytes: number;
}

/** The volumes of an open vault; without what is in memory only, and inside a transaction too. */
export function volumeRows({ opened: { volumes, volume } }: Vault): VolumeRow[] {
  const fallback = volumes.nameOf(volume.id);
  return volumes.listVolumes().map((status) => volumeRow(status, fallback, volumes));
}

function volumeRow(
  status: VolumeStatus,
  fallback: string,
  volumes: Vault["opened"]["volumes"],
): VolumeRow {
  const { name, created, referencedBytes, quotaBytes, readOnly, accessTimes } = status;
  const { inodes, quotaFiles, compression, blockBytes, historySeconds, historyPercent } = status;
  return {
    name,
    isDefault: name === fallback,
    created: isoTime(created),
    referencedBytes,
    snapshots: volumes.countSnapshots(name),
    quotaBytes,
    inodes,
    quotaFiles,
    readOnly,
    accessTimes,
    compression,
    blockBytes,
    historySeconds,
    historyPercent,
  };
}

/** The JSON form of a snapshot. */
export function snapshotRow({ time, ...status }: SnapshotStatus): SnapshotRow {
  const { name, sequence, history, referencedBytes, ownBytes, sharedBytes } = status;
  return { name, sequence, time: isoTime(time), history, referencedBytes, ownBytes, sharedBytes };
}

/** The snapshots of all volumes of an open vault. */
export function volumeSnapshotRows({ opened: { volumes } }: Vault): VolumeSnapshotRow[] {
  return volumes.listVolumes().flatMap(({ name: volume }) =>
    volumes.listSnapshots(volume)
      .filter(({ history }) => !history)
      .map((status) => ({ volume, ...snapshotRow(status) }))
  );
}

/** The JSON form of a difference. */
export function changeRow({ kind, type, pathBytes, fromBytes }: FileChange): ChangeRow {
  const path = pathText(pathBytes);
  return fromBytes === undefined
    ? { kind, type, path }
    : { kind, type, path, from: pathText(fromBytes) };
}

/** Volumes for people. */
export function volumesText(rows: readonly VolumeRow[], style: Style): string {
  return table([
    ["VOLUME", "SIZE", "SNAPSHOTS", "CREATED", "PROPERTIES"],
    ...rows.map((row) => [
      printable(row.name),
      formatSize(row.referencedBytes),
      `${row.snapshots}`,
      dayText(row.created),
      propertiesText(row),
    ]),
  ], { right: [1, 2], style });
}

/** Columns below their names. */
function table(
  rows: readonly (readonly string[])[],
  { right, style }: { readonly right: readonly number[]; readonly style: Style },
): string {
  const [head, ...lines] = columns(rows, right).split("\n").map((line) => line.trimEnd());
  return [style.dim(head), ...lines].join("\n");
}

function propertiesText(row: VolumeRow): string {
  const parts: string[] = [];
  if (row.isDefault) parts.push("default");
  if (row.readOnly) parts.push("readonly");
  if (row.accessTimes !== "relatime") parts.push(row.accessTimes);
  if (row.blockBytes !== BLOCK_BYTES) parts.push(`block-size=${formatSize(row.blockBytes)}`);
  if (row.compression !== "none") parts.push(row.compression);
  if (row.quotaBytes > 0) parts.push(`quota=${formatSize(row.quotaBytes)}`);
  if (row.quotaFiles > 0) parts.push(`quota-files=${row.inodes}/${row.quotaFiles}`);
  if (row.historySeconds !== DEFAULT_PROPERTIES.historySeconds) {
    const length = row.historySeconds === 0 ? "off" : `${row.historySeconds}s`;
    parts.push(`history=${length}`);
  }
  return parts.join(" ");
}

/** Snapshots for people, with their ages. */
export function snapshotsText(
  rows: readonly (SnapshotRow & { readonly volume?: string })[],
  { style, now }: { readonly style: Style; readonly now: number },
): string {
  if (rows.length === 0) return "no snapshots\n";
  return table([
    ["SNAPSHOT", "TIME", "AGE", "SIZE", "OWN", "SHARED"],
    ...rows.map((row) => [
      printable(row.volume === undefined ? nameText(row) : `${row.volume}@${nameText(row)}`),
      secondText(row.time),
      formatAge(now - Date.parse(row.time)),
      formatSize(row.referencedBytes),
      formatSize(row.ownBytes),
      formatSize(row.sharedBytes),
    ]),
  ], { right: [3, 4, 5], style });
}

function nameText({ history, name, sequence }: SnapshotRow): string {
  return history ? `@${sequence}` : name;
}

const MARKS: Readonly<Record<ChangeRow["kind"], string>> = {
  added: "A",
  removed: "D",
  modified: "M",
  renamed: "R",
};

/** Differences for people, as `git diff --name-status` shows them. */
export function changesText(rows: readonly ChangeRow[], style: Style): string {
  const paint = {
    added: style.green,
    removed: style.red,
    modified: style.yellow,
    renamed: style.cyan,
  };
  return rows.map(({ kind, type, path, from }) => {
    const slash = type === "directory" && path !== "/" ? "/" : "";
    const paths = from === undefined ? [path] : [from, path];
    return [paint[kind](MARKS[kind]), ...paths.map((name) => printable(name) + slash)].join("\t");
  }).map((line) => line + "\n").join("");
}

/** What a rule lets go, for people. */
export function pruneText(
  { deleted, kept, freedBytes }: PrunedRows,
  isPlan: boolean,
): string {
  const lines = deleted.map(({ name, time }) => `${secondText(time)}  ${printable(name)}\n`);
  const verb = isPlan ? "would delete" : "deleted";
  const space = formatSize(freedBytes);
  const frees = isPlan ? `would free ${space}` : `frees ${space}`;
  return lines.join("") + `${verb} ${plural(deleted.length, "snapshot")}, ${frees}; ${kept} stay\n`;
}
