import type { Prices } from "./usage.ts";

/** What a bucket that speaks S3 is reached by. */
export interface BucketSettings {
  /** Name of the bucket. */
  readonly bucket: string;
  /** Of the bucket; what the machine is configured for unless given. */
  readonly region?: string;
  /** URL of the server, where it is not the provider's own. */
  readonly endpoint?: string;
  /** With `secretKey`; the provider's own chain of credentials unless given. */
  readonly accessKey?: string;
  /** With `accessKey`. */
  readonly secretKey?: string;
  /** Of temporary credentials. */
  readonly sessionToken?: string;
}

/** What every provider can be told. */
export interface SharedSettings {
  /** Where anybody can read what the provider holds: this URL, a `/` and the path. */
  readonly url?: string;
  /** Seconds without an answer until a call is given up. */
  readonly timeLimitSeconds?: number;
  /** What it costs, for an estimate. */
  readonly prices?: Prices;
}

/** Files of a directory. */
export interface LocalSettings extends Pick<SharedSettings, "url"> {
  /** Which provider it is. */
  readonly type: "local";
  /** The directory. */
  readonly path: string;
}

/** Memory: gone when the program ends. */
export interface MemorySettings extends Pick<SharedSettings, "url"> {
  /** Which provider it is. */
  readonly type: "memory";
}

/** Amazon S3, and by an endpoint MinIO, Ceph and others. */
export interface S3Settings extends BucketSettings, SharedSettings {
  /** Which provider it is. */
  readonly type: "s3";
  /** The bucket stands in the path of URLs, not in the name of the host. */
  readonly pathStyle?: boolean;
  /** Where the server obeys conditions; `everywhere` unless there is an endpoint, then `put`: in uploads of up to 8 MiB. */
  readonly conditions?: "everywhere" | "put" | "none";
}

/** Wasabi. */
export interface WasabiSettings extends BucketSettings, SharedSettings {
  /** Which provider it is. */
  readonly type: "wasabi";
}

/** Google Cloud Storage. */
export interface GcsSettings extends SharedSettings {
  /** Which provider it is. */
  readonly type: "gcs";
  /** Name of the bucket. */
  readonly bucket: string;
  /** Id of the project. */
  readonly project?: string;
  /** Path of a key file, or its JSON; Google's own chain of credentials unless given. */
  readonly credentials?: string;
  /** URL of the server, where it is not Google's. */
  readonly endpoint?: string;
}

/** Azure Blob Storage. */
export interface AzureSettings extends SharedSettings {
  /** Which provider it is. */
  readonly type: "azure";
  /** Name of the container. */
  readonly container: string;
  /** As the portal shows it. A secret. Instead of an account. */
  readonly connectionString?: string;
  /** Name of the storage account. */
  readonly account?: string;
  /** Of the account; Azure's own chain of credentials unless given. */
  readonly accountKey?: string;
  /** URL of the account, where it is not Azure's own. */
  readonly endpoint?: string;
}

/** A vault: files are encrypted before anything is stored. */
export interface VaultSettings extends Pick<SharedSettings, "url"> {
  /** Which provider it is. */
  readonly type: "vault";
  /** Path or URL of the vault's medium. */
  readonly medium: string;
  /** A file whose first line is the passphrase. */
  readonly passphraseFile: string;
  /** The directory of the vault whose files are the objects; its root unless given. */
  readonly directory?: string;
}

/** A provider with others that step in while it is unavailable. */
export interface FailoverSettings extends Pick<SharedSettings, "url"> {
  /** Which provider it is. */
  readonly type: "failover";
  /** Name of the provider to which everything belongs. */
  readonly primary: string;
  /** Names of those that step in, in this order. */
  readonly fallbacks: readonly string[];
  /** Who of them steps in: the first that can, unless given; or, of equals, the one that has least to do. */
  readonly choose?: "first" | "balanced";
}

/** Several providers that hold the same. */
export interface MirrorSettings extends Pick<SharedSettings, "url" | "timeLimitSeconds"> {
  /** Which provider it is. */
  readonly type: "mirror";
  /** Names of its members, 2 to 16. The first one decides whether conditions hold. */
  readonly stores: readonly string[];
  /** Members that must have a change before it is acknowledged; all unless given. `quorum`: more than half. */
  readonly write?: "all" | "quorum";
  /** Which member is read from: the first that can be, unless given; or the one that has least to do. */
  readonly read?: "first" | "balanced";
}

/** How one provider is set up. */
export type ProviderSettings =
  | LocalSettings
  | MemorySettings
  | S3Settings
  | WasabiSettings
  | GcsSettings
  | AzureSettings
  | VaultSettings
  | FailoverSettings
  | MirrorSettings;

/** How a provider is set up that stands for itself. */
export type SingleSettings = Exclude<ProviderSettings, FailoverSettings | MirrorSettings>;

/** Names of the providers that one is made of; none where it stands for itself. */
export function membersOf(settings: ProviderSettings): readonly string[] {
  if (settings.type === "failover") return [settings.primary, ...settings.fallbacks];
  return settings.type === "mirror" ? settings.stores : [];
}

/** A rule by pattern. */
export interface PatternSettings {
  /** Globs between `|`: `*.jpg|*.png`. Those without a `/` are compared with the last part of a path. */
  readonly match: string;
  /** Name of a provider. */
  readonly to: string;
}

/** Tries of a call. */
export interface RetryCounts {
  /** Of one call, the first one included; 4 unless given, 3 of one that has fallbacks or is part of a mirror. */
  readonly attempts?: number;
  /** Milliseconds before the second try; 200 unless given, 100 of one that has fallbacks or is part of a mirror. */
  readonly delayMs?: number;
  /** Each wait is about twice the one before; so unless told otherwise. */
  readonly exponential?: boolean;
}

/** A file where it is noted what files there are, so that they can be searched; for the programs of one machine. */
export interface SqliteSettings {
  /** Which kind it is. */
  readonly type: "sqlite";
  /** Path of its file. */
  readonly path: string;
}

/** The same in a database that many machines share. They give each provider the same name. */
export interface PostgresSettings {
  /** Which kind it is. */
  readonly type: "postgres";
  /** `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=…`; what it leaves out is in `PGHOST` and the others of libpq. */
  readonly url?: string;
  /** The schema with its tables, made where it is not there; `sigmavault` unless given. */
  readonly schema?: string;
  /** Seconds of a call; 20 unless given. */
  readonly timeLimitSeconds?: number;
}

/** Where it is noted what files there are. */
export type CatalogueSettings = SqliteSettings | PostgresSettings;

/** How a CDN is told that it shall forget URLs: `{"files": [URL, …]}` by `POST`. */
export interface PurgeSettings {
  /** Of its API. */
  readonly url: string;
  /** Goes with it as `Authorization: Bearer …`. A secret. */
  readonly token?: string;
  /** URLs of one call; 30 unless given. */
  readonly batch?: number;
}

/** Through which host files are read. */
export interface CdnSettings {
  /** Host, or URL, below which paths are. */
  readonly domain: string;
  /** So unless `false`. */
  readonly enabled?: boolean;
  /** Files that change are told to it; to nobody unless given. */
  readonly purge?: PurgeSettings;
}

/** Of images that are transformed; none is refused that is stored as it is. */
export interface ImageSettings {
  /** Pixels of all frames; 100 million unless given. */
  readonly pixelsMax?: number;
  /** Bytes, which are kept in memory; 64 MiB unless given. */
  readonly bytesMax?: number;
}

/** Which storage a program uses. */
export interface StorageSettings {
  /** Providers by names of their own: there may be two of a kind. */
  readonly providers: Readonly<Record<string, ProviderSettings>>;
  /** Name of the one that holds what no rule names; needed where there are several. */
  readonly provider?: string;
  /** Names of providers by the first part of a path; these rules go first. */
  readonly routing?: Readonly<Record<string, string>>;
  /** Rules by pattern, in this order. */
  readonly patterns?: readonly PatternSettings[];
  /** Where anybody can read what a provider without a URL of its own holds. */
  readonly baseUrl?: string;
  /** Through which host files are read. */
  readonly cdn?: CdnSettings;
  /** How often calls are tried. */
  readonly retry?: RetryCounts;
  /** Bytes of a file that is uploaded. */
  readonly maxFileSize?: number;
  /** Calls with bytes in memory, not streams, that go on at once at each provider; the others wait. 32 unless given. */
  readonly atOnce?: number;
  /** How large images may be that are transformed. */
  readonly images?: ImageSettings;
  /** Spans and metrics of OpenTelemetry, for an exporter that the program has set up. */
  readonly telemetry?: boolean;
  /** Without one, files cannot be searched. */
  readonly catalogue?: CatalogueSettings;
}

/** Settings that hold. */
export type CheckedSettings =
  & Required<Pick<StorageSettings, "provider" | "providers" | "routing" | "patterns" | "retry">>
  & Pick<
    StorageSettings,
    "baseUrl" | "cdn" | "maxFileSize" | "catalogue" | "telemetry" | "images" | "atOnce"
  >;
