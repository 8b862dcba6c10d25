import { VaultError } from "../../core/errors.ts";
import type { S3ObjectsConfig } from "../s3/config.ts";

/**
 * A bucket at Wasabi.
 *
 * @example
 * ```ts
 * import type { WasabiObjectsConfig } from "./config.ts";
 * const config: WasabiObjectsConfig = {
 *   bucket: "letters",
 *   region: "eu-central-2",
 *   accessKey: "someone",
 *   secretKey: "known to Wasabi",
 * };
 * ```
 */
export type WasabiObjectsConfig = Omit<S3ObjectsConfig, "conditions" | "pathStyle">;

/** Wasabi's regions have the form of Amazon's; one that is not there has no host. */
const REGION = /^[a-z]{2}-[a-z]+-[1-9]$/;
const REGION_DEFAULT = "us-east-1";

/** The same bucket as S3: at the host of its region unless an endpoint is given. */
export function wasabiAsS3(config: WasabiObjectsConfig): S3ObjectsConfig {
  const region = config.region ?? REGION_DEFAULT;
  if (!REGION.test(region)) {
    const message = `Cannot use region ${JSON.stringify(region)}: want one like "eu-central-1"`;
    throw new VaultError("invalid", message, { provider: "wasabi" });
  }
  const endpoint = config.endpoint ?? `https://s3.${region}.wasabisys.com`;
  // Wasabi does not say where it obeys conditions: it is asked before each write.
  return { ...config, region, endpoint, conditions: "none" };
}
