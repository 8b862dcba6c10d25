import { assert } from "../assert.ts";
import { wipe } from "../bytes.ts";
import type { HiddenPlace } from "../format/hidden_place.ts";

/** One epoch's master key. */
export interface EpochKey {
  /** 1 or more; a rotation adds one. */
  readonly epoch: number;
  /** 32 random bytes. */
  readonly masterKey: Uint8Array;
}

/** The opened key material of a vault: everything that a key slot wraps. Wipe it after use. */
export interface VaultKeys {
  /** 16 random bytes. */
  readonly vaultId: Uint8Array;
  /** 32 random bytes; never rotates; places things but opens no content. */
  readonly layoutKey: Uint8Array;
  /** In ascending order; the last one is the epoch of new writes. */
  readonly epochs: readonly EpochKey[];
  /** Features that a program must know to open this vault. */
  readonly featureBits: number;
  /** Where a hidden vault lies; of any other, nothing. */
  readonly hidden?: HiddenPlace;
  /** Overwrites every key. The object is of no use afterwards. */
  wipe(): void;
}

/** Builds {@linkcode VaultKeys}; takes the arrays over, does not copy them. */
export function vaultKeys(parts: Omit<VaultKeys, "wipe">): VaultKeys {
  assert(parts.epochs.length > 0, "a vault has an epoch");
  return {
    ...parts,
    wipe() {
      wipe(parts.layoutKey, ...parts.epochs.map((epoch) => epoch.masterKey));
      if (parts.hidden !== undefined) wipe(parts.hidden.orderKey);
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

/** The epoch of new writes. */
export function currentEpoch(keys: VaultKeys): EpochKey {
  return keys.epochs[keys.epochs.length - 1];
}
