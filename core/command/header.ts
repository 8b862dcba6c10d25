import type { VaultKeys } from "../crypto/vault_keys.ts";
import { VaultError } from "../errors.ts";
import { FIXED_BYTES } from "../format/header.ts";
import { backupHeader, restoreHeader } from "../volume/header_backup.ts";
import { openVolume } from "../volume/open_volume.ts";
import type { OpenedParts } from "./host.ts";
import { type VaultTarget, withHeader } from "./open.ts";
import { profilesOf, secretFor, wipeSecret } from "./secrets.ts";

/** `header backup`. */
export async function backup(
  target: VaultTarget,
  file: string,
  force: boolean,
): Promise<{ file: string; bytes: number }> {
  const { host } = target;
  await requireUnmounted(target);
  return await withHeader(target, "read", async ({ context }) => {
    const bytes = await backupHeader(context);
    await host.writePrivate(host.absolute(file), bytes, force);
    return { file, bytes: bytes.length };
  });
}

/** `header restore`: works although nothing on the medium opens any more. */
export async function restore(target: VaultTarget, file: string): Promise<{ medium: string }> {
  const { host, medium, options } = target;
  await requireUnmounted(target);
  const saved = await host.readSmall(host.absolute(file), FIXED_BYTES + 1);
  const secret = await secretFor(host, medium, options);
  try {
    const { cryptoLane = "wasm" } = options;
    const parts = await host.openParts(host.absolute(medium), { access: "write", cryptoLane });
    try {
      const { keys } = await restoreHeader({
        ...parts,
        secret,
        profiles: profilesOf(options),
        backup: saved,
        verifyRoot: (found) => opensRoot(parts, found),
      });
      keys.wipe();
      return { medium };
    } finally {
      await parts.closeParts();
    }
  } finally {
    wipeSecret(secret);
  }
}

/** Whether keys open the root that the medium holds now. */
// deno-lint-ignore require-await
async function opensRoot(parts: OpenedParts, keys: VaultKeys): Promise<boolean> {
  try {
    openVolume({ ...parts, keys }, "read").wipe();
    return true;
  } catch (error) {
    if (error instanceof VaultError && error.kind === "corrupt") return false;
    throw error;
  }
}

async function requireUnmounted({ host, medium }: VaultTarget): Promise<void> {
  const mount = await host.runningMount(medium);
  if (mount === null) return;
  mount.close();
  throw new VaultError(
    "conflict",
    `Cannot work on the header of "${medium}": it is mounted; unmount it and name the medium`,
  );
}
