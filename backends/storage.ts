/**
 * Universal storage: one interface over every provider. A program stores files by path; which provider holds them is
 * configuration. A provider's code is loaded when it is first used.
 *
 * @example
 * ```ts
 * import { createStorage } from "@sigmavault/sigmavault/storage";
 * import assert from "node:assert/strict";
 *
 * await using files = await createStorage({
 *   provider: "fast",
 *   providers: { fast: { type: "memory" }, archive: { type: "memory" } },
 *   patterns: [{ match: "*.zip|*.tar.gz", to: "archive" }],
 * });
 * await files.upload("letters/one.txt", "Dear Ada,", { tags: { to: "Ada" } });
 * assert.equal(await files.downloadText("letters/one.txt"), "Dear Ada,");
 * assert.equal(files.explain("all.zip").provider, "archive");
 * ```
 *
 * @module
 */
import process from "node:process";
import { settingsFrom } from "../core/objects/environment.ts";
import type { ObjectStorage } from "../core/objects/object_storage.ts";
import type { Catalogue } from "../core/objects/catalogue.ts";
import type {
  CatalogueSettings,
  SingleSettings,
  StorageSettings,
} from "../core/objects/settings.ts";
import type { StorageHooks } from "../core/objects/open_storage.ts";
import type { JournalFile } from "../core/objects/transfer_journal.ts";
import { settingsIn } from "../core/objects/settings_text.ts";
import type { ObjectStore } from "../core/storage/object_store.ts";

export { VaultError, type VaultErrorKind, type VaultErrorOptions } from "../core/errors.ts";
export type {
  FileInfo,
  ListedFile,
  NamedProvider,
  UploadResult,
} from "../core/objects/file_info.ts";
export {
  type AskedAccess,
  type AskedUpload,
  type Authorize,
  type HttpStorageOptions,
  storageHandler,
} from "../core/http/storage_requests.ts";
export type {
  Announced,
  Announcement,
  Between,
  Catalogue,
  CataloguedFile,
  FilePlace,
  Reindexing,
  SearchPage,
  SearchQuery,
} from "../core/objects/catalogue.ts";
export {
  FileSearch,
  type ReindexOptions,
  type ReindexReport,
} from "../core/objects/file_search.ts";
export { type CataloguedParts, CataloguedStore } from "../core/objects/catalogued_store.ts";
export type { FilePage } from "../core/objects/merged_listing.ts";
export { type Checksum, type ChecksumName, openChecksum } from "../core/objects/checksums.ts";
export { migrate, type MigrationOptions } from "../core/objects/migration.ts";
export { ObjectStorage, type ObjectStorageParts } from "../core/objects/object_storage.ts";
export type { ImageVariant } from "../core/objects/image_upload.ts";
export type {
  ImageFit,
  ImageFormat,
  ImageSize,
  ImageTransformer,
  ImageTransforms,
  MadeImage,
  SourceFormat,
  SourceImage,
} from "../core/objects/images.ts";
export type {
  AtProvider,
  DownloadOptions,
  FileContent,
  FoundPage,
  ProviderHealth,
  UploadData,
  UploadOptions,
  UrlOptions,
  VariantOptions,
} from "../core/objects/storage_calls.ts";
export type { Invalidate } from "../core/objects/invalidations.ts";
export type { StorageHooks } from "../core/objects/open_storage.ts";
export type { PatternRule, Route, RoutingRules } from "../core/objects/routing.ts";
export type {
  AzureSettings,
  BucketSettings,
  CatalogueSettings,
  CdnSettings,
  FailoverSettings,
  GcsSettings,
  ImageSettings,
  LocalSettings,
  MemorySettings,
  MirrorSettings,
  PatternSettings,
  PostgresSettings,
  ProviderSettings,
  PurgeSettings,
  RetryCounts,
  S3Settings,
  SharedSettings,
  SqliteSettings,
  StorageSettings,
  VaultSettings,
  WasabiSettings,
} from "../core/objects/settings.ts";
export {
  sync,
  type SyncOptions,
  syncTwoWay,
  type TwoWaySyncOptions,
} from "../core/objects/sync.ts";
export type { JournalFile } from "../core/objects/transfer_journal.ts";
export type {
  TransferAction,
  TransferFailure,
  TransferOptions,
  TransferProgress,
  TransferReport,
  TransferSides,
} from "../core/objects/transfer_run.ts";
export type { Prices, ProviderUsage } from "../core/objects/usage.ts";
export type { ReconcileReport, ReconcileScope, Reconciling } from "../core/objects/reconciling.ts";
export type { ByteProgress } from "../core/objects/watched_body.ts";
export type {
  Abortable,
  GetOptions,
  ListedObject,
  ListOptions,
  ListPage,
  ObjectBody,
  ObjectContent,
  ObjectDescription,
  ObjectInfo,
  ObjectStore,
  PutOptions,
  SignedUrlOptions,
  StoreCapabilities,
  WriteCondition,
} from "../core/storage/object_store.ts";

/** Makes storage from settings; the error names every mistake in them. */
export async function createStorage(
  settings: StorageSettings,
  hooks?: StorageHooks,
): Promise<ObjectStorage> {
  return await storageFrom(settings, "settings", hooks);
}

/** Makes storage from a file of settings: TOML where its name ends with `.toml`, else JSON. */
export async function storageFromFile(path: string, hooks?: StorageHooks): Promise<ObjectStorage> {
  const { fromSystemError } = await import("./file/system_error.ts");
  const text = await Deno.readTextFile(path).catch((error) => {
    throw fromSystemError(error, "read storage settings", path);
  });
  return await storageFrom(await settingsIn({ name: path, text }), `settings "${path}"`, hooks);
}

/** Makes storage from the environment: `STORAGE_PROVIDER`, `S3_BUCKET` and the others that the README names. */
export async function storageFromEnvironment(hooks?: StorageHooks): Promise<ObjectStorage> {
  const read = (name: string) => process.env[name];
  return await storageFrom(settingsFrom(read), "settings of the environment", hooks);
}

/** Opens a file in which a transfer notes what is the same on both sides; made where it is not there, locked while it is open. */
export async function openJournal(path: string): Promise<JournalFile> {
  const { openJournalFile } = await import("./local/journal_file.ts");
  return await openJournalFile(path);
}

async function storageFrom(
  settings: unknown,
  source: string,
  hooks?: StorageHooks,
): Promise<ObjectStorage> {
  const { checkedSettings } = await import("../core/objects/settings_schema.ts");
  const { storageOf } = await import("../core/objects/open_storage.ts");
  return storageOf(checkedSettings(settings, source), {
    hooks,
    purge: async (settings) => (await import("./cdn/purge.ts")).purgeBy(settings),
    store: openStore,
    catalogue: openCatalogue,
    images: async () => await (await import("./sharp/transformer.ts")).openSharp(),
  });
}

async function openCatalogue(settings: CatalogueSettings): Promise<Catalogue> {
  if (settings.type === "postgres") {
    const { openPostgresCatalogue } = await import("./postgres/catalogue.ts");
    return await openPostgresCatalogue(settings);
  }
  const { openSqliteCatalogue } = await import("./sqlite/catalogue.ts");
  return openSqliteCatalogue(settings.path);
}

/** Opens what the settings of a provider name. */
async function openStore(settings: SingleSettings): Promise<ObjectStore> {
  switch (settings.type) {
    case "local": {
      const { openLocalObjects } = await import("./local/object_store.ts");
      return await openLocalObjects(settings);
    }
    case "memory": {
      const { MemoryObjectStore } = await import("./memory/object_store.ts");
      return new MemoryObjectStore({ now: Date.now });
    }
    case "s3": {
      const { openS3Objects } = await import("./s3/object_store.ts");
      return await openS3Objects(settings);
    }
    case "wasabi": {
      const { openWasabiObjects } = await import("./wasabi/object_store.ts");
      return await openWasabiObjects(settings);
    }
    case "gcs": {
      const { openGcsObjects } = await import("./gcs/object_store.ts");
      return await openGcsObjects(settings);
    }
    case "azure": {
      const { openAzureObjects } = await import("./azure/object_store.ts");
      return await openAzureObjects(settings);
    }
    case "vault": {
      const { openVaultStore } = await import("./vault/open_vault.ts");
      return await openVaultStore(settings);
    }
  }
}

/** Calls of {@linkcode ObjectStorage} that can wait until it is open. */
export type SharedStorage = Pick<
  ObjectStorage,
  | "upload"
  | "uploadStream"
  | "uploadVariants"
  | "download"
  | "downloadText"
  | "downloadStream"
  | "delete"
  | "exists"
  | "getInfo"
  | "getUrl"
  | "list"
  | "search"
  | "reindex"
  | "health"
  | "copy"
  | "move"
>;

/** Opens the environment's storage once; after a failure the next call tries again. */
let opened: Promise<ObjectStorage> | null = null;
function shared(): Promise<ObjectStorage> {
  return opened ??= storageFromEnvironment().catch((error) => {
    opened = null;
    throw error;
  });
}

/**
 * The storage that the environment sets up, opened by the first call.
 *
 * @example
 * ```ts ignore
 * import { storage } from "@sigmavault/sigmavault/storage";
 * await storage.upload("letters/one.txt", "Dear Ada,");
 * ```
 */
export const storage: SharedStorage = {
  upload: async (...args) => await (await shared()).upload(...args),
  uploadStream: async (...args) => await (await shared()).uploadStream(...args),
  uploadVariants: async (...args) => await (await shared()).uploadVariants(...args),
  download: async (...args) => await (await shared()).download(...args),
  downloadText: async (...args) => await (await shared()).downloadText(...args),
  downloadStream: async (...args) => await (await shared()).downloadStream(...args),
  delete: async (...args) => await (await shared()).delete(...args),
  exists: async (...args) => await (await shared()).exists(...args),
  getInfo: async (...args) => await (await shared()).getInfo(...args),
  getUrl: async (...args) => await (await shared()).getUrl(...args),
  search: async (...args) => await (await shared()).search(...args),
  reindex: async (...args) => await (await shared()).reindex(...args),
  health: async (...args) => await (await shared()).health(...args),
  list: async (...args) => await (await shared()).list(...args),
  copy: async (...args) => await (await shared()).copy(...args),
  move: async (...args) => await (await shared()).move(...args),
};
