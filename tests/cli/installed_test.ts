/** The program as `deno task install` makes it: each way in which it loads or starts a part of itself. */
import assert from "node:assert/strict";
import { install } from "../../examples/install.ts";
import { imageTest, loadedSharp, quarters } from "../support/sharp_images.ts";
import { CliWorld, CODE } from "./cli_run.ts";
import { mountTest } from "./mount_point.ts";

const { version }: { version: string } = JSON.parse(await Deno.readTextFile(`${CODE}deno.json`));

/** Installed once for all tests of this file; an apostrophe and a space may be in the way. */
let root: string | undefined;
let installed: Promise<string> | undefined;

function installedHere(): Promise<string> {
  root ??= Deno.realPathSync(Deno.makeTempDirSync({ prefix: "sv it's installed-" }));
  return installed ??= install(root);
}

addEventListener("unload", () => {
  if (root !== undefined) Deno.removeSync(root, { recursive: true });
});

/** A world whose program is installed. */
async function openInstalled(): Promise<CliWorld> {
  const program = await installedHere();
  const world = await CliWorld.open();
  world.program = program;
  return world;
}

async function storageConfig(world: CliWorld): Promise<string[]> {
  const file = world.path("storage.toml");
  const disk = `type = "local"\npath = "${world.path("files")}"\n`;
  await Deno.writeTextFile(file, `provider = "disk"\n[providers.disk]\n${disk}`);
  return ["--config", file];
}

Deno.test("installed: vaults are made, filled, read and checked, in both lanes", async () => {
  await using world = await openInstalled();
  assert.equal(await world.ok("--version"), `${version}\n`);
  await world.create();
  for (const lane of ["wasm", "native"]) {
    await world.ok("put", world.medium, world.program!, `/${lane}`, ...world.opens);
    const options = ["--crypto-lane", lane, ...world.opens];
    const read = await world.run("cat", world.medium, `/${lane}`, ...options);
    assert.deepEqual([read.stderr, read.stdout], ["", await Deno.readTextFile(world.program!)]);
  }
  assert.equal((await world.json<{ ok: boolean }>("check", world.medium, ...world.opens)).ok, true);
  const wrong = await world.run("ls", world.path("nothing"), ...world.opens);
  assert.deepEqual([wrong.code, wrong.stdout], [4, ""]);
});

Deno.test("installed: it takes the place of an older one, and leaves nothing else", async () => {
  await using world = await openInstalled();
  await Deno.writeTextFile(`${root}/lib/sigmavault/old.js`, "");
  assert.equal(await install(root!), world.program);
  const names = (folder: string) => [...Deno.readDirSync(`${root}/${folder}`)].map((it) => it.name);
  assert.deepEqual([names("lib"), names("bin")], [["sigmavault"], ["sigmavault"]]);
  assert.ok(!names("lib/sigmavault").includes("old.js"));
  assert.equal(await world.ok("--version"), `${version}\n`);
});

Deno.test("installed: storage loads its providers", async () => {
  await using world = await openInstalled();
  const config = await storageConfig(world);
  await world.ok("storage", "upload", world.program!, "a/program", ...config);
  assert.match(await world.ok("storage", "ls", "a/", ...config), / a\/program\n$/);
});

imageTest("installed: storage makes images smaller", await loadedSharp(), async (sharp) => {
  await using world = await openInstalled();
  const config = await storageConfig(world);
  const photo = world.path("photo.jpg");
  await Deno.writeFile(photo, await quarters(sharp, 40, 20).jpeg().toBuffer());
  const { code, stderr } = await world.run(
    ...["storage", "upload", photo, "small.webp", "--resize", "10x10", "--fit", "inside"],
    ...["--format", "webp", ...config],
  );
  assert.equal(code, 0, stderr);
  const { width, height } = await sharp(world.path("files/small.webp")).metadata();
  assert.deepEqual([width, height], [10, 5]);
});

mountTest(
  "a vault is made and mounted at once, and mounted in the background",
  async (world, mnt) => {
    const { medium, program, passphraseFile, opens } = world;
    await world.ok(
      ...["create", medium, "--mount", mnt, "--background", "--passphrase-file", passphraseFile],
    );
    await Deno.copyFile(program!, `${mnt}/copy`);
    await world.ok("umount", mnt);
    await world.ok("mount", medium, mnt, "--background", "--crypto-lane", "native", ...opens);
    assert.deepEqual(await Deno.readFile(`${mnt}/copy`), await Deno.readFile(program!));
    await world.ok("umount", mnt);
  },
  { topic: "installed", open: openInstalled },
);
