/**
 * The verbs on volumes and snapshots as the command line runs them: with questions, and progress.
 *
 * @module
 */
import { VaultError } from "../errors.ts";
import type { ControlOptions, ControlProgress } from "../vault/control.ts";
import type { ChangeRow, PrunedRows, SnapshotRow, VolumeRow } from "./dataset_rows.ts";
import { DATASET_VERBS, type DiffRow } from "./dataset_verbs.ts";
import { type Access, type VaultTarget, withVault } from "./open.ts";
import { formatSize, plural } from "./sizes.ts";
import { progressOn } from "./terminal/progress.ts";
import { agree } from "./terminal/prompt.ts";
import { secondText } from "./times.ts";
import { splitVaultName } from "./vault_name.ts";
import type { When } from "./when.ts";

/** Runs a verb where the vault is. */
interface Datasets {
  call(verb: string, options?: ControlOptions, progress?: ControlProgress): Promise<unknown>;
  /** What follows the `#`, or null. */
  readonly volume: string | null;
  /** A mount frees what was deleted by itself. */
  readonly mounted: boolean;
}

/** What destructive verbs are told. */
export interface AgreeOptions {
  readonly yes?: boolean;
}

async function withDatasets<T>(
  target: VaultTarget,
  access: Access,
  use: (datasets: Datasets) => Promise<T>,
): Promise<T> {
  const { host } = target;
  const { medium, view: volume } = await splitVaultName(host, target.medium);
  const mount = await host.runningMount(medium);
  if (mount !== null) {
    try {
      return await use({ call: (...verb) => mount.call(...verb), volume, mounted: true });
    } finally {
      mount.close();
    }
  }
  return await withVault({ ...target, medium }, access, (vault) => {
    const call: Datasets["call"] = (verb, options = {}, progress) =>
      DATASET_VERBS[verb]({ vault, options, progress, transaction: null });
    return use({ call, volume, mounted: false });
  });
}

/** `#VOLUME` says nothing to verbs that name their volume. */
function requireWhole({ volume }: Datasets, verb: string): void {
  if (volume === null) return;
  throw new VaultError("invalid", `Cannot ${verb}: name the vault without "#${volume}"`);
}

/** `volume list`. */
export function listVolumes(target: VaultTarget): Promise<VolumeRow[]> {
  return withDatasets(target, "read", async (datasets) => {
    requireWhole(datasets, "list volumes");
    return await datasets.call("volume list") as VolumeRow[];
  });
}

/** What a verb made or changed. */
export interface VolumeReport {
  readonly volume: string;
}

/** `volume create`, `volume rename`, `volume set`. */
export function changeVolume(
  target: VaultTarget,
  verb: "create" | "rename" | "set",
  options: ControlOptions,
): Promise<VolumeReport> {
  return withDatasets(target, "write", async (datasets) => {
    requireWhole(datasets, `${verb} a volume`);
    return await datasets.call(`volume ${verb}`, options) as VolumeReport;
  });
}

/** `volume delete`: asks, deletes, and frees what it held where no mount does that. */
export function deleteVolume(
  target: VaultTarget,
  name: string,
  { yes = false }: AgreeOptions,
): Promise<VolumeReport> {
  return withDatasets(target, "write", async (datasets) => {
    requireWhole(datasets, "delete a volume");
    const rows = await datasets.call("volume list") as VolumeRow[];
    const found = rows.find((row) => row.name === name);
    if (found === undefined) {
      throw new VaultError("missing", `Cannot find volume "${name}": there is none of this name`);
    }
    const snapshots = found.snapshots === 0 ? "" : ` and ${plural(found.snapshots, "snapshot")}`;
    const size = formatSize(found.referencedBytes);
    await agree(target.host, `Delete volume "${name}" of ${size}${snapshots}?`, yes);
    const report = await datasets.call("volume delete", { name }) as VolumeReport;
    await free(target, datasets);
    return report;
  });
}

/** Frees what was deleted, with a bar. */
async function free({ host }: VaultTarget, { call, mounted }: Datasets): Promise<void> {
  if (mounted) return;
  const bar = progressOn(host.err, host.runtime);
  try {
    await call("volume free", {}, (done, total) => bar.show(done, total, "freed"));
  } finally {
    await bar.clear();
  }
}

/** `snapshot list`; `undo list`: all that a volume can be taken back to. */
export function listSnapshots(
  target: VaultTarget,
  verb: "snapshot list" | "undo list" = "snapshot list",
): Promise<SnapshotRow[]> {
  return withDatasets(
    target,
    "read",
    async ({ call, volume }) => await call(verb, { volume }) as SnapshotRow[],
  );
}

/** `undo`: says what goes before it asks. */
export function undo(
  target: VaultTarget,
  when: When,
  { yes = false }: AgreeOptions,
): Promise<SnapshotRow> {
  return withDatasets(target, "write", async ({ call, volume }) => {
    const { sequence, time } = await call("undo plan", { volume, ...when }) as SnapshotRow;
    const question = `Take the volume back to ${secondText(time)}?`;
    await agree(target.host, question, yes);
    return await call("undo", { volume, sequence }) as SnapshotRow;
  });
}

/** What a verb on a snapshot did. */
export interface SnapshotReport extends VolumeReport {
  readonly snapshot: string;
}

/** `snapshot create`. */
export function createSnapshot(target: VaultTarget, name: string): Promise<SnapshotReport> {
  return withDatasets(
    target,
    "write",
    async ({ call, volume }) => await call("snapshot create", { volume, name }) as SnapshotReport,
  );
}

async function require({ call, volume }: Datasets, name: string): Promise<void> {
  const rows = await call("snapshot list", { volume }) as SnapshotRow[];
  if (rows.some((row) => row.name === name)) return;
  throw new VaultError("missing", `Cannot find snapshot "${name}": there is none of this name`);
}

/** Asks, does away with something, and frees what it held. */
function destroySnapshot(
  target: VaultTarget,
  verb: "delete" | "rollback",
  { name, question, yes = false }: AgreeOptions & {
    readonly name: string;
    readonly question: string;
  },
): Promise<SnapshotReport> {
  return withDatasets(target, "write", async (datasets) => {
    const { call, volume } = datasets;
    await require(datasets, name);
    await agree(target.host, question, yes);
    const report = await call(`snapshot ${verb}`, { volume, name }) as SnapshotReport;
    await free(target, datasets);
    return report;
  });
}

/** `snapshot delete`. */
export function deleteSnapshot(
  target: VaultTarget,
  name: string,
  { yes }: AgreeOptions,
): Promise<SnapshotReport> {
  return destroySnapshot(target, "delete", { name, question: `Delete snapshot "${name}"?`, yes });
}

/** `snapshot rollback`. */
export function rollBack(
  target: VaultTarget,
  name: string,
  { yes }: AgreeOptions,
): Promise<SnapshotReport> {
  const question = `Take the volume back to "${name}"? What was changed since is lost.`;
  return destroySnapshot(target, "rollback", { name, question, yes });
}

/** `snapshot clone`. */
export function cloneSnapshot(
  target: VaultTarget,
  name: string,
  to: string,
): Promise<VolumeReport> {
  return withDatasets(
    target,
    "write",
    async ({ call, volume }) => await call("snapshot clone", { volume, name, to }) as VolumeReport,
  );
}

/** `snapshot diff`: without `to`, with what the volume holds now. */
export function diffSnapshots(
  target: VaultTarget,
  from: string,
  to: string | undefined,
): Promise<readonly ChangeRow[]> {
  return withDatasets(target, "read", async ({ call, volume }) => {
    const { changes } = await call("snapshot diff", { volume, from, to }) as DiffRow;
    return changes;
  });
}

/** `snapshot prune`: says what goes before it asks. */
export function prune(
  target: VaultTarget,
  keep: string,
  { yes = false, dryRun = false }: AgreeOptions & { readonly dryRun?: boolean },
): Promise<PrunedRows> {
  return withDatasets(target, dryRun ? "read" : "write", async (datasets) => {
    const { call, volume } = datasets;
    const planned = await call("snapshot prune", { volume, keep, dryRun: true }) as PrunedRows;
    if (dryRun || planned.deleted.length === 0) return planned;
    const count = plural(planned.deleted.length, "snapshot");
    const question = `Delete ${count} and free ${formatSize(planned.freedBytes)}?`;
    await agree(target.host, question, yes);
    const report = await call("snapshot prune", { volume, keep }) as PrunedRows;
    await free(target, datasets);
    return report;
  });
}
