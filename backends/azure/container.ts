import type * as Sdk from "@azure/storage-blob";
import { VaultError } from "../../core/errors.ts";
import type { ObjectCall } from "../../core/storage/object_body.ts";
import {
  type Abortable,
  DEFAULT_CONTENT_TYPE,
  type ObjectDescription,
  type WriteCondition,
} from "../../core/storage/object_store.ts";
import { TIME_LIMIT_SECONDS } from "../remote/endpoint.ts";
import { failure } from "../remote/failure.ts";
import { loadClient } from "../remote/load_client.ts";
import { timeFor, within } from "../../core/storage/time_limit.ts";
import type { AzureObjectsConfig } from "./config.ts";
import { azureFailures } from "./failure.ts";

/** A container, and how it is asked. */
export interface AzureContainer {
  readonly sdk: typeof Sdk;
  readonly service: Sdk.BlobServiceClient;
  readonly client: Sdk.ContainerClient;
  readonly milliseconds: number;
}

/** Loads Azure's client. */
export async function connectContainer(config: AzureObjectsConfig): Promise<AzureContainer> {
  const sdk = await loadClient("azure", () => import("@azure/storage-blob"));
  const service = await connectAccount(sdk, config);
  const client = service.getContainerClient(config.container);
  const milliseconds = (config.timeLimitSeconds ?? TIME_LIMIT_SECONDS) * 1000;
  return { sdk, service, client, milliseconds };
}

async function connectAccount(
  sdk: typeof Sdk,
  { connectionString, account, accountKey, endpoint }: AzureObjectsConfig,
): Promise<Sdk.BlobServiceClient> {
  // Whoever wraps the store repeats what may be repeated.
  const options = { retryOptions: { maxTries: 1 } };
  if (connectionString !== undefined) {
    try {
      return sdk.BlobServiceClient.fromConnectionString(connectionString, options);
    } catch {
      // The client's own message may quote the string, which is a secret.
      const message = "Cannot use connection string: want it as the portal shows it";
      throw new VaultError("invalid", message, { provider: "azure" });
    }
  }
  const url = endpoint ?? `https://${account}.blob.core.windows.net`;
  const credential = accountKey !== undefined
    ? new sdk.StorageSharedKeyCredential(account!, accountKey)
    : new (await loadClient("azure", () => import("@azure/identity"))).DefaultAzureCredential();
  return new sdk.BlobServiceClient(url, credential, options);
}

/** One request to the container. */
export interface AzureRequest extends Abortable {
  readonly call: ObjectCall;
  /** That it carries. */
  readonly bytes?: number;
  readonly condition?: WriteCondition;
}

/** Sends a request in time; rejects with errors of the contract. */
export async function ask<T>(
  { milliseconds }: AzureContainer,
  { call, bytes = 0, signal, condition }: AzureRequest,
  send: (abortSignal: AbortSignal) => Promise<T>,
): Promise<T> {
  try {
    return await within({ milliseconds: timeFor(bytes, milliseconds), signal }, send);
  } catch (error) {
    throw failure(error, call, azureFailures, { signal, condition });
  }
}

/** Headers of a condition. */
export function conditionsOf({ create, match }: WriteCondition): Sdk.BlobRequestConditions {
  return { ...create && { ifNoneMatch: "*" }, ...match !== undefined && { ifMatch: `"${match}"` } };
}

/** What is said of an object, as requests take it. */
export function descriptionInput({ contentType, metadata = {}, tags }: ObjectDescription) {
  return {
    blobHTTPHeaders: { blobContentType: contentType ?? DEFAULT_CONTENT_TYPE },
    metadata: azureMetadata(metadata),
    tags: tags && Object.keys(tags).length > 0 ? { ...tags } : undefined,
  };
}

/** Azure's names are those of a programming language: `_` where ours have `-`, which have no `_`. */
export function azureMetadata(metadata: Readonly<Record<string, string>>): Record<string, string> {
  return renamed(metadata, (name) => name.replaceAll("-", "_"));
}

/** The other way round. */
export function metadataOf(
  metadata: Readonly<Record<string, string>> = {},
): Record<string, string> {
  return renamed(metadata, (name) => name.toLowerCase().replaceAll("_", "-"));
}

function renamed(
  record: Readonly<Record<string, string>>,
  rename: (name: string) => string,
): Record<string, string> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [rename(name), value]));
}

/** An etag without its quotes. */
export function etagOf(quoted: string | undefined): string {
  return (quoted ?? "").replaceAll('"', "");
}
