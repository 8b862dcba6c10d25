import { VaultError } from "../../core/errors.ts";
import { checkInteger } from "../../core/runtime.ts";
import { checkEndpoint, TIME_LIMIT_SECONDS } from "../remote/endpoint.ts";

/**
 * A container of Azure Blob Storage: by a connection string, by an account and its key, or by an account alone and whoever
 * the machine is logged in as.
 *
 * @example
 * ```ts
 * import type { AzureObjectsConfig } from "./config.ts";
 * const byString: AzureObjectsConfig = {
 *   container: "letters",
 *   connectionString: "DefaultEndpointsProtocol=https;AccountName=someone;AccountKey=a2V5",
 * };
 * const byKey: AzureObjectsConfig = { container: "letters", account: "someone", accountKey: "a2V5" };
 * const byLogin: AzureObjectsConfig = { container: "letters", account: "someone" };
 * ```
 */
export interface AzureObjectsConfig {
  readonly container: string;
  /** As the portal shows it. Instead of an account. */
  readonly connectionString?: string;
  /** Name of the storage account. */
  readonly account?: string;
  /** Base64; Azure's own chain of credentials unless given. */
  readonly accountKey?: string;
  /** URL of the account; `https://ACCOUNT.blob.core.windows.net` unless given. */
  readonly endpoint?: string;
  /** Seconds without an answer until a call is given up; 60 unless given. */
  readonly timeLimitSeconds?: number;
}

const CONTAINER = /^(\$root|\$web|[a-z0-9](-?[a-z0-9]){2,62})$/;
const ACCOUNT = /^[a-z0-9]{3,24}$/;

/** Checks a configuration that a caller gave. */
export function checkAzureConfig(config: AzureObjectsConfig): void {
  const { container, connectionString, account, accountKey, endpoint } = config;
  const refuse = (what: string, why: string) => {
    throw new VaultError("invalid", `Cannot use ${what}: ${why}`, { provider: "azure" });
  };
  if (!CONTAINER.test(container)) {
    refuse(`container ${JSON.stringify(container)}`, "want 3 to 63 of a-z, 0-9 and single -");
  }
  if ((connectionString === undefined) === (account === undefined)) {
    refuse("connection string or account", "want one of the two");
  }
  if (account !== undefined && !ACCOUNT.test(account)) {
    refuse(`account ${JSON.stringify(account)}`, "want 3 to 24 of a-z and 0-9");
  }
  if (account === undefined && (accountKey !== undefined || endpoint !== undefined)) {
    refuse("account key or endpoint", "a connection string has its own");
  }
  if (endpoint !== undefined) checkEndpoint(endpoint, "azure");
  checkInteger("timeLimitSeconds", config.timeLimitSeconds ?? TIME_LIMIT_SECONDS, [1, 3600]);
}
