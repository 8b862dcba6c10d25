import assert from "node:assert/strict";
import { VaultError } from "../errors.ts";
import { settingsFrom } from "./environment.ts";
import { checkedSettings } from "./settings_schema.ts";
import { settingsIn } from "./settings_text.ts";

function messageOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    assert(error instanceof VaultError && error.kind === "invalid", `${error}`);
    return error.message;
  }
  assert.fail("want a refusal");
}

Deno.test("settings: every mistake is named, and no secret shown", () => {
  const message = messageOf(() =>
    checkedSettings({
      provider: "nowhere",
      providers: {
        one: { type: "s3", bucket: "", secretKey: 12345, accessKey: "AKIA-SECRET" },
        two: { type: "ftp", password: "hunter2" },
        three: { type: "local", path: "/x", pth: "misspelt-secret" },
      },
      retry: { attempts: 0 },
      maxFileSize: "large",
    })
  );
  for (
    const part of ["providers.one.bucket", "providers.one.secretKey", "providers.two", "pth"]
  ) assert.ok(message.includes(part), message);
  assert.match(message, /retry\.attempts/);
  assert.match(message, /maxFileSize/);
  for (const secret of ["AKIA-SECRET", "hunter2", "misspelt-secret", "12345"]) {
    assert.ok(!message.includes(secret), message);
  }
});

Deno.test("settings: rules name providers that there are", () => {
  const message = messageOf(() =>
    checkedSettings({
      providers: { a: { type: "memory" }, b: { type: "memory" } },
      routing: { "x/y": "a", z: "c" },
      patterns: [{ match: "*", to: "d" }],
    })
  );
  assert.match(message, /provider: want the name of the default one/);
  assert.match(message, /routing\.z: there is no provider "c" among a, b/);
  assert.match(message, /patterns\.0\.to: there is no provider "d"/);
  assert.match(message, /routing\.x\/y: want the first part/);
  assert.match(messageOf(() => checkedSettings({})), /want at least one/);
  assert.equal(checkedSettings({ providers: { only: { type: "memory" } } }).provider, "only");
});

Deno.test("settings: the environment has them all", () => {
  const variables: Record<string, string> = {
    STORAGE_PROVIDER: "s3",
    STORAGE_BASE_URL: "https://files.example",
    STORAGE_ROUTING: '{"docs":"local"}',
    STORAGE_PATTERNS: '{"*.jpg|*.png":"pictures","*":"s3"}',
    STORAGE_PROVIDERS:
      '{"pictures":{"type":"memory"},"safe":{"type":"mirror","stores":["s3","gcs"]}}',
    LOCAL_STORAGE_PATH: "/srv/files",
    LOCAL_STORAGE_URL: "https://local.example",
    S3_ACCESS_KEY: "key",
    S3_SECRET_KEY: "secret",
    S3_BUCKET: "bucket",
    S3_REGION: "eu-central-1",
    S3_ENDPOINT_URL: "http://127.0.0.1:9000",
    WASABI_BUCKET: "cold",
    WASABI_REGION: "eu-central-2",
    GCS_BUCKET: "google",
    GCS_CREDENTIALS: "/key.json",
    GCS_PROJECT: "p",
    AZURE_CONNECTION_STRING: "UseDevelopmentStorage=true",
    AZURE_CONTAINER: "c",
    STORAGE_CDN_ENABLED: "yes",
    STORAGE_CDN_DOMAIN: "cdn.example",
    STORAGE_RETRY_ATTEMPTS: "3",
    STORAGE_RETRY_DELAY: "50",
    STORAGE_RETRY_EXPONENTIAL: "false",
    STORAGE_MAX_FILE_SIZE: "1000000",
    STORAGE_CATALOGUE: "postgres://h/db",
  };
  assert.deepEqual(checkedSettings(settingsFrom((name) => variables[name])), {
    provider: "s3",
    baseUrl: "https://files.example",
    providers: {
      local: { type: "local", path: "/srv/files", url: "https://local.example" },
      s3: {
        type: "s3",
        accessKey: "key",
        secretKey: "secret",
        bucket: "bucket",
        region: "eu-central-1",
        endpoint: "http://127.0.0.1:9000",
      },
      wasabi: { type: "wasabi", bucket: "cold", region: "eu-central-2" },
      gcs: { type: "gcs", credentials: "/key.json", bucket: "google", project: "p" },
      azure: { type: "azure", connectionString: "UseDevelopmentStorage=true", container: "c" },
      pictures: { type: "memory" },
      safe: { type: "mirror", stores: ["s3", "gcs"] },
    },
    routing: { docs: "local" },
    patterns: [{ match: "*.jpg|*.png", to: "pictures" }, { match: "*", to: "s3" }],
    cdn: { domain: "cdn.example", enabled: true },
    retry: { attempts: 3, delayMs: 50, exponential: false },
    maxFileSize: 1_000_000,
    catalogue: { type: "postgres", url: "postgres://h/db" },
  });
  for (
    const [name, value] of [
      ["STORAGE_ROUTING", '{"secret":'],
      ["STORAGE_MAX_FILE_SIZE", "large"],
      ["STORAGE_CDN_ENABLED", "perhaps"],
    ]
  ) {
    const message = messageOf(() => settingsFrom((each) => each === name ? value : undefined));
    assert.ok(message.includes(name) && !message.includes(value), message);
  }
});

Deno.test("settings: a catalogue in the environment is a database's URL, or a file", () => {
  const read = (value: string) =>
    settingsFrom((name) => name === "STORAGE_CATALOGUE" ? value : undefined).catalogue;
  assert.deepEqual(read("/srv/catalogue.db"), { type: "sqlite", path: "/srv/catalogue.db" });
  for (const url of ["postgres://h/db", "postgresql://h/db?sslmode=require"]) {
    assert.deepEqual(read(url), { type: "postgres", url });
  }
});

Deno.test("settings: files of JSON and TOML say the same", async () => {
  const json = '{"providers":{"disk":{"type":"local","path":"/x"}},"maxFileSize":5}';
  const toml = 'maxFileSize = 5\n[providers.disk]\ntype = "local"\npath = "/x"\n';
  assert.deepEqual(
    checkedSettings(await settingsIn({ name: "a.json", text: json })),
    checkedSettings(await settingsIn({ name: "a.toml", text: toml })),
  );
  for (const name of ["a.json", "a.toml"]) {
    await assert.rejects(settingsIn({ name, text: '{"secret": hunter2' }), (error: Error) => {
      return /^Cannot read storage settings "a\./.test(error.message) &&
        !error.message.includes("hunter2");
    });
  }
});

Deno.test("settings: a CDN has a host, and its token goes by https only; one that is off needs neither", () => {
  const providers = { all: { type: "memory" } };
  const purge = (url: string) => ({ domain: "cdn.example", purge: { url, token: "hunter2" } });
  for (const domain of ["cdn.example", "cdn.example:8443/files", "http://127.0.0.1:80/x"]) {
    checkedSettings({ providers, cdn: { domain } });
  }
  checkedSettings({ providers, cdn: purge("http://127.0.0.1:8080/purge") });
  for (const domain of ["", "a b", "ftp://cdn.example", "cdn.example?x", "u:p@cdn.example"]) {
    assert.match(messageOf(() => checkedSettings({ providers, cdn: { domain } })), /cdn\.domain: /);
  }
  const message = messageOf(() => checkedSettings({ providers, cdn: purge("http://api.example") }));
  assert.match(message, /cdn\.purge: want https/);
  assert.doesNotMatch(message, /hunter2/);
  const off = (name: string) => name === "STORAGE_CDN_ENABLED" ? "false" : undefined;
  assert.equal(settingsFrom(off).cdn, undefined);
  const purging: Record<string, string> = {
    STORAGE_CDN_DOMAIN: "cdn.example",
    STORAGE_CDN_PURGE_URL: "https://api.example",
    STORAGE_CDN_PURGE_TOKEN: "hunter2",
  };
  assert.deepEqual(settingsFrom((name) => purging[name]).cdn, purge("https://api.example"));
  const nowhere = (name: string) => name === "STORAGE_CDN_ENABLED" ? "true" : undefined;
  const settings = { ...settingsFrom(nowhere), providers };
  assert.match(messageOf(() => checkedSettings(settings)), /cdn\.domain/);
});
