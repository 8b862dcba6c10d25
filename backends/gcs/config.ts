import { VaultError } from "../../core/errors.ts";
import { checkInteger } from "../../core/runtime.ts";
import { checkEndpoint, TIME_LIMIT_SECONDS } from "../remote/endpoint.ts";

/**
 * A bucket of Google Cloud Storage.
 *
 * @example
 * ```ts
 * import type { GcsObjectsConfig } from "./config.ts";
 * const byLogin: GcsObjectsConfig = { bucket: "letters" };
 * const byKey: GcsObjectsConfig = { bucket: "letters", credentials: "/etc/letters/key.json" };
 * ```
 */
export interface GcsObjectsConfig {
  readonly bucket: string;
  /** Of the bucket; what the credentials name unless given. */
  readonly project?: string;
  /** Path of a key file, or its JSON; Google's own chain of credentials unless given. */
  readonly credentials?: string;
  /** URL of the server, where it is not Google's; it is asked without credentials unless they are given. */
  readonly endpoint?: string;
  /** Seconds without an answer until a call is given up; 60 unless given. */
  readonly timeLimitSeconds?: number;
}

/** What a key file says of its owner. */
export interface GoogleKey {
  readonly client_email: string;
  readonly private_key: string;
  readonly project_id?: string;
}

const BUCKET = /^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/;

/** Checks a configuration that a caller gave. */
export function checkGcsConfig(config: GcsObjectsConfig): void {
  const { bucket, endpoint, credentials } = config;
  if (!BUCKET.test(bucket)) {
    refuse(`bucket ${JSON.stringify(bucket)}`, "want 3 to 222 of a-z, 0-9, . _ and -");
  }
  if (endpoint !== undefined) checkEndpoint(endpoint, "gcs");
  if (credentials !== undefined && isJson(credentials)) googleKey(credentials);
  checkInteger("timeLimitSeconds", config.timeLimitSeconds ?? TIME_LIMIT_SECONDS, [1, 3600]);
}

/** Whether credentials are a key itself, not the path of one. */
export function isJson(credentials: string): boolean {
  return credentials.trimStart().startsWith("{");
}

/** Reads a key. */
export function googleKey(json: string): GoogleKey {
  const key = parsed(json);
  if (typeof key?.client_email === "string" && typeof key.private_key === "string") {
    return key as GoogleKey;
  }
  return refuse("credentials", "want the JSON of a key file, with client_email and private_key");
}

function parsed(json: string): Partial<GoogleKey> | null {
  try {
    return JSON.parse(json);
  } catch {
    // The parser's message would quote the key.
    return null;
  }
}

function refuse(what: string, why: string): never {
  throw new VaultError("invalid", `Cannot use ${what}: ${why}`, { provider: "gcs" });
}
