/**
 * Header backups: the fixed cells of one header copy as a file. Like the header it is noise without a secret: no
 * magic, no names.
 *
 * @module
 */
import type { VaultKeys } from "../crypto/vault_keys.ts";
import { vaultKeys } from "../crypto/vault_keys.ts";
import { VaultError } from "../errors.ts";
import { FIXED_BYTES, HEADER_COPIES, headerOffset } from "../format/header.ts";
import {
  addOlderEpochs,
  buildCopy,
  type HeaderContext,
  readDirectory,
  readHeaderBytes,
  requireDirectory,
} from "./header_cells.ts";
import type { OpenHeaderContext } from "./header_slots.ts";
import { ownParts, requireWhole } from "./hidden_place.ts";
import { findSlot, type OpenHeaderOptions } from "./slot_search.ts";

/** The backup of an opened vault's header: 184,320 bytes. It carries both copies, sealed. */
export async function backupHeader(context: OpenHeaderContext): Promise<Uint8Array<ArrayBuffer>> {
  const directory = await requireDirectory(context, context.keys);
  return buildCopy(context, context.keys, 0, directory);
}

/** How to restore a header. */
export interface RestoreHeaderOptions extends OpenHeaderOptions {
  /** What {@linkcode backupHeader} gave. */
  readonly backup: Uint8Array;
  /**
   * Whether the backup's keys open the vault's current root. Without this check an old backup would bring back
   * removed passphrases, or lock everybody out of what was written under later keys.
   */
  readonly verifyRoot: (keys: VaultKeys) => Promise<boolean>;
}

/**
 * Writes a backup to both header copies. Slots become those of the backup: what was added since is gone, what
 * was removed since opens again.
 *
 * Why a crash is safe: copy B is not touched until copy A is durable. Until then the secrets of before open copy B;
 * from then on those of the backup open copy A, whose directory counts as the newer one, and a writable opening
 * brings B in line. Where the old header was of no use the backup is still there to be restored again.
 */
export async function restoreHeader(options: RestoreHeaderOptions): Promise<{ keys: VaultKeys }> {
  const { backup } = options;
  const whole = backup.length === FIXED_BYTES;
  const found = whole ? await findSlot(options, [[backup, null]]) : null;
  if (found === null) {
    throw new VaultError(
      "denied",
      `Cannot restore the header of "${options.medium.name}": wrong passphrase or not a header backup`,
      { operation: "restore header" },
    );
  }
  const keys = vaultKeys(found.payload);
  try {
    await requireWhole(options.medium, keys.hidden);
    const { medium } = ownParts(options, keys.hidden);
    const { newest } = readDirectory(options, keys, [backup, null]);
    if (newest === null) throw refused(options, "corrupt", "the backup is damaged; use another");
    addOlderEpochs(options, keys, [backup, null]);
    if (!await options.verifyRoot(keys)) {
      throw refused(
        options,
        "denied",
        "the backup does not open what the vault holds now; use a newer backup",
      );
    }
    const current = readDirectory(options, keys, await readHeaderBytes(medium)).newest;
    const counter = Math.max(newest.counter, current?.counter ?? 0) + 1;
    for (const copy of HEADER_COPIES) {
      const bytes = buildCopy(options, keys, copy, { ...newest, counter });
      await medium.write(headerOffset(copy), bytes);
      await medium.sync();
    }
    return { keys };
  } catch (error) {
    keys.wipe();
    throw error;
  }
}

function refused({ medium }: HeaderContext, kind: "corrupt" | "denied", why: string): VaultError {
  return new VaultError(kind, `Cannot restore the header of "${medium.name}": ${why}`, {
    operation: "restore header",
  });
}
