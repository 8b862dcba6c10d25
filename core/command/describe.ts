import { type RescatterRow, rescatterRow } from "./rescatter_row.ts";
import { type ScrubRow, scrubRow } from "./scrub_row.ts";
import { type RedundancyReport, redundancyReport } from "./redundancy_report.ts";
import { CELL_BYTES } from "../limits.ts";
import {
  type VolumeRow,
  volumeRows,
  type VolumeSnapshotRow,
  volumeSnapshotRows,
} from "./dataset_rows.ts";
import { isoTime } from "../dates.ts";
import type { ObjectUse } from "../storage/storage_backend.ts";
import { listMembers, type MemberStatus } from "../vault/member_status.ts";
import { type RotationState, rotationState } from "../vault/rotation.ts";
import type { Vault } from "../vault/vault.ts";

/** How many files have a passphrase of their own. */
export interface LockCounts {
  readonly locked: number;
  readonly shredded: number;
  readonly unfinished: number;
}

/** What `info` says about an open vault. */
export interface VaultDescription {
  readonly medium: string;
  /** Bytes from the start to the end of the medium, or of all. */
  readonly mediumBytes: number;
  /** Of a vault in a directory: its files. */
  readonly objects: ObjectUse | null;
  /** The media that the vault lies on. */
  readonly members: readonly MemberStatus[];
  /** Bytes of cells in use by files, trees and the header. */
  readonly usedBytes: number;
  /** Bytes that files can take in all, and those that are free: a share is kept for deleting. */
  readonly totalBytes: number;
  readonly freeBytes: number;
  readonly blockBytes: number;
  /** How much of what is stored may be lost. */
  readonly redundancy: RedundancyReport;
  /** What scrubs have found; null: there was none. */
  readonly scrub: ScrubRow | null;
  /** How far re-scattering is; null: it never began. */
  readonly rescatter: RescatterRow | null;
  /** Free cells hold noise. */
  readonly dense: boolean;
  /** It is a hidden vault itself; whether one is in it, nobody can tell. */
  readonly hidden: boolean;
  readonly segments: number;
  readonly segmentsMax: number;
  /** The root in force. */
  readonly sequence: number;
  /** Of new writes. */
  readonly epoch: number;
  /** While keys are rotated: the epochs that something may still be under. */
  readonly olderEpochs: readonly number[];
  /** How much of what is stored is under the newest of them; null where none is rotated. */
  readonly rotation: RotationState | null;
  /** Files that are locked or shredded, and those of which that was cut short. */
  readonly locks: LockCounts;
  readonly readOnly: boolean;
  /** Transactions that opening took over from the intent log. */
  readonly replayed: number;
  /** The last one was left out: blocks that it names are not on the medium. */
  readonly unfinished: boolean;
  /** Newer roots that did not open. */
  readonly skippedRoots: readonly number[];
  /** The newest root that this device remembers, and when it noted it; null where it does not. */
  readonly remembered: { readonly sequence: number; readonly seen: string } | null;
  /** Snapshots that were not received to their end. */
  readonly receives: readonly ReceiveRow[];
  readonly volumes: readonly VolumeRow[];
  /** Of all volumes. */
  readonly snapshots: readonly VolumeSnapshotRow[];
}

/** A snapshot on its way into a volume, or interrupted there. */
export interface ReceiveRow {
  readonly volume: string;
  readonly began: string;
  readonly contentBytes: number;
}

/** Describes an open vault. */
export async function describeVault(vault: Vault): Promise<VaultDescription> {
  const { volume, replayed, unfinished, skippedRoots } = vault.opened;
  const { totalCells, freeCells } = volume.space();
  const { space } = volume.store;
  return {
    medium: vault.medium.name,
    mediumBytes: await mediaBytes(vault),
    objects: vault.medium.objectUse?.() ?? null,
    members: listMembers(vault),
    usedBytes: space.takenCells * CELL_BYTES,
    totalBytes: totalCells * CELL_BYTES,
    freeBytes: freeCells * CELL_BYTES,
    blockBytes: volume.blockBytes,
    redundancy: redundancyReport(vault),
    scrub: scrubRow(vault),
    rescatter: rescatterRow(vault),
    dense: volume.store.dense,
    hidden: vault.header.keys.hidden !== undefined,
    segments: space.segments,
    segmentsMax: space.segmentsMax,
    sequence: volume.store.sequence,
    epoch: volume.store.context.epoch,
    olderEpochs: olderEpochs(vault),
    rotation: await rotationState(vault),
    locks: volume.engine.locks.count(),
    readOnly: vault.readOnly,
    replayed,
    unfinished,
    skippedRoots,
    remembered: rememberedBy(vault),
    receives: vault.streams.receives().map((each) => ({ ...each, began: isoTime(each.began) })),
    volumes: volumeRows(vault),
    snapshots: volumeSnapshotRows(vault),
  };
}

function rememberedBy({ opened: { memory } }: Vault): VaultDescription["remembered"] {
  if (memory === undefined || memory.remembered === null) return null;
  const { sequence, seen } = memory.remembered;
  return { sequence, seen: isoTime(seen) };
}

function olderEpochs({ opened: { volume }, header: { keys } }: Vault): number[] {
  const { epoch } = volume.store.context;
  return keys.epochs.map((each) => each.epoch).filter((each) => each !== epoch);
}

async function mediaBytes({ opened: { volume: { engine } } }: Vault): Promise<number> {
  let bytes = 0;
  for (const medium of engine.media.all) bytes += await medium.size();
  return bytes;
}
