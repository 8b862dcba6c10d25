import type { ObjectUse } from "../storage/storage_backend.ts";
import type { RotationState } from "../vault/rotation.ts";
import { listSlots, type SlotInfo } from "../volume/header_slots.ts";
import { VaultError } from "../errors.ts";
import { snapshotsText, volumesText } from "./dataset_rows.ts";
import type { LockCounts, VaultDescription } from "./describe.ts";
import { describeVault } from "./describe.ts";
import { onMountOr, type VaultTarget, withVault } from "./open.ts";
import { formatSize, plural } from "./sizes.ts";
import { rescatterRowText } from "./rescatter_row.ts";
import { scrubRowText } from "./scrub_row.ts";
import { redundancyText, repairsText } from "./redundancy_report.ts";
import type { TransactionRow } from "./transaction_verbs.ts";
import { splitVaultName } from "./vault_name.ts";
import { namedView } from "./view_tree.ts";
import { columns, printable, type Style } from "./terminal/colours.ts";
import { rowsOfSlots, type SlotRow, slotRow } from "./keys.ts";

/** What `info` prints. */
export interface InfoReport extends VaultDescription {
  readonly mounted: boolean;
  readonly mountpoint: string | null;
  /** The mount's transaction that is open. */
  readonly transaction: TransactionRow | null;
  readonly keySlots: readonly SlotRow[];
}

/** Describes the vault on a medium or behind a mount point. */
export async function info(target: VaultTarget): Promise<InfoReport> {
  const { medium, view } = await splitVaultName(target.host, target.medium);
  const report = await describe({ ...target, medium });
  return view === null ? report : onlyOf(report, view);
}

/** What is said of one volume, or of one snapshot, and of the vault that it is in. */
function onlyOf(report: InfoReport, view: string): InfoReport {
  const { volume, snapshot } = namedView(view, report.volumes);
  const volumes = report.volumes.filter(({ name }) => name === volume);
  const snapshots = report.snapshots.filter((row) =>
    row.volume === volume && (snapshot === null || row.name === snapshot)
  );
  if (snapshot === null || snapshots.length > 0) return { ...report, volumes, snapshots };
  throw new VaultError("missing", `Cannot find snapshot "${snapshot}" of volume "${volume}"`);
}

async function describe(target: VaultTarget): Promise<InfoReport> {
  return await onMountOr(target, { name: "info" }, async () => {
    return await withVault(target, "read", async (vault) => {
      const slots: SlotInfo[] = await listSlots(vault.header);
      return {
        ...await describeVault(vault),
        mounted: false,
        mountpoint: null,
        transaction: null,
        keySlots: slots.map(slotRow),
      };
    });
  });
}

/** For people. */
export function infoText(
  report: InfoReport,
  { style, now }: { readonly style: Style; readonly now: number },
): string {
  const rows = [
    ["medium", printable(report.medium)],
    ["kind", report.hidden ? "hidden" : report.dense ? "dense" : "sparse"],
    ["on the medium", formatSize(report.mediumBytes)],
    ["used", formatSize(report.usedBytes)],
    ["free", `${formatSize(report.freeBytes)} of ${formatSize(report.totalBytes)}`],
    ["block size", formatSize(report.blockBytes)],
    ["redundancy", redundancyText(report.redundancy)],
    ["root", `sequence ${report.sequence}, key epoch ${report.epoch}`],
    ["this device", rememberedText(report)],
    ["mounted", report.mounted ? `on ${printable(report.mountpoint ?? "")}` : "no"],
  ];
  if (report.rotation !== null) rows.push(["keys", rotationText(report.rotation)]);
  const locks = locksText(report.locks);
  if (locks !== "") rows.push(["locked files", locks]);
  if (report.objects !== null) rows.splice(3, 0, ["objects", objectsText(report.objects)]);
  if (report.members.length > 1) {
    const texts = report.members.map(({ number, name, state, bytes }) =>
      `${number} ${state}, ${formatSize(bytes)}${name === null ? "" : ` on ${printable(name)}`}`
    );
    texts.forEach((text, i) => rows.push([i === 0 ? "members" : "", text]));
  }
  if (report.readOnly && report.mounted) rows.push(["access", "read-only"]);
  if (report.transaction !== null) {
    rows.push(["transaction", `open since ${report.transaction.since}`]);
  }
  if (report.replayed > 0) {
    rows.push(["recovered", `${plural(report.replayed, "transaction")}: it was not closed`]);
  }
  for (const { volume, began, contentBytes } of report.receives) {
    const arrived = `${formatSize(contentBytes)} for ${printable(volume)} since ${began}`;
    rows.push(["receiving", `${arrived}; "receive" goes on with it or gives it up`]);
  }
  rows.push(["scrub", scrubRowText(report.scrub)]);
  if (report.rescatter !== null) rows.push(["re-scatter", rescatterRowText(report.rescatter)]);
  const repairs = repairsText(report.redundancy);
  if (repairs !== null) rows.push(["repairs", repairs]);
  if (report.unfinished) rows.push(["warning", "the last sync was left out: it is not whole"]);
  if (report.skippedRoots.length > 0) {
    rows.push(["warning", `newer roots do not open: ${report.skippedRoots.join(", ")}`]);
  }
  const facts = columns(rows.map(([name, value]) => [name, value]), []);
  const snapshots = report.snapshots.length === 0
    ? ""
    : style.bold("snapshots\n") + snapshotsText(report.snapshots, { style, now });
  return facts + style.bold("volumes\n") + volumesText(report.volumes, style) + snapshots +
    style.bold("key slots\n") + rowsOfSlots(report.keySlots);
}

function rememberedText({ remembered }: InfoReport): string {
  if (remembered === null) return "remembers nothing of it";
  return `has seen root ${remembered.sequence}, noted ${remembered.seen}`;
}

function locksText({ locked, shredded, unfinished }: LockCounts): string {
  const parts = locked === 0 ? [] : [`${locked}`];
  if (shredded > 0) parts.push(`${shredded} shredded, which snapshots still name`);
  if (unfinished > 0) parts.push(`${unfinished} cut short: run the verb again to finish it`);
  return parts.join(", ");
}

function rotationText({ carried, total }: RotationState): string {
  const share = carried === total && total > 0
    ? "all is under the new ones, free cells are still to be overwritten"
    : `${carried} of ${total} blocks and nodes are under the new ones`;
  return `being rotated: ${share}; "key rotate" ends it`;
}

function objectsText({ objects, liveBytes, objectBytes }: ObjectUse): string {
  const live = objectBytes === 0 ? 100 : Math.round(100 * liveBytes / objectBytes);
  return `${plural(objects, "object")} of ${formatSize(objectBytes)}, ${live} % of it in use`;
}
