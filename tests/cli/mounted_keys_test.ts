import assert from "node:assert/strict";
import type { CliWorld } from "./cli_run.ts";
import { mountedTest } from "./mount_point.ts";

const slotsOf = async (world: CliWorld, mnt: string) =>
  (await world.json<{ slot: number; mode: string }[]>("key", "list", mnt))
    .map(({ slot, mode }) => `${slot} ${mode}`);

mountedTest("a mount's key slots change only for who knows a secret", async (world, mnt) => {
  const { opens } = world;
  const wrong = ["--passphrase-file", await world.secret("wrong", "nope"), "--kdf", "interactive"];
  const fresh = await world.secret("fresh", "second one");
  const adding = ["key", "add", mnt, "--new-passphrase-file", fresh];
  for (
    const verb of [
      adding,
      ["passwd", mnt, "--new-passphrase-file", fresh],
      ["key", "remove", mnt, "--slot", "0"],
      ["key", "export", mnt, world.path("none"), "--new-passphrase-file", fresh],
    ]
  ) {
    const denied = await world.run(...verb, ...wrong);
    assert.equal(denied.code, 3, denied.stderr);
    assert.doesNotMatch(denied.stderr, /nope|second one/);
  }
  assert.deepEqual(await slotsOf(world, mnt), ["0 user"]);
  await world.ok(...adding, ...opens);
  const code = await world.json<{ slot: number; recoveryCode: string }>(
    ...["key", "add", mnt, "--mode", "recovery", ...opens],
  );
  assert.deepEqual(await slotsOf(world, mnt), ["0 user", "1 user", "2 recovery"]);
  const codeFile = await world.secret("code", code.recoveryCode);
  await world.ok("key", "remove", mnt, "--slot", "1", "--recovery-code-file", codeFile);
  await world.ok("passwd", mnt, "--new-passphrase-file", fresh, ...opens);
  await world.ok("umount", mnt);
  assert.equal((await world.run("info", world.medium, ...opens)).code, 3);
  const info = await world.json<{ keySlots: { mode: string }[] }>(
    ...["info", world.medium, "--passphrase-file", fresh, "--kdf", "interactive"],
  );
  assert.deepEqual(info.keySlots.map(({ mode }) => mode).sort(), ["recovery", "user"]);
});

mountedTest(
  "a mount serves while a key is derived, and changes of slots queue",
  async (world, mnt) => {
    await Deno.writeTextFile(`${mnt}/file`, "x");
    let ended = 0, reads = 0;
    const adding = ["a", "b"].map(async (label) => {
      const secret = await world.secret(label, `one more: ${label}`);
      const args = ["--new-passphrase-file", secret, "--new-kdf", "moderate", ...world.opens];
      await world.ok("key", "add", mnt, "--label", label, ...args).finally(() => ended++);
    });
    while (ended < adding.length) {
      await Deno.readTextFile(`${mnt}/file`);
      reads++;
    }
    await Promise.all(adding);
    assert.ok(reads > 20, `${reads} reads while two keys were derived`);
    assert.deepEqual(await slotsOf(world, mnt), ["0 user", "1 user", "2 user"]);
  },
);

mountedTest("a mount gives backup and export, and takes a backup back", async (world, mnt) => {
  const { opens, medium } = world;
  const backup = world.path("backup"), exported = world.path("keys");
  await world.ok("header", "backup", mnt, backup);
  assert.equal((await Deno.stat(backup)).size, 184_320);
  assert.equal((await Deno.stat(backup)).mode! & 0o777, 0o600);
  const fresh = await world.secret("fresh", "second one");
  await world.ok("key", "export", mnt, exported, "--new-passphrase-file", fresh, ...opens);
  assert.equal((await Deno.stat(exported)).size, 4096);
  await world.ok("passwd", mnt, "--new-passphrase-file", fresh, ...opens);
  const stranger = ["--passphrase-file", fresh, "--kdf", "interactive"];
  assert.equal((await world.run("header", "restore", mnt, backup, ...stranger)).code, 3);
  await world.ok("header", "restore", mnt, backup, ...opens);
  await Deno.writeTextFile(`${mnt}/after`, "still served");
  await world.ok("umount", mnt);
  assert.equal(await world.ok("cat", medium, "/after", ...opens), "still served");
  // A backup of another vault does not come in, although its secret is right.
  await world.ok("create", world.path("other.sv"), "--passphrase-file", world.passphraseFile);
  await world.ok("header", "backup", world.path("other.sv"), backup, "--force", ...opens);
  await world.ok("mount", medium, mnt, "--background", ...opens);
  const refused = await world.run("header", "restore", mnt, backup, ...opens);
  assert.match(refused.stderr, /use a newer backup/);
  assert.equal(refused.code, 3);
  await world.ok("umount", mnt);
  assert.equal(await world.ok("cat", medium, "/after", ...opens), "still served");
});
