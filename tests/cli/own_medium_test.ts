/** What verbs write on the machine never takes the place of the vault that they read. */
import assert from "node:assert/strict";
import { CliWorld } from "./cli_run.ts";
import { mountTest } from "./mount_point.ts";

async function refused(world: CliWorld, ...args: string[]): Promise<void> {
  const { code, stderr } = await world.run(...args);
  assert.equal(code, 2, `${args.join(" ")}: ${stderr}`);
  assert.match(stderr, /Cannot (copy to|write) ".*": it is the vault itself/);
}

/** Stores a file of the vault's own name, and one in a tree. */
async function filled(world: CliWorld): Promise<void> {
  await world.create();
  const tree = world.path("tree");
  await Deno.mkdir(tree);
  await Deno.writeTextFile(`${tree}/vault.sv`, "a file of the vault's name");
  await Deno.writeTextFile(`${tree}/z`, "another");
  await world.ok("put", world.medium, tree, ...world.opens);
  await world.ok("put", world.medium, `${tree}/vault.sv`, "/", ...world.opens);
}

Deno.test("cli: what is fetched, backed up or exported is not written over the vault", async () => {
  await using world = await CliWorld.open();
  await filled(world);
  const { medium, opens, folder } = world;
  const fresh = ["--new-passphrase-file", world.passphraseFile];
  await Deno.link(medium, world.path("second-name"));
  await Deno.symlink(medium, world.path("link"));
  await refused(world, "get", medium, "/vault.sv", folder, ...opens);
  for (const name of ["vault.sv", "second-name", "link"]) {
    await refused(world, "get", medium, "/tree/z", world.path(name), ...opens);
  }
  await Deno.remove(world.path("link"));
  await refused(world, "header", "backup", medium, medium, "--force", ...opens);
  await refused(world, "key", "export", medium, medium, "--force", ...fresh, ...opens);
  assert.equal(await world.ok("cat", medium, "/tree/z", ...opens), "another");
  await world.ok("check", medium, ...opens);
});

mountTest(
  "what is fetched or backed up from a mount is not written over its vault",
  async (world, mnt) => {
    const { medium, opens, folder } = world;
    await world.ok("mount", medium, mnt, "--background", ...opens);
    await Deno.writeTextFile(`${mnt}/vault.sv`, "small");
    await refused(world, "get", mnt, "/vault.sv", folder);
    await refused(world, "header", "backup", mnt, medium, "--force");
    await world.ok("umount", mnt);
    assert.equal(await world.ok("cat", medium, "/vault.sv", ...opens), "small");
  },
);
