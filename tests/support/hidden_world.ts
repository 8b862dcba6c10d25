import { MemoryStorage } from "../../backends/memory/store.ts";
import type { SparseBytes } from "../../backends/memory/sparse_bytes.ts";
import type { Secret } from "../../core/crypto/key_encryption.ts";
import type { HiddenPlace } from "../../core/format/hidden_place.ts";
import { MIB, SEGMENT_BYTES } from "../../core/limits.ts";
import type { StorageBackend } from "../../core/storage/storage_backend.ts";
import { createHiddenVault, findHiddenPlace } from "../../core/vault/hidden_vault.ts";
import { createVault, openVault, type Vault, type VaultParts } from "../../core/vault/vault.ts";
import type { OpenVaultOptions } from "../../core/vault/vault_options.ts";
import { ArenaKernel } from "./arena_kernel.ts";
import { FakeRuntime } from "./fake_runtime.ts";
import { FAST_KDF, text } from "./header_world.ts";

/** Segments of the outer vaults of these tests, and of the hidden ones. */
export const OUTER_SEGMENTS = 26;
export const HIDDEN_SEGMENTS = 8;
/** The secret of the outer vault. */
export const OUTER: Secret = { passphrase: text("outer") };
/** The secret of the hidden one. */
export const HIDDEN: Secret = { passphrase: text("hidden") };

const FAST_OPEN = { profiles: [FAST_KDF], blockMemoryBytes: MIB } as const;
const arena = new ArenaKernel(64 * MIB);

/** Parts for one vault at a time: the memory of the one before is taken back. */
export function partsOver(medium: StorageBackend, seed = 1): VaultParts {
  arena.reset();
  return { medium, kernel: arena, runtime: new FakeRuntime(seed) };
}

/** Opens a vault of these tests. */
export function openWith(
  medium: StorageBackend,
  secret: Secret,
  options: Partial<OpenVaultOptions> & { readonly seed?: number } = {},
): Promise<Vault> {
  const { seed = 2, ...rest } = options;
  return openVault(partsOver(medium, seed), { ...FAST_OPEN, ...rest, secret });
}

/** A dense vault with a file in it: what its medium holds. */
export async function outerImage(segments = OUTER_SEGMENTS): Promise<SparseBytes> {
  const medium = new MemoryStorage();
  const sizeBytes = segments * SEGMENT_BYTES;
  const options = { secret: OUTER, kdf: FAST_KDF, dense: true, sizeBytes };
  await using vault = await createVault(partsOver(medium), options);
  await vault.files.writeFile("/outer", new Uint8Array(3 * MIB).fill(1));
  return medium.content;
}

/** Makes a hidden vault there. */
export function hide(medium: StorageBackend, segments = HIDDEN_SEGMENTS): Promise<Vault> {
  return createHiddenVault(partsOver(medium, 3), {
    outer: OUTER,
    outerProfiles: [FAST_KDF],
    secret: HIDDEN,
    kdf: FAST_KDF,
    sizeBytes: segments * SEGMENT_BYTES,
  });
}

/** Where the hidden vault lies. */
export function placeOf(medium: StorageBackend, secret = HIDDEN): Promise<HiddenPlace> {
  return findHiddenPlace(partsOver(medium), { secret, profiles: [FAST_KDF] });
}

/** The segments that are the hidden vault's, its header among them. */
export function segmentsOf({ orderKey, segments, first }: HiddenPlace): Set<number> {
  arena.reset();
  const key = arena.reserve(orderKey.length);
  arena.bytes.set(orderKey, key);
  const found = new Set([2, 3]);
  for (let at = first; at < segments; at++) found.add(arena.permute(at, segments, key));
  found.delete(0);
  found.delete(1);
  return found;
}

/** Numbers of the segments in which two media differ. */
export function differingSegments(a: SparseBytes, b: SparseBytes): number[] {
  const [left, right] = [new Uint8Array(SEGMENT_BYTES), new Uint8Array(SEGMENT_BYTES)];
  const differing: number[] = [];
  for (let segment = 0; segment * SEGMENT_BYTES < a.length; segment++) {
    a.read(segment * SEGMENT_BYTES, left);
    b.read(segment * SEGMENT_BYTES, right);
    if (indexOfDifference(left, right) >= 0) differing.push(segment);
  }
  return differing;
}

function indexOfDifference(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return i;
  return -1;
}
