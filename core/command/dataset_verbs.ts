/**
 * What is done with volumes and snapshots: the same verbs on a vault that this process opened and in one that holds a mount.
 *
 * @module
 */
import { VaultError } from "../errors.ts";
import { ACCESS_TIMES, COMPRESSIONS } from "../format/catalog_record.ts";
import type { UndoTarget } from "../vault/vault_snapshots.ts";
import type { ControlCall, ControlOptions, ControlVerb } from "../vault/control.ts";
import { parseRetention } from "../volume/retention.ts";
import type { VolumeProperties } from "../volume/volume_properties.ts";
import {
  type ChangeRow,
  changeRow,
  type PrunedRows,
  snapshotRow,
  volumeRows,
} from "./dataset_rows.ts";

/** Differences that one answer lists at most. */
const CHANGES_MAX = 200_000;

/** A verb's vault; without a transaction where no kernel remembers anything of it. */
export type DatasetCall = Omit<ControlCall, "transaction"> & {
  readonly transaction: ControlCall["transaction"] | null;
};

/** A verb on volumes or snapshots; returns a JSON value. */
export type DatasetVerb = (call: DatasetCall) => Promise<unknown>;

/** The differences of two states, in JSON. */
export interface DiffRow {
  readonly changes: readonly ChangeRow[];
}

/** By the names that they have on the command line and the control socket. */
export const DATASET_VERBS: Readonly<Record<string, DatasetVerb>> = {
  "volume list": ({ vault }) => Promise.resolve(volumeRows(vault)),
  "volume create": (call) =>
    changing(call, async ({ vault, options }) => {
      await vault.volumes.create(text(options, "name"), properties(options));
      return { volume: text(options, "name") };
    }),
  "volume rename": (call) =>
    changing(call, async ({ vault, options }) => {
      await vault.volumes.rename(text(options, "name"), text(options, "to"));
      return { volume: text(options, "to") };
    }),
  "volume set": (call) =>
    changing(call, async ({ vault, options }) => {
      await vault.volumes.set(text(options, "name"), properties(options));
      return { volume: text(options, "name") };
    }),
  "volume delete": (call) =>
    changing(call, async ({ vault, options }) => {
      await vault.volumes.delete(text(options, "name"));
      return { volume: text(options, "name") };
    }),
  /** Frees what was deleted; a mount does it by itself. */
  "volume free": async ({ vault, progress, signal }) => {
    await vault.volumes.free({ progress: (freed) => progress?.(freed, 0), signal });
    return {};
  },
  /** Inside a transaction too, unlike `vault.snapshots`. */
  "snapshot list": (call) => {
    const list = call.vault.opened.volumes.listSnapshots(volumeOf(call));
    return Promise.resolve(list.filter(({ history }) => !history).map(snapshotRow));
  },
  /** What can be undone: snapshots as well. */
  "undo list": (call) => {
    const list = call.vault.opened.volumes.listSnapshots(volumeOf(call));
    return Promise.resolve(list.map(snapshotRow));
  },
  "snapshot create": (call) =>
    changing(call, async ({ vault, options }) => {
      await vault.snapshots.create(volumeOf(call), text(options, "name"));
      return { volume: volumeOf(call), snapshot: text(options, "name") };
    }),
  "snapshot delete": (call) =>
    changing(call, async ({ vault, options }) => {
      await vault.snapshots.delete(volumeOf(call), text(options, "name"));
      return { volume: volumeOf(call), snapshot: text(options, "name") };
    }),
  "snapshot rollback": async (call) => {
    const { vault, transaction, options } = call;
    const [volume, snapshot] = [volumeOf(call), text(options, "name")];
    transaction?.requireOneVolume("roll back");
    const isShown = volume === shownVolume(call);
    if (transaction !== null && isShown) {
      await transaction.replaced("roll back", (differs) => {
        vault.snapshots.replace(volume, { name: snapshot, oldHead: "destroy" }, differs);
      });
    } else {
      await changing(call, () => vault.snapshots.rollback(volume, snapshot));
    }
    return { volume, snapshot };
  },
  /** Says which state it would be, too: without changing anything. */
  "undo plan": (call) => {
    const { vault, options } = call;
    return Promise.resolve(
      snapshotRow(vault.snapshots.stateAt(volumeOf(call), undoTarget(options))),
    );
  },
  "undo": async (call) => {
    const { vault, transaction, options } = call;
    const volume = volumeOf(call);
    transaction?.requireOneVolume("undo");
    const target = undoTarget(options);
    if (transaction === null || volume !== shownVolume(call)) {
      return await changing(
        call,
        async () => snapshotRow(await vault.snapshots.undo(volume, target)),
      );
    }
    const state = await transaction.replaced("undo", (differs) => {
      const found = vault.snapshots.stateAt(volume, target);
      vault.snapshots.replace(volume, { name: found.sequence, oldHead: "keep" }, differs);
      return found;
    });
    await changing(call, () => vault.snapshots.keep(volume));
    return snapshotRow(state);
  },
  "snapshot clone": (call) =>
    changing(call, async ({ vault, options }) => {
      const to = text(options, "to");
      await vault.snapshots.clone(volumeOf(call), text(options, "name"), to);
      return { volume: to };
    }),
  "snapshot diff": (call) =>
    changing(call, async ({ vault, options }) => {
      const to = options.to === undefined || options.to === null ? undefined : text(options, "to");
      const changes = await vault.snapshots.diff(volumeOf(call), text(options, "from"), to);
      if (changes.length <= CHANGES_MAX) return { changes: changes.map(changeRow) };
      throw new VaultError(
        "unavailable",
        `Cannot list ${changes.length} differences at once: want ${CHANGES_MAX} or fewer; compare nearer states`,
      );
    }),
  "snapshot prune": (call) =>
    changing(call, async ({ vault, options }) => {
      const rule = parseRetention(text(options, "keep"));
      const dryRun = options.dryRun === true;
      const { deleted, ...rest } = await vault.snapshots.prune(volumeOf(call), rule, { dryRun });
      return { deleted: deleted.map(snapshotRow), ...rest } satisfies PrunedRows;
    }),
};

/** The same verbs of a running mount. */
export const DATASET_CONTROL_VERBS: Readonly<Record<string, ControlVerb>> = DATASET_VERBS;

/** Runs what has to see all that was written; in a mount, that of programs which write through memory maps too. */
function changing<T>(call: DatasetCall, work: (call: DatasetCall) => Promise<T>): Promise<T> {
  const { transaction } = call;
  if (transaction === null) return work(call);
  return transaction.settled("change volumes or snapshots", () => work(call));
}

function undoTarget({ time, sequence }: ControlOptions): UndoTarget {
  if (typeof sequence === "number") return { sequence };
  if (typeof time === "number") return { time };
  throw new VaultError("invalid", "Cannot undo: want a time or the number of a state");
}

/** The volume that the vault itself shows, to a kernel if it is mounted. */
function shownVolume({ vault: { opened: { volumes, volume } } }: DatasetCall): string {
  return volumes.nameOf(volume.id);
}

function volumeOf(call: DatasetCall): string {
  const { volume } = call.options;
  const isSaid = volume !== undefined && volume !== null && volume !== "";
  return isSaid ? text(call.options, "volume") : shownVolume(call);
}

function text(options: ControlOptions, name: string): string {
  const value = options[name];
  if (typeof value === "string") return value;
  throw new VaultError("invalid", `Cannot change volumes or snapshots: "${name}" is no text`);
}

function properties(options: ControlOptions): VolumeProperties {
  const { blockBytes, quotaBytes, quotaFiles, readOnly, accessTimes, compression } = options;
  const { historySeconds, historyPercent } = options;
  return {
    blockBytes: typeof blockBytes === "number" ? blockBytes : undefined,
    quotaBytes: typeof quotaBytes === "number" ? quotaBytes : undefined,
    quotaFiles: typeof quotaFiles === "number" ? quotaFiles : undefined,
    readOnly: typeof readOnly === "boolean" ? readOnly : undefined,
    accessTimes: ACCESS_TIMES.find((known) => known === accessTimes),
    compression: COMPRESSIONS.find((known) => known === compression),
    historySeconds: typeof historySeconds === "number" ? historySeconds : undefined,
    historyPercent: typeof historyPercent === "number" ? historyPercent : undefined,
  };
}
