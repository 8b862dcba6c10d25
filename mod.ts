/**
 * ΣVAULT: one encrypted vault on any storage. Without the key the medium is noise; with it, a filesystem.
 *
 * @example
 * ```ts
 * import { createVault } from "@sigmavault/sigmavault";
 * import assert from "node:assert/strict";
 *
 * await using vault = await createVault({ medium: "memory:", passphrase: "correct horse battery" });
 * await vault.files.makeDirectory("/letters");
 * await vault.transaction(async (files) => {
 *   await files.writeFile("/letters/one", "Dear Ada,");
 *   await files.writeFile("/letters/two", "Dear Grace,");
 * });
 * assert.equal(await vault.files.readText("/letters/two"), "Dear Grace,");
 * ```
 *
 * @module
 */
import { openMedium } from "./backends/open_medium.ts";
import { DimensionalScatterEngine } from "./core/block/dimensional_scatter_engine.ts";
import { requireKey, wipe } from "./core/bytes.ts";
import { importKeys } from "./core/crypto/key_export.ts";
import { expandKey } from "./core/crypto/hkdf.ts";
import type { Secret } from "./core/crypto/key_encryption.ts";
import type { Platform } from "./core/crypto/platform.ts";
import { vaultKeys } from "./core/crypto/vault_keys.ts";
import { VaultError } from "./core/errors.ts";
import { MIB, SEGMENT_BYTES, VIEW_BYTES_MAX } from "./core/limits.ts";
import { systemRuntime } from "./core/runtime.ts";
import { requireBackend, type StorageBackend } from "./core/storage/storage_backend.ts";
import {
  createHiddenVault as createHiddenVaultOn,
  type CreateHiddenVaultOptions,
  findHiddenPlace,
} from "./core/vault/hidden_vault.ts";
import {
  createVault as createVaultOn,
  openVault as openVaultOn,
  type Vault,
  type VaultParts,
} from "./core/vault/vault.ts";
import type { CreateVaultOptions, OpenVaultOptions } from "./core/vault/vault_options.ts";
import {
  type LostVault,
  type RecoverReport,
  recoverVault as recoverOn,
} from "./core/vault/recover.ts";
import { createVolume, openVolume } from "./core/volume/open_volume.ts";
import { libcFileIo } from "./ffi/libc/file_io.ts";
import { createKernel } from "./wasm/kernel.ts";

export { openMedium, type OpenMediumOptions } from "./backends/open_medium.ts";
export type { FileStorageOptions } from "./backends/file/config.ts";
export type { OpenMode, PositionedFile, PositionedIo } from "./backends/file/positioned_io.ts";
export type { MemoryStorageOptions } from "./backends/memory/config.ts";
export type { SparseBytes } from "./backends/memory/sparse_bytes.ts";
export { MemoryStorage } from "./backends/memory/store.ts";
export { DimensionalCoordinate, type SpatialPlace } from "./core/block/dimensional_coordinate.ts";
export {
  DimensionalScatterEngine,
  type Scattering,
} from "./core/block/dimensional_scatter_engine.ts";
export {
  EntropicMixer,
  type EntropicMixerParts,
  type MixedBytes,
} from "./core/block/entropic_mixer.ts";
export type { SlotMode } from "./core/format/key_slot.ts";
export type { DamageEvent, DamageObserver } from "./core/block/damage.ts";
export type { Redundancy } from "./core/format/redundancy.ts";
export type { KdfChoice, KdfParameters, KdfProfileName } from "./core/crypto/argon2.ts";
export type { Secret } from "./core/crypto/key_encryption.ts";
export type { Kernel, ReedSolomonCode } from "./core/crypto/kernel.ts";
export type {
  DeviceFingerprint,
  FilesystemDriver,
  Platform,
  RootMemory,
  SecureStorage,
} from "./core/crypto/platform.ts";
export type { HiddenPlace } from "./core/format/hidden_place.ts";
export type { CreateHiddenVaultOptions } from "./core/vault/hidden_vault.ts";
export { VaultError, type VaultErrorKind, type VaultErrorOptions } from "./core/errors.ts";
export type { Time } from "./core/fs/file_system.ts";
export { type Runtime, systemRuntime } from "./core/runtime.ts";
export type {
  DirectAccess,
  KeptSpace,
  MediumRoom,
  ObjectUse,
  StorageBackend,
  StorageCapabilities,
} from "./core/storage/storage_backend.ts";
export type { MediumSeal } from "./core/storage/medium_seal.ts";
export { type CheckOptions, checkVault } from "./core/vault/check.ts";
export { exportKeys } from "./core/vault/key_export.ts";
export type { ExportSecret } from "./core/crypto/key_export.ts";
export type { LostVault, RecoverReport, RecoverStage } from "./core/vault/recover.ts";
export { type ScrubOptions, type ScrubReport, scrubVault } from "./core/vault/scrub.ts";
export type { LostReport, PlacedLoss } from "./core/vault/lost_datasets.ts";
export type { Loss, LostFile } from "./core/vault/lost_files.ts";
export {
  addMember,
  type MemberProgress,
  type NewMember,
  removeMember,
  replaceMember,
  resilver,
  type ResilverReport,
  spreadBlocks,
} from "./core/vault/member_changes.ts";
export { listMembers, type MemberStatus } from "./core/vault/member_status.ts";
export type { MemberState } from "./core/volume/member_set.ts";
export type { HeaderSecret } from "./core/volume/member_headers.ts";
export type { CheckReport, Problem, ProblemKind } from "./core/vault/check_report.ts";
export type { DirectoryEntry, OpenFileOptions } from "./core/vault/file_access.ts";
export type { FileStatus, FileTime, FileType, SpaceStatus } from "./core/vault/file_status.ts";
export type { EraseOptions, FileLockState, LockOptions } from "./core/vault/file_lock_options.ts";
export type { LockProgress, UnlockOptions } from "./core/vault/file_lock_options.ts";
export type { LockState } from "./core/format/lock_record.ts";
export { type FileRange, VaultFiles } from "./core/vault/files.ts";
export type { WalkedEntry } from "./core/vault/file_walk.ts";
export type { FileChange, FileChangeKind } from "./core/vault/file_changes.ts";
export { OpenVolume } from "./core/vault/open_views.ts";
export { OpenFile } from "./core/vault/open_file.ts";
export type { FilePath } from "./core/vault/path_failure.ts";
export { Transaction, TransactionManager } from "./core/vault/transaction_manager.ts";
export type { TransactionOptions } from "./core/vault/transactions.ts";
export { Vault } from "./core/vault/vault.ts";
export type { CreateVaultOptions, OpenVaultOptions } from "./core/vault/vault_options.ts";
export { type PruneReport, type UndoTarget, VaultSnapshots } from "./core/vault/vault_snapshots.ts";
export type { StreamBytes } from "./core/vault/stream_frames.ts";
export type { ReceiveOptions, ReceiveReport } from "./core/vault/stream_receive.ts";
export type { SendOptions, StreamSecret } from "./core/vault/stream_send.ts";
export { type ReceiveStatus, VaultStreams } from "./core/vault/vault_streams.ts";
export { type FreeOptions, VaultVolumes } from "./core/vault/vault_volumes.ts";
export type { AccessTimes, Compression } from "./core/format/catalog_record.ts";
export { outdatedSnapshots, parseRetention } from "./core/volume/retention.ts";
export type { DatedSnapshot, Retention, RetentionPeriod } from "./core/volume/retention.ts";
export type { VolumeProperties } from "./core/volume/volume_properties.ts";
export type {
  OldHead,
  SnapshotName,
  SnapshotStatus,
  VolumeStatus,
} from "./core/volume/volume_status.ts";
export { createKernel, type KernelOptions, WasmKernel } from "./wasm/kernel.ts";

/** Kernel memory of a vault: dirty and cached blocks, staging, further volumes and snapshots. Untouched pages cost nothing. */
const KERNEL_BYTES = 72 * MIB + VIEW_BYTES_MAX;
/** Segments that a scatter engine starts with. */
const ENGINE_SEGMENTS = 8;
/** A scatter engine may grow so far: 16 TiB. */
const ENGINE_SEGMENTS_MAX = 4 * 1024 * 1024;
const ENGINE_BLOCK_BYTES = 16384;

/** A medium, and the secret that opens what is on it. */
export interface VaultAccess {
  /** A path, `file:///path`, `memory:` (gone when closed), or a medium of your own. Closing the vault closes it. */
  readonly medium: string | StorageBackend;
  /**
   * Bytes are used as they are and stay yours: wipe them when the vault is open. Text is encoded as UTF-8, and those
   * bytes are wiped here; the text itself stays in memory until it is collected, which bytes avoid.
   */
  readonly passphrase?: string | Uint8Array;
  /** Instead of a passphrase: a recovery code or this device's secret. */
  readonly secret?: Secret;
  /** Where device secrets are kept; only for the modes `device` and `hybrid`. */
  readonly platform?: Platform;
}

/** A vault on several media. */
export interface SeveralMedia {
  /** Media beside `medium`, named likewise; at opening in any order. */
  readonly members?: readonly (string | StorageBackend)[];
}

/** How to make a vault. */
export interface NewVault extends VaultAccess, SeveralMedia, Omit<CreateVaultOptions, "secret"> {
  /** Use a file or a device that is there already. What it holds is lost. */
  readonly overwrite?: boolean;
}

/** How to open one. */
export interface ExistingVault
  extends VaultAccess, SeveralMedia, Omit<OpenVaultOptions, "secret" | "protect"> {
  /** The secret of a hidden vault, which is left alone: its space is not there for the outer one. */
  readonly protectHidden?: Secret;
}

/** How to make a hidden vault. The secret here opens the hidden one. */
export interface NewHiddenVault extends VaultAccess, Omit<CreateHiddenVaultOptions, "secret"> {}

/**
 * Makes a vault and opens it. A file must not be there yet unless `overwrite` is set.
 *
 * @example
 * ```ts
 * import { createVault, MemoryStorage, openVault } from "@sigmavault/sigmavault";
 * import assert from "node:assert/strict";
 *
 * const medium = new MemoryStorage();
 * const passphrase = new TextEncoder().encode("correct horse battery");
 * const vault = await createVault({ medium, passphrase });
 * await vault.files.writeFile("/note", "hello");
 * await vault.close();
 *
 * const again = new MemoryStorage({ content: medium.content });
 * await using reopened = await openVault({ medium: again, passphrase });
 * assert.equal(await reopened.files.readText("/note"), "hello");
 * ```
 */
export function createVault(options: NewVault): Promise<Vault> {
  const { overwrite = false } = options;
  const opening = () => mediaOf(options, { create: true, exclusive: !overwrite });
  return withParts(
    options,
    opening,
    (parts, secret) => createVaultOn(parts, { ...options, secret }),
  );
}

/** Opens a vault; for reading only where `readOnly` is set or the medium cannot be written. */
export function openVault(options: ExistingVault): Promise<Vault> {
  const { readOnly } = options;
  const opening = () => mediaOf(options, { readOnly, fallbackReadOnly: true });
  return withParts(options, opening, async (parts, secret) => {
    const { protectHidden, profiles } = options;
    const protect = protectHidden &&
      await findHiddenPlace(parts, { secret: protectHidden, profiles });
    return await openVaultOn(parts, { ...options, secret, protect });
  });
}

/**
 * Makes a hidden vault in what a dense one has never used, and opens it. A hidden vault that was there is lost.
 *
 * @example
 * ```ts
 * import { createHiddenVault, createVault, MemoryStorage, openVault } from "@sigmavault/sigmavault";
 * import assert from "node:assert/strict";
 *
 * const MiB = 1024 * 1024;
 * const medium = new MemoryStorage();
 * const again = () => new MemoryStorage({ content: medium.content });
 * const outer = { passphrase: new TextEncoder().encode("what everybody may know") };
 * const hidden = { passphrase: new TextEncoder().encode("what nobody knows") };
 * await (await createVault({ medium, secret: outer, dense: true, sizeBytes: 96 * MiB })).close();
 *
 * const vault = await createHiddenVault({ medium: again(), outer, secret: hidden, sizeBytes: 32 * MiB });
 * await vault.files.writeFile("/note", "nobody sees this");
 * await vault.close();
 *
 * // Who opens the outer vault to write says how to leave the hidden one alone.
 * const open = await openVault({ medium: again(), secret: outer, protectHidden: hidden });
 * await open.files.writeFile("/harmless", "all there is");
 * await open.close();
 *
 * await using reopened = await openVault({ medium: again(), secret: hidden });
 * assert.equal(await reopened.files.readText("/note"), "nobody sees this");
 * ```
 */
export function createHiddenVault(options: NewHiddenVault): Promise<Vault> {
  const opening = () => mediaOf({ medium: options.medium }, {});
  return withParts(
    options,
    opening,
    (parts, secret) => createHiddenVaultOn(parts, { ...options, secret }),
  );
}

/** Makes a vault anew whose header and superblocks are gone, as far as its medium holds it. */
export async function recoverVault(options: LostVault): Promise<RecoverReport> {
  const { medium, to, keyExport, exportPassphrase, passphrase, kdf } = options;
  const kernel = () => createKernel({ memoryBytes: KERNEL_BYTES });
  const part = (of: StorageBackend) => ({ medium: of, kernel: kernel(), runtime: systemRuntime });
  const source = part(await mediumOf(medium, { readOnly: true }));
  try {
    const keys = await importKeys(source, keyExport, { passphrase: exportPassphrase });
    try {
      const target = part(await mediumOf(to, { create: true, exclusive: true }));
      const slot = { mode: "user", secret: { passphrase }, kdf } as const;
      return await recoverOn({ ...options, source, target, keys, slot })
        .finally(() => target.medium.close());
    } finally {
      keys.wipe();
    }
  } finally {
    await source.medium.close();
  }
}

/** How to open a medium as a scatter engine. */
export interface ScatterEngineOptions {
  /** As for a vault. */
  readonly medium: string | StorageBackend;
  /** 32 random bytes. Not changed; wipe them when the engine is open. */
  readonly key: Uint8Array;
  /** Begin anew: what the medium held is lost. */
  readonly create?: boolean;
}

/** Opens a medium as sealed blocks without files, under a key instead of key slots. */
export async function openScatterEngine(
  options: ScatterEngineOptions,
): Promise<DimensionalScatterEngine> {
  const { key, create = false } = options;
  requireKey(key);
  const medium = await mediumOf(options.medium, { create });
  const keys = vaultKeys({
    vaultId: expandKey(key, "engine id", undefined, 16),
    layoutKey: expandKey(key, "engine layout"),
    epochs: [{ epoch: 1, masterKey: expandKey(key, "engine master") }],
    featureBits: 0,
  });
  try {
    const kernel = createKernel({ memoryBytes: KERNEL_BYTES });
    const parts = { medium, kernel, runtime: systemRuntime, keys };
    if (create) await medium.truncate(ENGINE_SEGMENTS * SEGMENT_BYTES);
    const shape = {
      members: [{ number: 0, segments: ENGINE_SEGMENTS, segmentsMax: ENGINE_SEGMENTS_MAX }],
      blockBytes: ENGINE_BLOCK_BYTES,
    };
    const { volume, wipe } = create ? createVolume(parts, shape) : openVolume(parts, "write");
    return new DimensionalScatterEngine(volume, async () => {
      wipe();
      await medium.close();
    });
  } catch (error) {
    await medium.close();
    throw error;
  } finally {
    keys.wipe();
  }
}

/** Opens all media, or none. */
async function mediaOf(
  { medium, members = [] }: Pick<VaultAccess, "medium"> & SeveralMedia,
  options: Parameters<typeof openMedium>[1],
): Promise<StorageBackend[]> {
  const opened: StorageBackend[] = [];
  try {
    for (const each of [medium, ...members]) opened.push(await mediumOf(each, options));
    return opened;
  } catch (error) {
    for (const each of opened) await each.close();
    throw error;
  }
}

async function mediumOf(
  medium: string | StorageBackend,
  options: Parameters<typeof openMedium>[1],
): Promise<StorageBackend> {
  if (typeof medium !== "string") return requireBackend(medium);
  if (medium.startsWith("memory:")) return await openMedium(medium, options);
  fileIo ??= { calls: libcFileIo() };
  return await openMedium(medium, { ...options, io: fileIo.calls });
}

/** libc is loaded once and stays; undefined calls mean node:fs, where FFI is not permitted. */
let fileIo: { readonly calls: ReturnType<typeof libcFileIo> } | undefined;

/** Opens the media and runs `open` on them; on failure they are closed again. */
async function withParts(
  access: VaultAccess,
  opening: () => Promise<StorageBackend[]>,
  open: (parts: VaultParts, secret: Secret) => Promise<Vault>,
): Promise<Vault> {
  const { passphrase, platform } = access;
  const encoded = typeof passphrase === "string" ? new TextEncoder().encode(passphrase) : null;
  try {
    const secret = secretOf(access, encoded);
    const media = await opening();
    try {
      const kernel = createKernel({ memoryBytes: KERNEL_BYTES });
      const [medium, ...members] = media;
      return await open({ medium, members, kernel, runtime: systemRuntime, platform }, secret);
    } catch (error) {
      for (const medium of media) await medium.close();
      throw error;
    }
  } finally {
    if (encoded !== null) wipe(encoded);
  }
}

function secretOf(access: VaultAccess, encoded: Uint8Array | null): Secret {
  const { passphrase, secret } = access;
  if ((passphrase === undefined) === (secret === undefined)) {
    throw new VaultError("invalid", `Cannot open a vault: give either "passphrase" or "secret"`);
  }
  if (secret !== undefined) return secret;
  return { passphrase: encoded ?? (passphrase as Uint8Array) };
}
