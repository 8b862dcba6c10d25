import type * as Sdk from "@aws-sdk/client-s3";
import { Readable } from "node:stream";
import { MIB } from "../../core/limits.ts";
import type { ObjectCall } from "../../core/storage/object_body.ts";
import {
  type Abortable,
  DEFAULT_CONTENT_TYPE,
  type ObjectDescription,
  type WriteCondition,
} from "../../core/storage/object_store.ts";
import { failure } from "../remote/failure.ts";
import { loadClient } from "../remote/load_client.ts";
import { timeFor, within } from "../../core/storage/time_limit.ts";
import { TIME_LIMIT_SECONDS } from "../remote/endpoint.ts";
import type { ObeyedConditions, S3ObjectsConfig } from "./config.ts";
import { s3Failures } from "./failure.ts";

/** A bucket, and how it is asked. */
export interface S3Bucket {
  readonly sdk: typeof Sdk;
  readonly client: Sdk.S3Client;
  readonly name: string;
  /** What a server does that is not Amazon's is less certain. */
  readonly isAmazon: boolean;
  readonly conditions: ObeyedConditions;
  readonly milliseconds: number;
  /** When the server gave an answer, by its own clock. */
  readonly answered: WeakMap<object, Date>;
}

/** A page of a listing has 1,000 names of 1,024 bytes, each of which may be escaped. */
const ANSWER_BYTES_MAX = 16 * MIB;
/** Sockets at once; further requests wait for one. */
const SOCKETS_MAX = 256;

/** Loads Amazon's client. */
export async function connectBucket(
  config: S3ObjectsConfig,
  provider: string = "s3",
): Promise<S3Bucket> {
  const { bucket, endpoint, region, pathStyle, accessKey, secretKey, sessionToken } = config;
  const sdk = await loadClient(provider, () => import("@aws-sdk/client-s3"));
  const isAmazon = endpoint === undefined;
  const client = new sdk.S3Client({
    endpoint,
    region: region ?? (isAmazon ? undefined : "us-east-1"),
    forcePathStyle: pathStyle ?? !isAmazon,
    ...accessKey && secretKey &&
      { credentials: { accessKeyId: accessKey, secretAccessKey: secretKey, sessionToken } },
    // Whoever wraps the store repeats what may be repeated.
    maxAttempts: 1,
    // Others' servers know no trailing checksums.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    expectContinueHeader: false,
    requestHandler: {
      httpAgent: { keepAlive: true, maxSockets: SOCKETS_MAX },
      httpsAgent: { keepAlive: true, maxSockets: SOCKETS_MAX },
    },
  });
  const answered = new WeakMap<object, Date>();
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      const { headers } = result.response as { headers?: Record<string, string> };
      const date = new Date(headers?.date ?? NaN);
      if (result.output && !Number.isNaN(date.getTime())) answered.set(result.output, date);
      return result;
    },
    { step: "deserialize", name: "dateOfAnswer", priority: "high" },
  );
  // Behind the client's own step of this kind, which would read an answer without end into memory.
  client.middlewareStack.add(
    (next, { commandName }) => async (args) => {
      const result = await next(args);
      const response = result.response as { statusCode?: number; body?: unknown };
      const isContent = commandName === "GetObjectCommand" && (response.statusCode ?? 0) < 300;
      if (!isContent && response.body instanceof Readable) {
        response.body = Readable.from(limited(response.body));
      }
      return result;
    },
    { step: "deserialize", name: "limitOfAnswer", priority: "low" },
  );
  return {
    sdk,
    client,
    answered,
    name: bucket,
    isAmazon,
    conditions: config.conditions ?? (isAmazon ? "everywhere" : "put"),
    milliseconds: (config.timeLimitSeconds ?? TIME_LIMIT_SECONDS) * 1000,
  };
}

/** The chunks of an answer about objects; their content is another matter. */
async function* limited(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let seen = 0;
  for await (const chunk of chunks) {
    seen += chunk.length;
    if (seen > ANSWER_BYTES_MAX) {
      throw new Error(`the answer has more than ${ANSWER_BYTES_MAX} bytes`);
    }
    yield chunk;
  }
}

/** One request to the bucket. */
export interface S3Request extends Abortable {
  readonly call: ObjectCall;
  /** That it carries. */
  readonly bytes?: number;
  readonly condition?: WriteCondition;
}

/** Sends a request in time; rejects with errors of the contract. */
export async function ask<T>(
  { milliseconds }: S3Bucket,
  { call, bytes = 0, signal, condition }: S3Request,
  send: (options: { abortSignal: AbortSignal }) => Promise<T>,
): Promise<T> {
  try {
    const limit = { milliseconds: timeFor(bytes, milliseconds), signal };
    return await within(limit, (abortSignal) => send({ abortSignal }));
  } catch (error) {
    throw failure(error, call, s3Failures, { signal, condition });
  }
}

/** What came of a write. */
export interface Written {
  readonly etag: string;
  readonly lastModified: Date;
}

/** Reads it from the answer; writes do not say when they happened, but the answer is as old. */
export function writtenOf(
  { answered }: S3Bucket,
  answer: { readonly ETag?: string; readonly LastModified?: Date },
  date: object = answer,
): Written {
  return {
    etag: etagOf(answer.ETag),
    lastModified: answer.LastModified ?? answered.get(date) ?? new Date(),
  };
}

/** Headers of a condition, where the server obeys them. */
export function conditionInput(
  { create, match }: WriteCondition,
  isObeyed: boolean,
): { IfNoneMatch?: string; IfMatch?: string } {
  if (!isObeyed) return {};
  // In quotes, Ceph takes it for another one.
  return { ...create && { IfNoneMatch: "*" }, ...match !== undefined && { IfMatch: match } };
}

/** What is said of an object, as requests take it. */
export function descriptionInput({ contentType, metadata = {}, tags }: ObjectDescription) {
  return {
    ContentType: contentType ?? DEFAULT_CONTENT_TYPE,
    Metadata: { ...metadata },
    Tagging: tags && Object.keys(tags).length > 0 ? taggingOf(tags) : undefined,
  };
}

/** Tags as a query string, spaces as `%20`: not every server takes `+` for one. */
export function taggingOf(tags: Readonly<Record<string, string>>): string {
  return Object.entries(tags).map((pair) => pair.map(encodeURIComponent).join("=")).join("&");
}

/** An etag without its quotes. */
export function etagOf(quoted: string | undefined): string {
  return (quoted ?? "").replaceAll('"', "");
}

/** Where a copy comes from: bucket and path, encoded but for `/`. */
export function sourceOf({ name }: S3Bucket, path: string): string {
  return `${name}/${path.split("/").map(encodeURIComponent).join("/")}`;
}
