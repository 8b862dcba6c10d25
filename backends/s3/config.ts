import { VaultError } from "../../core/errors.ts";
import { checkInteger } from "../../core/runtime.ts";
import { checkEndpoint, TIME_LIMIT_SECONDS } from "../remote/endpoint.ts";

/** Where a server obeys `If-Match` and `If-None-Match`. */
export type ObeyedConditions =
  /** In every call that writes, as Amazon does. */
  | "everywhere"
  /** Where an object is put by one request (at most 8 MiB), as Ceph and MinIO do. */
  | "put"
  | "none";

/**
 * A bucket that speaks S3: Amazon's, or where an endpoint is given MinIO's, Ceph's and others'.
 *
 * @example Amazon, with the credentials of the machine
 * ```ts
 * import type { S3ObjectsConfig } from "./config.ts";
 * const config: S3ObjectsConfig = { bucket: "letters", region: "eu-central-1" };
 * ```
 *
 * @example MinIO
 * ```ts
 * import type { S3ObjectsConfig } from "./config.ts";
 * const config: S3ObjectsConfig = {
 *   bucket: "letters",
 *   endpoint: "http://127.0.0.1:9000",
 *   accessKey: "someone",
 *   secretKey: "known to the server",
 * };
 * ```
 */
export interface S3ObjectsConfig {
  readonly bucket: string;
  /** What the machine is configured for unless given (`AWS_REGION`); with an endpoint `us-east-1`. */
  readonly region?: string;
  /** URL of the server; Amazon's of the region unless given. */
  readonly endpoint?: string;
  /** The bucket stands in the path, not in the host's name; with an endpoint unless said otherwise. */
  readonly pathStyle?: boolean;
  /** With `secretKey`; the SDK's own chain (environment, profiles, roles) unless given. */
  readonly accessKey?: string;
  readonly secretKey?: string;
  /** Of temporary credentials. */
  readonly sessionToken?: string;
  /**
   * `everywhere` unless an endpoint is given, then `put`. What the server does not obey is asked before each write instead:
   * that keeps to the condition among what this process does, not among several machines.
   */
  readonly conditions?: ObeyedConditions;
  /** Seconds without an answer until a call is given up; 60 unless given. */
  readonly timeLimitSeconds?: number;
}

const BUCKET = /^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$/i;
const REGION = /^[a-z0-9-]{1,40}$/;

/** Checks a configuration that a caller gave; `provider` is named in the errors. */
export function checkS3Config(config: S3ObjectsConfig, provider = "s3"): void {
  const { bucket, region, endpoint, accessKey, secretKey, sessionToken } = config;
  const refuse = (what: string, why: string) => {
    throw new VaultError("invalid", `Cannot use ${what}: ${why}`, { provider });
  };
  if (!BUCKET.test(bucket)) {
    refuse(`bucket ${JSON.stringify(bucket)}`, "want 3 to 63 letters, digits, . _ and -");
  }
  if (region !== undefined && !REGION.test(region)) {
    refuse(`region ${JSON.stringify(region)}`, "want letters, digits and -");
  }
  if (endpoint !== undefined) checkEndpoint(endpoint, provider);
  if ((accessKey === undefined) !== (secretKey === undefined)) {
    refuse("access key or secret key", "want both or neither");
  }
  if (sessionToken !== undefined && accessKey === undefined) {
    refuse("session token", "want an access key and a secret key with it");
  }
  checkInteger("timeLimitSeconds", config.timeLimitSeconds ?? TIME_LIMIT_SECONDS, [1, 3600]);
}
