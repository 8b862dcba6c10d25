/** `storage` and its verbs, on directories and a vault. */
import assert from "node:assert/strict";
import type { FileRow, Listing } from "../../core/command/storage.ts";
import type { TestReport } from "../../core/command/storage_state.ts";
import { patternBytes } from "../../core/objects/store_samples.ts";
import { POSTGRES } from "../servers/postgres.ts";
import { sharedServer } from "../servers/shared.ts";
import { imageTest, loadedSharp, quarters } from "../support/sharp_images.ts";
import { CliWorld, CODE } from "./cli_run.ts";

async function configured(): Promise<{ world: CliWorld; config: string[] }> {
  const world = await CliWorld.open();
  await world.create();
  const file = world.path("storage.toml");
  await Deno.writeTextFile(
    file,
    `provider = "disk"
[providers.disk]
type = "local"
path = "${world.path("files")}"
url = "https://files.example"
[providers.secret]
type = "vault"
medium = "${world.medium}"
passphraseFile = "${world.passphraseFile}"
[routing]
private = "secret"
[[patterns]]
match = "*.key|*.pem"
to = "secret"
`,
  );
  return { world, config: ["--config", file] };
}

Deno.test("cli: storage stores, shows, gives back, copies, moves and removes", async () => {
  const { world, config } = await configured();
  await using _ = world;
  const bytes = patternBytes(300_000);
  await Deno.writeFile(world.path("photo.jpg"), bytes);
  const storage = (...args: string[]) => world.ok("storage", ...args, ...config);
  assert.equal(
    await storage(
      "upload",
      world.path("photo.jpg"),
      "album/photo.jpg",
      "--tag",
      "year=2026",
      "--tag",
      "who=Ada",
      "--meta",
      "camera=old",
    ),
    "uploaded album/photo.jpg: 293 KiB at disk\n",
  );
  const info = await world.json<FileRow>("storage", "info", "album/photo.jpg", ...config);
  assert.deepEqual([info.contentType, info.tags, info.metadata, info.url], [
    "image/jpeg",
    { year: "2026", who: "Ada" },
    { camera: "old" },
    "https://files.example/album/photo.jpg",
  ]);
  assert.match(await storage("info", "album/photo.jpg"), /^tags +year=2026, who=Ada$/m);
  await storage("download", "album/photo.jpg", world.path("back.jpg"));
  assert.deepEqual(await Deno.readFile(world.path("back.jpg")), bytes);
  await storage("cp", "album/photo.jpg", "private/photo.jpg");
  await storage("mv", "album/photo.jpg", "album/best.jpg");
  const listed = await world.json<Listing>("storage", "ls", "--recursive", ...config);
  assert.deepEqual(listed.files.map(({ path, provider }) => [path, provider]), [
    ["album/best.jpg", "disk"],
    ["private/photo.jpg", "secret"],
  ]);
  assert.equal(await storage("ls"), "album/\nprivate/\n");
  assert.equal(await storage("url", "album/best.jpg"), "https://files.example/album/best.jpg\n");
  assert.equal(await storage("rm", "album/best.jpg", "private/photo.jpg"), "removed 2 files\n");
  assert.deepEqual((await world.json<Listing>("storage", "ls", "-r", ...config)).files, []);
});

Deno.test("cli: storage reads standard input and writes standard output", async () => {
  const { world, config } = await configured();
  await using _ = world;
  const child = world.command(["--allow-all"], [
    "storage",
    "upload",
    "-",
    "private/a.key",
    ...config,
  ], { stdin: "piped" })
    .spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode("told in confidence"));
  await writer.close();
  const { code, stderr } = await child.output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  assert.equal(
    await world.ok("storage", "download", "private/a.key", "-", ...config),
    "told in confidence",
  );
  // It is a file of the vault like any other.
  assert.equal(
    await world.ok("cat", world.medium, "/private/a.key", ...world.opens),
    "told in confidence",
  );
});

async function searches(catalogue: (world: CliWorld) => string): Promise<void> {
  const { world, config } = await configured();
  await using _ = world;
  const toml = await Deno.readTextFile(config[1]);
  await Deno.writeTextFile(config[1], `${toml}[catalogue]\n${catalogue(world)}\n`);
  const text = await world.secret("text", "some words");
  const storage = (...args: string[]) => world.ok("storage", ...args, ...config);
  await storage("upload", text, "docs/a.txt", "--tag", "project=engine");
  await storage("upload", text, "private/b.txt", "--tag", "project=engine", "--meta", "by=Ada");
  const found = async (...args: string[]) => {
    const { files } = await world.json<Listing>("storage", "search", ...args, ...config);
    return files.map(({ path }) => path);
  };
  assert.deepEqual(await found("--tag", "project=engine"), ["docs/a.txt", "private/b.txt"]);
  assert.deepEqual(await found("--meta", "by=Ada", "--after", "1 hour ago"), ["private/b.txt"]);
  assert.deepEqual(await found("--before", "1 hour ago"), []);
  assert.deepEqual(await found("--max-size", "5"), []);
  await Deno.writeTextFile(`${world.path("files")}/alien.txt`, "put there by another program");
  assert.equal(
    await storage("reindex"),
    "disk: 2 files, 0 forgotten\nsecret: 1 file, 0 forgotten\n",
  );
  assert.deepEqual(await found("--type", "application/octet-stream"), ["alien.txt"]);
  assert.equal((await world.run("storage", "search", "--after", "soon", ...config)).code, 2);
  assert.match(await storage("health"), /^\(catalogue\) +well/m);
}

Deno.test("cli: storage finds files by what was said of them", async () => {
  await searches((world) => `type = "sqlite"\npath = "${world.path("catalogue.db")}"`);
});

const server = await sharedServer(POSTGRES);
const missing = "missing" in server ? ` (skipped: ${server.missing})` : "";

Deno.test({
  name: `cli: storage finds files by a catalogue in PostgreSQL${missing}`,
  ignore: missing !== "",
  fn: async () => {
    if ("missing" in server) return;
    const schema = `test_${crypto.randomUUID().replaceAll("-", "")}`;
    await searches(() => `type = "postgres"\nurl = "${server.url}"\nschema = "${schema}"`);
  },
});

Deno.test("cli: storage works with the flags of the table, and says which one is missing", async () => {
  const { world, config } = await configured();
  await using _ = world;
  const disk = [`--allow-read=${world.folder},${CODE}`, `--allow-write=${world.path("files")}`];
  const text = await world.secret("text", "some words");
  const stored = await world.runWith(disk, ["storage", "upload", text, "a.txt", ...config]);
  assert.deepEqual([stored.code, stored.stderr], [0, ""]);
  const refused = await world.runWith([`--allow-read=${world.folder}`], [
    "storage",
    "ls",
    ...config,
  ]);
  assert.equal(refused.code, 3);
  assert.match(refused.stderr, /Cannot load universal storage: .*--allow-read/);
});

Deno.test("cli: storage test checks a provider and leaves nothing", async () => {
  const { world, config } = await configured();
  await using _ = world;
  const report = await world.json<TestReport>("storage", "test", ...config);
  assert.equal(report.provider, "disk");
  assert.deepEqual(report.promises.filter(({ kept }) => !kept), []);
  assert.ok(report.promises.length > 20);
  const shown = await world.ok("storage", "test", "--provider", "secret", ...config);
  assert.match(shown, /^kept +copying keeps bytes and description, and obeys conditions +\d+ ms$/m);
  assert.deepEqual((await world.json<Listing>("storage", "ls", "-r", ...config)).files, []);
});

Deno.test("cli: storage keeps a mirror: explain, health and test know it, reconcile heals it", async () => {
  const { world } = await configured();
  await using _ = world;
  const [one, two] = [world.path("one"), world.path("two")];
  const file = await world.secret(
    "mirror.toml",
    `provider = "safe"
[retry]
attempts = 1
[providers]
one = { type = "local", path = "${one}" }
two = { type = "local", path = "${two}" }
three = { type = "local", path = "${world.path("three")}" }
safe = { type = "mirror", stores = ["one", "two", "three"], write = "quorum" }
`,
  );
  const storage = (...args: string[]) => world.ok("storage", ...args, "--config", file);
  const text = await world.secret("text", "some words");
  await storage("upload", text, "a.txt");
  assert.equal(
    await storage("explain", "a.txt"),
    "safe (default): mirror of one, two, three: write quorum, read first\n",
  );
  assert.match(await storage("health"), /^two +well.*\n(?:.*\n)*safe +well/m);
  // One is away, and comes back as it was.
  await Deno.rename(one, world.path("elsewhere"));
  await Deno.writeTextFile(one, "no directory");
  const away = await world.run("storage", "health", "--config", file);
  assert.match(away.stdout, /^one +away/m);
  await storage("rm", "a.txt");
  await storage("upload", text, "b.txt");
  const refused = await world.run("storage", "reconcile", "--config", file);
  assert.equal(refused.code, 6, refused.stderr);
  await Deno.remove(one);
  await Deno.rename(world.path("elsewhere"), one);
  assert.equal(await storage("reconcile"), "safe: 2 files put right\n");
  assert.equal(await Deno.readTextFile(`${one}/b.txt`), "some words");
  const listed = await world.json<Listing>("storage", "ls", "-r", "--config", file);
  assert.deepEqual(listed.files.map(({ path }) => path), ["b.txt"]);
  const report = await world.json<TestReport>("storage", "test", "--config", file);
  assert.deepEqual(report.promises.filter(({ kept }) => !kept), []);
});

Deno.test("cli: storage explains its rules, and says what is wrong", async () => {
  const { world, config } = await configured();
  await using _ = world;
  const explained = (path: string) => world.ok("storage", "explain", path, ...config);
  assert.equal(await explained("private/x"), 'secret (first part "private")\n');
  assert.equal(await explained("deep/x.pem"), 'secret (pattern "*.key|*.pem")\n');
  assert.equal(await explained("x"), "disk (default)\n");
  const text = await world.secret("text", "some words");
  const refused = async (code: number, message: RegExp, ...args: string[]) => {
    const result = await world.run("storage", ...args);
    assert.deepEqual([result.code, result.stdout], [code, ""], result.stderr);
    assert.match(result.stderr, message);
    assert.doesNotMatch(result.stderr, /^ +at /m);
  };
  await refused(4, /^sigmavault: Cannot find "none"/, "info", "none", ...config);
  await refused(4, /no such file/, "upload", world.path("absent"), "a", ...config);
  await refused(2, /it has the part ".."/, "upload", text, "../a", ...config);
  await refused(2, /has no public URL/, "url", "private/x", ...config);
  await refused(4, /there are "disk", "secret"/, "ls", "--provider", "other", ...config);
  await refused(2, /providers: want at least one/, "ls");
  await world.ok("storage", "upload", text, "once", "--create", ...config);
  await refused(5, /it is there already/, "upload", text, "once", "--create", ...config);
  assert.match(await world.ok("storage", "health", ...config), /^disk +well +[0-9.]+ ms$/m);
  await Deno.rename(world.medium, world.path("elsewhere"));
  const health = await world.run("storage", "health", ...config);
  assert.equal(health.code, 6);
  assert.match(health.stdout, /^secret +away .*no such file/m);
  assert.match(health.stderr, /Cannot reach "secret"/);
  const broken = await world.secret(
    "broken.json",
    '{"providers": {"a": {"type": "s3", "secretKey": "hunter2"}}}',
  );
  const { stderr } = await world.run("storage", "ls", "--config", broken);
  assert.match(stderr, /providers\.a\.bucket/);
  assert.ok(!stderr.includes("hunter2"));
});

imageTest(
  "cli: storage makes images smaller, and variants of them",
  await loadedSharp(),
  async (sharp) => {
    const { world, config } = await configured();
    await using _ = world;
    const photo = world.path("photo.jpg");
    await Deno.writeFile(photo, await quarters(sharp, 400, 200).jpeg().toBuffer());
    const storage = (...args: string[]) => world.ok("storage", ...args, ...config);
    const size = ["--fit", "inside", "--format", "webp", "--quality", "80"];
    await storage("upload", photo, "small.webp", "--resize", "100x100", ...size);
    const info = await world.json<FileRow>("storage", "info", "small.webp", ...config);
    assert.equal(info.contentType, "image/webp");
    const { width, height } = await sharp(world.path("files/small.webp")).metadata();
    assert.deepEqual([width, height], [100, 50]);
    const text = await storage(
      "upload",
      photo,
      "album/cat.jpg",
      "--variant",
      "small=40x40",
      "--variant",
      "wide=x20",
      "--fit",
      "cover",
    );
    assert.match(text, /^uploaded album\/cat-small.jpg: .*\nuploaded album\/cat-wide.jpg: .*\n$/);
    const small = await sharp(world.path("files/album/cat-small.jpg")).metadata();
    const wide = await sharp(world.path("files/album/cat-wide.jpg")).metadata();
    assert.deepEqual([small.width, small.height, wide.width, wide.height], [40, 40, 40, 20]);
    for (
      const wrong of [["--resize", "x"], ["--quality", "0"], ["--format", "gif"], ["--fit", "y"]]
    ) {
      const { code } = await world.run("storage", "upload", photo, "x", ...wrong, ...config);
      assert.equal(code, 2, wrong.join(" "));
    }
    const noImage = await world.run(
      "storage",
      "upload",
      config[1],
      "x",
      "--format",
      "webp",
      ...config,
    );
    assert.deepEqual([noImage.code, noImage.stderr.includes("no image that is known")], [2, true]);
  },
);
