/** README's flags for providers are enough. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { azuriteConnection } from "./azurite.ts";
import { cephConfig, cloudsUnderTest, runningCloud } from "./cloud_stores.ts";

const FLAGS: Readonly<Record<string, readonly string[]>> = {
  s3: ["--allow-net=127.0.0.1", "--allow-env", "--allow-sys=osRelease"],
  wasabi: ["--allow-net=127.0.0.1", "--allow-env", "--allow-sys=osRelease"],
  azure: ["--allow-net=127.0.0.1", "--allow-env", "--allow-sys=osRelease"],
  gcs: ["--allow-net=127.0.0.1", "--allow-env"],
};

const settings: Readonly<Record<string, (url: string, bucket: string) => object>> = {
  s3: (url, bucket) => ({ type: "s3", ...cephConfig(url, bucket) }),
  wasabi: (url, bucket) => ({ type: "wasabi", ...cephConfig(url, bucket) }),
  azure: (url, container) => ({
    type: "azure",
    container,
    connectionString: azuriteConnection(url),
  }),
  gcs: (url, bucket) => ({ type: "gcs", bucket, endpoint: url }),
};

async function runWith(flags: readonly string[], argument: object): Promise<string> {
  const program = new URL("permitted_program.ts", import.meta.url).href;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--no-check", ...flags, program, JSON.stringify(argument)],
    stdin: "null",
    env: { NO_COLOR: "1" },
  }).output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

for (const [name, cloud] of Object.entries(cloudsUnderTest)) {
  const running = await runningCloud(cloud);
  const why = "missing" in running ? ` (skipped: ${running.missing})` : "";
  Deno.test({
    name: `${name}: README's flags are enough${why}`,
    ignore: why !== "",
    fn: async () => {
      if ("missing" in running) return;
      await using opened = await running.open();
      const its = settings[name](running.url, opened.bucket);
      assert.equal(await runWith(FLAGS[name], its), "Dear Ada, a/b\n");
    },
  });
}

Deno.test("local: permission for its directory is enough, which is made", async () => {
  const above = await Deno.makeTempDir({ prefix: "sv-permitted-" });
  const path = join(above, "objects", "below");
  const flags = [`--allow-read=${above}/objects`, `--allow-write=${above}/objects`, "--allow-env"];
  assert.equal(await runWith(flags, { type: "local", path }), "Dear Ada, a/b\n");
  await Deno.remove(above, { recursive: true });
});
