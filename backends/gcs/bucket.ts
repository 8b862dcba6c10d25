import type { Bucket, File, FileMetadata } from "@google-cloud/storage";
import type { ObjectCall } from "../../core/storage/object_body.ts";
import {
  type Abortable,
  DEFAULT_CONTENT_TYPE,
  type ObjectDescription,
  type ObjectInfo,
  type WriteCondition,
} from "../../core/storage/object_store.ts";
import { TIME_LIMIT_SECONDS } from "../remote/endpoint.ts";
import { failure } from "../remote/failure.ts";
import { loadClient } from "../remote/load_client.ts";
import { timeFor, within } from "../../core/storage/time_limit.ts";
import { type GcsObjectsConfig, googleKey, isJson } from "./config.ts";
import { googleFailures } from "./failure.ts";

/** Google has no tags: they are one entry of the metadata, under a name that nobody else may use. */
export const TAGS_NAME = "sigmavault-tags";

/** A bucket, and how it is asked. */
export interface GcsBucket {
  readonly client: Bucket;
  /** Of a request that is made without the client: with its credentials. */
  headersFor(url: URL): Promise<Headers>;
  readonly milliseconds: number;
}

/** Loads Google's client. */
export async function connectBucket(config: GcsObjectsConfig): Promise<GcsBucket> {
  const { Storage } = await loadClient("gcs", () => import("@google-cloud/storage"));
  const { bucket, project, credentials, endpoint } = config;
  const key = credentials !== undefined && isJson(credentials) ? googleKey(credentials) : undefined;
  const storage = new Storage({
    apiEndpoint: endpoint,
    projectId: project ?? key?.project_id,
    credentials: key,
    keyFilename: key === undefined ? credentials : undefined,
    useAuthWithCustomEndpoint: credentials !== undefined,
    // Whoever wraps the store repeats what may be repeated.
    retryOptions: { autoRetry: false, maxRetries: 0 },
  });
  const milliseconds = (config.timeLimitSeconds ?? TIME_LIMIT_SECONDS) * 1000;
  const isAnonymous = endpoint !== undefined && credentials === undefined;
  return {
    client: storage.bucket(bucket),
    milliseconds,
    headersFor: async (url) =>
      isAnonymous ? new Headers() : new Headers(await storage.authClient.getRequestHeaders(url)),
  };
}

/** One request to the bucket. */
export interface GcsRequest extends Abortable {
  readonly call: ObjectCall;
  /** That it carries. */
  readonly bytes?: number;
  readonly condition?: WriteCondition;
}

/** Waits for a request in time; rejects with errors of the contract. Google's client cannot be told to end one. */
export async function ask<T>(
  { milliseconds }: GcsBucket,
  { call, bytes = 0, signal, condition }: GcsRequest,
  send: () => Promise<T>,
): Promise<T> {
  try {
    return await within({ milliseconds: timeFor(bytes, milliseconds), signal }, send);
  } catch (error) {
    throw failure(error, call, googleFailures, { signal, condition });
  }
}

/** The condition on a write. An etag here is Google's number of a state: its generation. */
export function preconditionOf({ create, match }: WriteCondition): { ifGenerationMatch?: number } {
  if (create) return { ifGenerationMatch: 0 };
  return match === undefined ? {} : { ifGenerationMatch: Number(match) };
}

/** Whether an etag can be a generation: another one is that of no object. */
export function isGeneration(etag: string): boolean {
  return /^[1-9]\d*$/.test(etag) && Number.isSafeInteger(Number(etag));
}

/** What is said of an object, as requests take it. */
export function metadataInput({ contentType, metadata = {}, tags = {} }: ObjectDescription) {
  const tagged = Object.keys(tags).length > 0 ? { [TAGS_NAME]: JSON.stringify(tags) } : {};
  return {
    contentType: contentType ?? DEFAULT_CONTENT_TYPE,
    metadata: { ...metadata, ...tagged },
  };
}

/** What Google says of an object. */
export function infoOf(path: string, told: FileMetadata): ObjectInfo {
  const { [TAGS_NAME]: tags, ...metadata } = told.metadata ?? {};
  return {
    path,
    size: Number(told.size ?? 0),
    etag: `${told.generation}`,
    lastModified: new Date(told.timeCreated ?? NaN),
    contentType: told.contentType ?? DEFAULT_CONTENT_TYPE,
    metadata: Object.fromEntries(
      Object.entries(metadata).map(([name, value]) => [name.toLowerCase(), `${value}`]),
    ),
    tags: tagsIn(tags),
  };
}

function tagsIn(json: unknown): Record<string, string> {
  if (typeof json !== "string") return {};
  try {
    const tags: unknown = JSON.parse(json);
    if (typeof tags !== "object" || tags === null) return {};
    return Object.fromEntries(Object.entries(tags).map(([key, value]) => [key, `${value}`]));
  } catch {
    // Somebody else has written there: what says no tags has none.
    return {};
  }
}

/** An object in the state that an etag names, or in its newest. */
export function fileOf({ client }: GcsBucket, path: string, generation?: string): File {
  return client.file(path, {
    generation: generation === undefined ? undefined : Number(generation),
  });
}
