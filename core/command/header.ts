import type { VaultKeys } from "../crypto/vault_keys.ts";
import { VaultError } from "../errors.ts";
import { FIXED_BYTES } from "../format/header.ts";
import { backupHeader, restoreHeader } from "../volume/header_backup.ts";
import { ownParts } from "../volume/hidden_place.ts";
import { openVolume } from "../volume/open_volume.ts";
import type { OpenedParts } from "./host.ts";
import { requireElsewhere } from "./own_medium.ts";
import { callProven, onMountOr, type VaultTarget, withHeader, withSecret } from "./open.ts";

/** `header backup`. */
export async function backup(
  target: VaultTarget,
  file: string,
  force: boolean,
): Promise<{ file: string; bytes: number }> {
  const { host } = target;
  if (force) await requireElsewhere(target, file);
  const saved = await onMountOr(target, { name: "header backup" }, async () => {
    return await withHeader(
      target,
      "read",
      async ({ context }) => ({ backup: await backupHeader(context) }),
    );
  });
  await host.writePrivate(host.absolute(file), saved.backup, force);
  return { file, bytes: saved.backup.length };
}

/** `header restore`: works although nothing on the medium opens any more, and on a mount that still holds the keys. */
export async function restore(target: VaultTarget, file: string): Promise<{ medium: string }> {
  const { host, medium } = target;
  const saved = await host.readSmall(host.absolute(file), FIXED_BYTES + 1);
  const mount = await host.runningMount(medium);
  if (mount === null) return await restoreHere(target, saved);
  try {
    const ask = () => Promise.resolve({ backup: saved });
    return await callProven(target, mount, { name: "header restore", ask }) as { medium: string };
  } finally {
    mount.close();
  }
}

async function restoreHere(target: VaultTarget, saved: Uint8Array): Promise<{ medium: string }> {
  return await withSecret(target, "write", async ({ parts, secret, profiles, trying, waiting }) => {
    const verifyRoot = (found: VaultKeys) => opensRoot(parts, found);
    const order = { ...parts, secret, profiles, trying, backup: saved, verifyRoot };
    const { keys } = await waiting(() => restoreHeader(order));
    keys.wipe();
    return { medium: target.medium };
  });
}

/** Whether keys open the root that the medium holds now. */
// deno-lint-ignore require-await
async function opensRoot(parts: OpenedParts, keys: VaultKeys): Promise<boolean> {
  try {
    openVolume({ ...ownParts(parts, keys.hidden), keys }, "read").wipe();
    return true;
  } catch (error) {
    if (error instanceof VaultError && error.kind === "corrupt") return false;
    throw error;
  }
}
