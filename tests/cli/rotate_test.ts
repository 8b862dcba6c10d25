import assert from "node:assert/strict";
import { CliWorld } from "./cli_run.ts";

interface Info {
  readonly epoch: number;
  readonly olderEpochs: readonly number[];
  readonly keySlots: readonly { readonly slot: number; readonly label: string }[];
}

Deno.test("cli: key rotate keeps the slots whose secrets are presented, and names those it drops", async () => {
  await using world = await CliWorld.open();
  await world.create();
  const { medium, opens } = world;
  const anna = await world.secret("anna", "Anna's own words\n");
  const gone = await world.secret("gone", "soon forgotten\n");
  await world.ok("key", "add", medium, ...opens, "--label", "Anna", "--new-passphrase-file", anna);
  await world.ok("key", "add", medium, ...opens, "--label", "Eve", "--new-passphrase-file", gone);
  const made = JSON.parse(
    await world.ok("key", "add", medium, ...opens, "--mode", "recovery", "--json"),
  );
  const code = await world.secret("code", `${made.recoveryCode}\n`);
  const text = await world.secret("text", "some words");
  await world.ok("put", medium, text, "/text", ...opens);

  const keep = ["--keep-passphrase-file", anna, "--keep-recovery-code-file", code];
  const unasked = await world.run("key", "rotate", medium, ...opens, ...keep);
  assert.equal(unasked.code, 5);
  assert.match(unasked.stderr, /drops 1 key slot: 2 \(user "Eve"\)/);
  const wrong = await world.secret("wrong", "opens nothing\n");
  const mistyped = await world.run(
    ...["key", "rotate", medium, ...opens, "--yes"],
    ...["--keep-passphrase-file", wrong],
  );
  assert.equal(mistyped.code, 3);
  const untouched: Info = JSON.parse(await world.ok("info", medium, ...opens, "--json"));
  assert.deepEqual([untouched.epoch, untouched.olderEpochs, untouched.keySlots.length], [1, [], 4]);

  const rotated = await world.run("key", "rotate", medium, ...opens, ...keep, "--yes", "--json");
  assert.equal(rotated.code, 0, rotated.stderr);
  assert.match(rotated.stderr, /drops 1 key slot: 2 \(user "Eve"\)/);
  const { epoch, kept, dropped, finished } = JSON.parse(rotated.stdout);
  assert.deepEqual({ epoch, kept, dropped, finished }, {
    epoch: 2,
    kept: [0, 1, 3],
    dropped: [2],
    finished: false,
  });
  for (
    const secret of [opens, ["--passphrase-file", anna, "--kdf", "interactive"], [
      "--recovery-code-file",
      code,
    ]]
  ) {
    assert.equal(await world.ok("cat", medium, "/text", ...secret), "some words");
  }
  const dead = ["--passphrase-file", gone, "--kdf", "interactive"];
  assert.equal((await world.run("info", medium, ...dead)).code, 3);
  const after: Info = JSON.parse(await world.ok("info", medium, ...opens, "--json"));
  assert.deepEqual([after.epoch, after.olderEpochs], [2, []]);
  assert.deepEqual(after.keySlots.map(({ label }) => label), ["", "Anna", ""]);
  await world.ok("check", medium, ...opens);
});
