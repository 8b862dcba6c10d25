import { assert } from "../assert.ts";
import { wipe } from "../bytes.ts";
import type { EpochKey } from "../format/key_slot.ts";
import type { HiddenPlace } from "../format/hidden_place.ts";

/** The opened key material of a vault: everything that a key slot wraps. Wipe it after use. */
export interface VaultKeys {
  /** 16 random bytes. */
  readonly vaultId: Uint8Array;
  /** 32 random bytes; never rotates; places things but opens no content. */
  readonly layoutKey: Uint8Array;
  /** In ascending order. The last one is in the key slots; those before it only while a rotation is under way. */
  readonly epochs: readonly EpochKey[];
  /** Features that a program must know to open this vault. */
  readonly featureBits: number;
  /** Where a hidden vault lies; of any other, nothing. */
  readonly hidden?: HiddenPlace;
  /** Takes a newer epoch over, or those that a rotation has left behind. */
  addEpochs(epochs: readonly EpochKey[]): void;
  /** Forgets all epochs but the last one. */
  dropOlder(): void;
  /** Overwrites every key. The object is of no use afterwards. */
  wipe(): void;
}

/** Builds {@linkcode VaultKeys}; takes the arrays over, does not copy them. */
export function vaultKeys(
  parts: Pick<VaultKeys, "vaultId" | "layoutKey" | "epochs" | "featureBits" | "hidden">,
): VaultKeys {
  const { vaultId, layoutKey, featureBits, hidden } = parts;
  const epochs = [...parts.epochs];
  assert(epochs.length > 0, "a vault has an epoch");
  return {
    vaultId,
    layoutKey,
    featureBits,
    epochs,
    ...(hidden && { hidden }),
    addEpochs(more) {
      epochs.push(...more);
      epochs.sort((a, b) => a.epoch - b.epoch);
    },
    dropOlder() {
      for (const { masterKey } of epochs.splice(0, epochs.length - 1)) wipe(masterKey);
    },
    wipe() {
      wipe(layoutKey, ...epochs.map((epoch) => epoch.masterKey));
      if (hidden !== undefined) wipe(hidden.orderKey);
    },
  };
}

/** The same keys in memory of their own, to be wiped on their own. */
export function copyOfKeys(
  { vaultId, layoutKey, epochs, featureBits, hidden }: VaultKeys,
): VaultKeys {
  return vaultKeys({
    vaultId: vaultId.slice(),
    layoutKey: layoutKey.slice(),
    epochs: epochs.map(({ epoch, masterKey }) => ({ epoch, masterKey: masterKey.slice() })),
    featureBits,
    hidden: hidden && { ...hidden, orderKey: hidden.orderKey.slice() },
  });
}

/** The epoch that the key slots hold. */
export function currentEpoch({ epochs }: Pick<VaultKeys, "epochs">): EpochKey {
  return epochs[epochs.length - 1];
}
