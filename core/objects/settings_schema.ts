import { z } from "zod";
import { VaultError } from "../errors.ts";
import {
  type CatalogueSettings,
  type CheckedSettings,
  membersOf,
  type ProviderSettings,
} from "./settings.ts";

const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/, "want letters, digits, _ and -");
const text = z.string().min(1, "want text");
/** Where anybody can read what a provider holds. */
const url = z.url({
  protocol: /^https?$/,
  error: "want a URL that begins with https:// or http://",
});
const seconds = z.int().min(1).max(3600);

const price = z.number().min(0).max(1e6).optional();
const prices = z.strictObject({
  perThousandWrites: price,
  perThousandReads: price,
  perGibRead: price,
}).optional();

const bucket = {
  bucket: text,
  region: text.optional(),
  endpoint: url.optional(),
  accessKey: text.optional(),
  secretKey: text.optional(),
  sessionToken: text.optional(),
  timeLimitSeconds: seconds.optional(),
  prices,
  url: url.optional(),
};

const provider: z.ZodType<ProviderSettings> = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("local"), path: text, url: url.optional() }),
  z.strictObject({ type: z.literal("memory"), url: url.optional() }),
  z.strictObject({
    type: z.literal("s3"),
    pathStyle: z.boolean().optional(),
    conditions: z.enum(["everywhere", "put", "none"]).optional(),
    ...bucket,
  }),
  z.strictObject({ type: z.literal("wasabi"), ...bucket }),
  z.strictObject({
    type: z.literal("gcs"),
    bucket: text,
    project: text.optional(),
    credentials: text.optional(),
    endpoint: url.optional(),
    timeLimitSeconds: seconds.optional(),
    prices,
    url: url.optional(),
  }),
  z.strictObject({
    type: z.literal("azure"),
    container: text,
    connectionString: text.optional(),
    account: text.optional(),
    accountKey: text.optional(),
    endpoint: url.optional(),
    timeLimitSeconds: seconds.optional(),
    prices,
    url: url.optional(),
  }).refine(
    ({ connectionString, account }) => (connectionString === undefined) !== (account === undefined),
    "want a connectionString or an account",
  ),
  z.strictObject({
    type: z.literal("vault"),
    medium: text,
    passphraseFile: text,
    directory: text.optional(),
    url: url.optional(),
  }),
  z.strictObject({
    type: z.literal("failover"),
    primary: name,
    fallbacks: z.array(name).min(1).max(8),
    choose: z.enum(["first", "balanced"]).optional(),
    url: url.optional(),
  }),
  z.strictObject({
    type: z.literal("mirror"),
    stores: z.array(name).min(2).max(16),
    write: z.enum(["all", "quorum"]).optional(),
    read: z.enum(["first", "balanced"]).optional(),
    timeLimitSeconds: seconds.optional(),
    url: url.optional(),
  }),
]);

const catalogue: z.ZodType<CatalogueSettings> = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("sqlite"), path: text }),
  z.strictObject({
    type: z.literal("postgres"),
    url: z.string().regex(/^postgres(ql)?:\/\//, "want a URL that begins with postgres://")
      .optional(),
    schema: z.string().regex(/^[a-z_][a-z0-9_]{0,62}$/, "want a-z, 0-9 and _").optional(),
    timeLimitSeconds: seconds.optional(),
  }),
]);

/** A host, or a URL below which paths are. */
const domain = text.refine((value) => {
  const url = URL.parse(value.includes("://") ? value : `https://${value}`);
  const isPlain = url !== null && /^https?:$/.test(url.protocol) && url.search + url.hash === "";
  return isPlain && url.username === "" && !/[\s?#]/.test(value);
}, "want a host, as cdn.example.com, or a URL");

const purge = z.strictObject({
  url,
  token: text.optional(),
  batch: z.int().min(1).max(1000).optional(),
}).refine(
  ({ url, token }) => token === undefined || url.startsWith("https:") || isLoopback(url),
  "want https:// for a token",
);

function isLoopback(url: string): boolean {
  return ["127.0.0.1", "[::1]", "localhost"].includes(new URL(url).hostname);
}

const schema = z.strictObject({
  provider: name.optional(),
  baseUrl: url.optional(),
  providers: z.record(name, provider).default({}),
  routing: z.record(text, name).default({}),
  patterns: z.array(z.strictObject({ match: text, to: name })).max(1000).default([]),
  cdn: z.strictObject({ domain, enabled: z.boolean().optional(), purge: purge.optional() })
    .optional(),
  retry: z.strictObject({
    attempts: z.int().min(1).max(20).optional(),
    delayMs: z.int().min(0).max(600_000).optional(),
    exponential: z.boolean().optional(),
  }).default({}),
  maxFileSize: z.int().min(1).optional(),
  atOnce: z.int().min(1).max(1000).optional(),
  images: z.strictObject({
    pixelsMax: z.int().min(1).max(2 ** 31 - 1).optional(),
    bytesMax: z.int().min(1).max(2 ** 31 - 1).optional(),
  }).optional(),
  telemetry: z.boolean().optional(),
  catalogue: catalogue.optional(),
});

/** Checks settings; the error names every mistake, and no value: some are secrets. */
export function checkedSettings(settings: unknown, source = "settings"): CheckedSettings {
  const parsed = schema.safeParse(settings);
  if (!parsed.success) {
    throw refusal(
      source,
      parsed.error.issues.map(({ path, message }) => `${pathText(path)}${message}`),
    );
  }
  const { data } = parsed;
  const names = Object.keys(data.providers);
  const mistakes: string[] = [];
  if (names.length === 0) mistakes.push("providers: want at least one");
  const chosen = data.provider ?? (names.length === 1 ? names[0] : undefined);
  if (chosen === undefined) mistakes.push("provider: want the name of the default one");
  const named: [string, string | undefined][] = [
    ["provider", chosen],
    ...Object.entries(data.routing).map(([part, to]): [string, string] => [`routing.${part}`, to]),
    ...data.patterns.map(({ to }, i): [string, string] => [`patterns.${i}.to`, to]),
  ];
  for (const [each, settings] of Object.entries(data.providers)) {
    const members = membersOf(settings);
    for (const to of members) {
      named.push([`providers.${each}`, to]);
      const own = Object.hasOwn(data.providers, to) ? membersOf(data.providers[to]) : [];
      if (own.length > 0) mistakes.push(`providers.${each}: "${to}" is made of others itself`);
    }
    if (new Set(members).size < members.length) {
      mistakes.push(`providers.${each}: want different providers`);
    }
  }
  for (const [where, to] of named) {
    if (to === undefined || names.length === 0 || names.includes(to)) continue;
    mistakes.push(`${where}: there is no provider "${to}" among ${names.join(", ")}`);
  }
  for (const part of Object.keys(data.routing)) {
    if (part.includes("/")) mistakes.push(`routing.${part}: want the first part of a path alone`);
  }
  if (mistakes.length > 0) throw refusal(source, mistakes);
  return { ...data, provider: chosen! };
}

function pathText(path: readonly PropertyKey[]): string {
  return path.length === 0 ? "" : `${path.map(String).join(".")}: `;
}

function refusal(source: string, mistakes: readonly string[]): VaultError {
  const list = mistakes.map((mistake) => `\n  - ${mistake}`).join("");
  return new VaultError("invalid", `Cannot use the storage ${source}:${list}`, {
    operation: "configure",
  });
}
