import type { Lane } from "../../core/block/lane.ts";
import type { Kernel } from "../../core/crypto/kernel.ts";
import { type VaultKeys, vaultKeys } from "../../core/crypto/vault_keys.ts";
import type { Redundancy } from "../../core/format/redundancy.ts";
import { SEGMENT_BYTES } from "../../core/limits.ts";
import type { Runtime } from "../../core/runtime.ts";
import type { StorageBackend } from "../../core/storage/storage_backend.ts";
import { Vault } from "../../core/vault/vault.ts";
import { createVolume, type OpenedVolume, openVolume } from "../../core/volume/open_volume.ts";
import { FakeRuntime } from "./fake_runtime.ts";

/** Kernel memory for dirty and cached blocks: little, so that tests fill it all the time. */
const BLOCK_MEMORY_BYTES = 128 * 1024;

/** Vaults with keys that are given, not derived: for tests that open thousands of them. */
export interface KeyedVaultOptions {
  readonly medium: StorageBackend;
  /** Further media. */
  readonly members?: readonly StorageBackend[];
  readonly acceptMissing?: boolean;
  readonly kernel: Kernel;
  /** Inline unless given. */
  readonly lane?: Lane;
  readonly runtime?: Runtime;
  readonly readOnly?: boolean;
  readonly cacheBytes?: number;
  /** Other keys than those of vaults with another number; 0 unless given. */
  readonly keySeed?: number;
}

/** Size and shape of a vault to make. */
export interface KeyedVaultShape {
  readonly segments?: number;
  readonly segmentsMax?: number;
  readonly blockBytes?: number;
  readonly dense?: boolean;
  readonly redundancy?: Redundancy;
}

/** The same keys every time. */
export function fixedKeys(seed = 0): VaultKeys {
  return vaultKeys({
    vaultId: new Uint8Array(16).fill(7 + seed),
    layoutKey: new Uint8Array(32).fill(8 + seed),
    epochs: [{ epoch: 1, masterKey: new Uint8Array(32).fill(9 + seed) }],
    featureBits: 0,
  });
}

/** Makes a vault without a header and commits it. */
export async function createKeyedVault(
  options: KeyedVaultOptions,
  shape: KeyedVaultShape = {},
): Promise<Vault> {
  const { medium, members = [], kernel, lane, runtime = new FakeRuntime() } = options;
  const { segments = 4, segmentsMax = segments, blockBytes = 4096, dense } = shape;
  const media = [medium, ...members];
  for (const each of media) await each.truncate(segments * SEGMENT_BYTES);
  const parts = { medium, members, kernel, lane, runtime };
  const keys = fixedKeys(options.keySeed);
  const opened = createVolume({ ...parts, keys }, {
    members: media.map((_, number) => ({ number, segments, segmentsMax })),
    blockBytes,
    dense,
    redundancy: shape.redundancy,
  });
  const vault = new Vault(parts, opened, keys, { blockMemoryBytes: BLOCK_MEMORY_BYTES });
  await vault.commit();
  return vault;
}

/** Opens the volume of one alone; {@linkcode vaultOver} adds the filesystem. */
export function openKeyedVolume(options: KeyedVaultOptions): OpenedVolume {
  const { medium, kernel, runtime = new FakeRuntime(2), readOnly, cacheBytes } = options;
  const { members, acceptMissing } = options;
  const parts = {
    medium,
    members,
    acceptMissing,
    kernel,
    runtime,
    keys: fixedKeys(options.keySeed),
    cacheBytes,
  };
  return openVolume(parts, readOnly ? "read" : "write");
}

/** The vault over an opened volume. */
export function vaultOver(opened: OpenedVolume, options: KeyedVaultOptions): Vault {
  const { medium, members, kernel, runtime = new FakeRuntime(2) } = options;
  const parts = { medium, members, kernel, runtime };
  return new Vault(parts, opened, fixedKeys(options.keySeed), {
    blockMemoryBytes: BLOCK_MEMORY_BYTES,
  });
}

/** Opens one. */
export function openKeyedVault(options: KeyedVaultOptions): Vault {
  return vaultOver(openKeyedVolume(options), options);
}
