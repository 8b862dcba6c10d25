/** Paths of a mount are paths of the vault: no symlink leads a verb out of it. */
import assert from "node:assert/strict";
import { mountedTest } from "./mount_point.ts";

mountedTest("a symlink leads no verb out of the vault", async (world, mnt) => {
  const outside = world.path("outside");
  await Deno.mkdir(outside);
  await Deno.writeTextFile(`${outside}/private`, "not the vault's");
  await Deno.writeTextFile(world.path("own"), "own");
  await Deno.symlink(outside, `${mnt}/out`);
  await Deno.symlink(`${outside}/private`, `${mnt}/file`);
  await Deno.mkdir(`${mnt}/in`);
  await Deno.symlink("in", `${mnt}/near`);
  await Deno.symlink("../../..", `${mnt}/in/up`);
  await Deno.symlink(`${mnt}/../outside`, `${mnt}/around`);
  await Deno.symlink("turn", `${mnt}/turn`);
  const left = [
    ["cat", mnt, "/in/up/private"],
    ["cat", mnt, "/around/private"],
    ["cat", mnt, "/turn/private"],
    ["put", mnt, world.path("own"), "/around/"],
    ["put", mnt, world.path("own"), "/out/"],
    ["put", mnt, world.path("own"), "/out/new"],
    ["get", mnt, "/out/private", world.path("got")],
    ["cat", mnt, "/out/private"],
    ["cat", mnt, "/file"],
    ["ls", mnt, "/out/"],
    ["rm", mnt, "/out/private"],
    ["mkdir", mnt, "/out/made", "--parents"],
    ["mv", mnt, "/out/private", "/in/"],
    ["mv", mnt, "/near", "/out/"],
  ];
  for (const args of left) {
    const { code, stdout, stderr } = await world.run(...args);
    assert.ok(code !== 0 || args[0] === "ls", `${args.join(" ")}: ${stdout}`);
    assert.ok(!`${stdout}${stderr}`.includes("not the vault's"), args.join(" "));
  }
  assert.deepEqual([...Deno.readDirSync(outside)].map(({ name }) => name), ["private"]);
  await world.ok("put", mnt, world.path("own"), "/near/");
  assert.equal(await world.ok("cat", mnt, "/near/own"), "own");
  await Deno.symlink("../near/../in", `${mnt}/in/back`);
  await Deno.symlink(`${mnt}/in`, `${mnt}/whole`);
  assert.equal(await world.ok("cat", mnt, "/in/back/own"), "own");
  assert.equal(await world.ok("cat", mnt, "/whole/own"), "own");
  await world.ok("put", mnt, world.path("own"), "/file");
  assert.equal(await Deno.readTextFile(`${mnt}/file`), "own");
  assert.equal(await Deno.readTextFile(`${outside}/private`), "not the vault's");
});

mountedTest("a file is got into what a symlink leads to, not into its name", async (world, mnt) => {
  await Deno.writeTextFile(`${mnt}/file`, "content");
  await Deno.writeTextFile(world.path("goal"), "older and longer");
  await Deno.symlink("goal", world.path("link"));
  await world.ok("get", mnt, "/file", world.path("link"));
  assert.equal(await Deno.readTextFile(world.path("goal")), "content");
  assert.ok((await Deno.lstat(world.path("link"))).isSymlink);
  const { code, stderr } = await world.run("get", mnt, "/file", "/dev/stdout");
  assert.equal(code, 2);
  assert.match(stderr, /use "cat"/);
});
