/** volume and snapshot on a mount that another process serves. */
import assert from "node:assert/strict";
import { mountedTest } from "./mount_point.ts";

mountedTest("volumes and snapshots of a mount need no secret", async (world, mnt) => {
  const shell = async (script: string) => {
    const { success } = await new Deno.Command("sh", { args: ["-euc", script], cwd: mnt }).output();
    assert.ok(success, script);
  };
  await shell(`echo first > file; touch "$(printf 'odd\\377')"`);
  assert.equal(await world.ok("snapshot", "create", mnt, "one"), "made snapshot main@one\n");
  await Deno.writeTextFile(`${mnt}/file`, "second");
  await shell("mv odd* odder");
  assert.equal(
    await world.ok("snapshot", "diff", mnt, "one"),
    "M\t/file\nR\t/odd\ufffd\t/odder\n",
  );
  assert.equal(await world.ok("cat", `${mnt}#@one`, "/file"), "first\n");
  assert.equal(await world.ok("cat", `${mnt}#main`, "/file"), "second");
  assert.equal((await world.run("mkdir", `${mnt}#@one`, "/d")).code, 3);
  assert.equal((await world.run("ls", `${mnt}#@two`)).code, 4);
  await world.ok("snapshot", "clone", mnt, "one", "copy");
  const shown = await world.run("ls", `${mnt}#copy`);
  assert.equal(shown.code, 5);
  assert.match(shown.stderr, /shows another one; unmount it first/);
  assert.equal((await world.run("snapshot", "rollback", mnt, "one")).code, 2);
  await world.ok("snapshot", "rollback", mnt, "one", "--yes");
  assert.equal(await Deno.readTextFile(`${mnt}/file`), "first\n");
  await world.ok("volume", "delete", mnt, "copy", "--yes");
  assert.equal((await world.run("volume", "delete", mnt, "main", "--yes")).code, 5);
  const { volumes } = await world.json<{ volumes: { name: string }[] }>("info", mnt);
  assert.deepEqual(volumes.map(({ name }) => name), ["main"]);
  await world.ok("snapshot", "prune", `${mnt}#main`, "--keep", "yearly=1");
  await world.ok("umount", mnt);
  assert.match(await world.ok("check", world.medium, ...world.opens), /^clean/);
});
