/** send and receive over real pipes. */
import assert from "node:assert/strict";
import { CliWorld, CODE } from "./cli_run.ts";

/** Two vaults with other keys, and what both sides know. */
async function twoVaults(): Promise<{ world: CliWorld; other: string; shared: string[] }> {
  const world = await CliWorld.open();
  await world.create();
  const other = world.path("backup.sv");
  await world.ok("create", other, "--passphrase-file", world.passphraseFile);
  const key = await world.secret("key", "what both sides know\n");
  return { world, other, shared: ["--stream-passphrase-file", key] };
}

async function put(world: CliWorld, name: string, text: string): Promise<void> {
  const file = world.path("source");
  await Deno.writeTextFile(file, text);
  await world.ok("put", world.medium, file, name, ...world.opens);
}

/** A line for a shell: what it prints, and how its last part ended. */
async function shell(world: CliWorld, line: string, env: Record<string, string>) {
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", line],
    env: {
      SV: `${Deno.execPath()} run --no-prompt -A ${CODE}cli.ts`,
      OPENS: world.opens.join(" "),
      NO_COLOR: "1",
      XDG_STATE_HOME: world.path("state"),
      XDG_RUNTIME_DIR: world.folder,
      ...env,
    },
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

Deno.test("cli: a snapshot and a difference go through a pipe into a vault with other keys", async () => {
  const { world, other, shared } = await twoVaults();
  await using _ = world;
  const env = { FROM: world.medium, TO: other, KEY: shared.join(" ") };
  await put(world, "/plan", "first");
  await world.ok("snapshot", "create", world.medium, "monday", ...world.opens);
  const whole =
    "$SV send $FROM monday $OPENS $KEY --json | $SV receive $TO copy $OPENS $KEY --json";
  const first = await shell(world, whole, env);
  assert.equal(first.code, 0, first.stderr);
  const report = JSON.parse(first.stdout);
  assert.deepEqual([report.volume, report.snapshot, report.whole], ["copy", "monday", true]);
  const sent = JSON.parse(first.stderr);
  assert.equal(sent.streamBytes, report.streamBytes);

  await put(world, "/plan", "second");
  await world.ok("snapshot", "create", world.medium, "tuesday", ...world.opens);
  const changed =
    "$SV send $FROM tuesday --from monday $OPENS $KEY | $SV receive $TO copy $OPENS $KEY";
  const second = await shell(world, changed, env);
  assert.equal(second.code, 0, second.stderr);
  assert.match(second.stdout, /^received copy@tuesday: /);
  const cat = (view: string) => world.ok("cat", `${other}#${view}`, "/plan", ...world.opens);
  assert.equal(await cat("copy"), "second");
  assert.equal(await cat("copy@monday"), "first");
  await world.ok("check", other, ...world.opens);
});

Deno.test("cli: a stream in a file is noise, opens with the vault's key, and goes on where it broke off", async () => {
  await using world = await CliWorld.open();
  await world.create();
  const word = "unlikely words ";
  await put(world, "/plan", word.repeat(300_000));
  await world.ok("snapshot", "create", world.medium, "monday", ...world.opens);
  const env = { V: world.medium, F: world.path("stream"), G: world.path("cut") };
  const made = await shell(world, "$SV send $V monday $OPENS > $F && head -c 3000000 $F > $G", env);
  assert.equal(made.code, 0, made.stderr);
  const bytes = await Deno.readFile(env.F);
  assert.ok(!new TextDecoder("latin1").decode(bytes).includes(word));

  const cut = await shell(world, "$SV receive $V copy $OPENS < $G", env);
  assert.equal(cut.code, 7);
  assert.match(cut.stderr, /what has arrived is kept/);
  const listed = await world.ok("volume", "list", world.medium, ...world.opens);
  assert.ok(!listed.includes("copy"), "nothing is seen of it");
  assert.match(await world.ok("info", world.medium, ...world.opens), /receiving .* for copy since/);
  const { token } = await world.json<{ token: string }>(
    "receive",
    world.medium,
    "copy",
    "--resume-token",
    ...world.opens,
  );
  const rest = await shell(
    world,
    `$SV send $V monday $OPENS --resume ${token} > $G && $SV receive $V copy $OPENS < $G`,
    env,
  );
  assert.equal(rest.code, 0, rest.stderr);
  assert.ok((await Deno.stat(env.G)).size < bytes.length - 1_000_000, "only the rest was sent");
  const held = await world.ok("cat", `${world.medium}#copy`, "/plan", ...world.opens);
  assert.equal(held, word.repeat(300_000));
  await world.ok("check", world.medium, ...world.opens);
});

Deno.test("cli: streams that do not fit are refused, and what was begun can be given up", async () => {
  const { world, other, shared } = await twoVaults();
  await using _ = world;
  const wrong = await world.secret("wrong", "something else\n");
  const env = {
    FROM: world.medium,
    TO: other,
    F: world.path("f"),
    KEY: shared.join(" "),
    WRONG: wrong,
  };
  await put(world, "/plan", "x".repeat(2_500_000));
  await world.ok("snapshot", "create", world.medium, "monday", ...world.opens);
  const refused = async (line: string, code: number, says: RegExp) => {
    const result = await shell(world, line, env);
    assert.equal(result.code, code, result.stderr);
    assert.match(result.stderr, says);
  };
  const made = await shell(world, "$SV send $FROM monday $OPENS > $F", env);
  assert.equal(made.code, 0, made.stderr);
  await refused("$SV receive $TO copy $OPENS < $F", 3, /not sealed under a key of this vault/);
  await refused(
    "$SV receive $TO copy $OPENS --stream-passphrase-file $WRONG < $F",
    3,
    /wrong passphrase/,
  );
  await refused("$SV receive $TO copy $OPENS < /dev/null", 7, /it is not one/);
  await refused("$SV receive $FROM main $OPENS < $F", 5, /there is one already/);
  await refused("$SV receive $FROM#main copy $OPENS < $F", 2, /name the vault without/);
  await refused("$SV send $FROM tuesday $OPENS > $F.no", 4, /Cannot find snapshot/);
  await refused("$SV send $FROM monday --resume abc $OPENS > $F.no", 2, /Cannot read the token/);

  await refused("head -c 2000000 $F | $SV receive $FROM copy $OPENS", 7, /is kept/);
  await world.ok("receive", world.medium, "copy", "--abandon", ...world.opens);
  const again = await world.run("receive", world.medium, "copy", "--resume-token", ...world.opens);
  assert.equal(again.code, 4);
  await world.ok("check", world.medium, ...world.opens);
});

Deno.test("cli: a vault keeps raw snapshots that it cannot read, and gives them back", async () => {
  const { world, other } = await twoVaults();
  await using _ = world;
  const env = { FROM: world.medium, TO: other, F: world.path("stream") };
  const line = async (text: string) => {
    const { code, stderr } = await shell(world, text, env);
    assert.equal(code, 0, stderr);
  };
  await put(world, "/plan", "first ".repeat(50_000));
  await world.ok("snapshot", "create", world.medium, "monday", ...world.opens);
  await line("$SV send $FROM monday --raw $OPENS | $SV receive $TO kept --raw $OPENS");
  await put(world, "/more", "second");
  await world.ok("snapshot", "create", world.medium, "tuesday", ...world.opens);
  await line(
    "$SV send $FROM tuesday --from monday --raw $OPENS | $SV receive $TO kept --raw $OPENS",
  );
  const rows = await world.json<{ name: string; ownBytes: number; referencedBytes: number }[]>(
    "snapshot",
    "list",
    `${other}#kept`,
    ...world.opens,
  );
  assert.deepEqual(rows.map(({ name }) => name), ["monday", "tuesday"]);
  assert.ok(
    rows[0].ownBytes < 100_000 && rows[0].referencedBytes > 300_000,
    "what is common is shared",
  );
  await world.ok("snapshot", "delete", `${other}#kept`, "monday", "--yes", ...world.opens);
  await world.ok("check", other, ...world.opens);
  await line("$SV send $TO#kept tuesday --raw $OPENS | $SV receive $FROM back --raw $OPENS");
  await line(
    "$SV send $FROM#back tuesday --open $OPENS > $F && $SV receive $FROM restored $OPENS < $F",
  );
  const restored = `${world.medium}#restored`;
  assert.equal(await world.ok("cat", restored, "/plan", ...world.opens), "first ".repeat(50_000));
  assert.equal(await world.ok("cat", restored, "/more", ...world.opens), "second");
  const refused = await shell(world, "$SV send $TO#kept tuesday --open $OPENS > /dev/null", env);
  assert.equal(refused.code, 3, refused.stderr);
  const unasked = await shell(
    world,
    "$SV send $TO#kept tuesday --raw $OPENS | $SV receive $FROM x $OPENS",
    env,
  );
  assert.equal(unasked.code, 3);
  assert.match(unasked.stderr, /say --raw if it was sent so/);
});

Deno.test("cli: a locked file arrives locked, under its own passphrase", async () => {
  const { world, other, shared } = await twoVaults();
  await using _ = world;
  await put(world, "/diary", "my secret ".repeat(9000));
  const extra = ["--lock-passphrase-file", await world.secret("extra", "its own\n")];
  await world.ok("lock", world.medium, "/diary", ...extra, ...world.opens);
  await world.ok("snapshot", "create", world.medium, "monday", ...world.opens);
  const env = { FROM: world.medium, TO: other, KEY: shared.join(" ") };
  const line = "$SV send $FROM monday $OPENS $KEY | $SV receive $TO copy $OPENS $KEY";
  const carried = await shell(world, line, env);
  assert.equal(carried.code, 0, carried.stderr);
  const copy = `${other}#copy`;
  const denied = await world.run("cat", copy, "/diary", ...world.opens);
  assert.equal(denied.code, 3);
  await world.ok("unlock", copy, "/diary", ...extra, ...world.opens);
  assert.equal(await world.ok("cat", copy, "/diary", ...world.opens), "my secret ".repeat(9000));
  await world.ok("check", other, ...world.opens);
});
