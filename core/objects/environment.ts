import { VaultError } from "../errors.ts";

/** Reads a variable; undefined where it is not set. */
export type Environment = (name: string) => string | undefined;

/** Makes settings of a provider from its variables; null where none of them is set. */
type FromVariables = (read: Environment) => Record<string, unknown> | null;

const KEYS = {
  accessKey: "ACCESS_KEY",
  secretKey: "SECRET_KEY",
  bucket: "BUCKET",
  region: "REGION",
  endpoint: "ENDPOINT_URL",
};

const PROVIDERS: Readonly<Record<string, FromVariables>> = {
  local: variables("LOCAL_STORAGE_", { path: "PATH", url: "URL" }),
  s3: variables("S3_", KEYS),
  wasabi: variables("WASABI_", KEYS),
  gcs: variables("GCS_", { credentials: "CREDENTIALS", bucket: "BUCKET", project: "PROJECT" }),
  azure: variables("AZURE_", { connectionString: "CONNECTION_STRING", container: "CONTAINER" }),
};

function variables(prefix: string, names: Readonly<Record<string, string>>): FromVariables {
  return (read) => {
    const set = Object.entries(names).flatMap(([setting, name]) => {
      const value = read(prefix + name);
      return value === undefined || value === "" ? [] : [[setting, value]];
    });
    return set.length === 0 ? null : Object.fromEntries(set);
  };
}

/** Settings as the environment has them; to be checked. */
export function settingsFrom(read: Environment): Record<string, unknown> {
  const given = (name: string) => read(name) || undefined;
  const named = parsed(given("STORAGE_PROVIDERS"), "STORAGE_PROVIDERS");
  const providers: Record<string, unknown> = {};
  for (const [type, from] of Object.entries(PROVIDERS)) {
    const found = from(read);
    if (found !== null) providers[type] = { type, ...found };
  }
  return without({
    provider: given("STORAGE_PROVIDER"),
    baseUrl: given("STORAGE_BASE_URL"),
    providers: { ...providers, ...named as object },
    routing: parsed(given("STORAGE_ROUTING"), "STORAGE_ROUTING"),
    patterns: patternsOf(parsed(given("STORAGE_PATTERNS"), "STORAGE_PATTERNS")),
    cdn: cdnFrom(read),
    retry: without({
      attempts: number(read, "STORAGE_RETRY_ATTEMPTS"),
      delayMs: number(read, "STORAGE_RETRY_DELAY"),
      exponential: flag(read, "STORAGE_RETRY_EXPONENTIAL"),
    }),
    maxFileSize: number(read, "STORAGE_MAX_FILE_SIZE"),
    catalogue: catalogueOf(given("STORAGE_CATALOGUE")),
  });
}

/** One that is switched off needs no host. */
function cdnFrom(read: Environment): Record<string, unknown> | undefined {
  const given = (name: string) => read(`STORAGE_CDN_${name}`) || undefined;
  const enabled = flag(read, "STORAGE_CDN_ENABLED");
  const purge = without({ url: given("PURGE_URL"), token: given("PURGE_TOKEN") });
  const cdn = without({
    domain: given("DOMAIN"),
    enabled,
    purge: Object.keys(purge).length === 0 ? undefined : purge,
  });
  const isOff = cdn.domain === undefined && enabled !== true && cdn.purge === undefined;
  return isOff ? undefined : cdn;
}

/** A database of PostgreSQL by its URL, or the path of a file. */
function catalogueOf(value: string | undefined): unknown {
  if (value === undefined) return undefined;
  const isUrl = /^postgres(ql)?:\/\//.test(value);
  return isUrl ? { type: "postgres", url: value } : { type: "sqlite", path: value };
}

/** `{"*.jpg|*.png": "images"}` in order, or a list as settings have it. */
function patternsOf(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.entries(value).map(([match, to]) => ({ match, to }));
}

function without(settings: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}

function parsed(value: string | undefined, name: string): unknown {
  if (value === undefined) return undefined;
  try {
    return JSON.parse(value);
  } catch {
    // The parser's own message would quote the text, which may hold secrets.
    throw refusal(name, "want JSON");
  }
}

function number(read: Environment, name: string): number | undefined {
  const value = read(name);
  if (value === undefined || value === "") return undefined;
  if (!/^\d{1,15}$/.test(value)) throw refusal(name, "want a whole number");
  return Number(value);
}

function flag(read: Environment, name: string): boolean | undefined {
  const value = read(name)?.toLowerCase();
  if (value === undefined || value === "") return undefined;
  if (["true", "1", "yes", "on"].includes(value)) return true;
  if (["false", "0", "no", "off"].includes(value)) return false;
  throw refusal(name, "want true or false");
}

function refusal(name: string, why: string): VaultError {
  return new VaultError("invalid", `Cannot use the environment's ${name}: ${why}`, {
    operation: "configure",
  });
}
