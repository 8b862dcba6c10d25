import { VaultError } from "../errors.ts";
import type { Vault } from "../vault/vault.ts";
import { type VolumeRow, volumeRows } from "./dataset_rows.ts";
import type { RunningMount } from "./host.ts";
import { type ViewName, viewName } from "./vault_name.ts";
import type { ShownFiles } from "./vault_tree.ts";

/** Where a mount shows the snapshots of its volume. */
const SNAPSHOTS_PATH = "/.snapshots/";

/** Works on the files of a view of an open vault: a volume, or a snapshot of one. */
export async function withView<T>(
  vault: Vault,
  view: string | null,
  use: (shown: ShownFiles) => Promise<T>,
): Promise<T> {
  if (view === null) return await use(vault);
  const { volume, snapshot } = namedView(view, volumeRows(vault));
  await using opened = snapshot === null
    ? await vault.volumes.open(volume)
    : await vault.snapshots.open(volume, snapshot);
  const { files, readOnly } = opened;
  return await use({ files, readOnly, commit: () => vault.commit() });
}

/** The directory of a running mount that shows a view; "" is its root. */
export async function mountedView(mount: RunningMount, view: string | null): Promise<string> {
  if (view === null) return "";
  const rows = await mount.call("volume list") as VolumeRow[];
  const { volume, snapshot } = namedView(view, rows);
  if (!rows.some(({ name, isDefault }) => isDefault && name === volume)) {
    throw new VaultError(
      "conflict",
      `Cannot use volume "${volume}": "${mount.mountpoint}" shows another one; unmount it first`,
    );
  }
  return snapshot === null ? "" : SNAPSHOTS_PATH + snapshot;
}

/** What a view of a vault with these volumes names. */
export function namedView(view: string, rows: readonly VolumeRow[]): ViewName {
  const fallback = rows.find(({ isDefault }) => isDefault)?.name ?? "";
  return viewName(view, rows.map(({ name }) => name), fallback);
}
