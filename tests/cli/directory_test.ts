/** Every verb on a vault in a directory of files. */
import assert from "node:assert/strict";
import type { InfoReport } from "../../core/command/info.ts";
import { CliWorld } from "./cli_run.ts";

/** Names and sizes of the files of a directory. */
function filesOf(path: string): Map<string, number> {
  const names = [...Deno.readDirSync(path)].map(({ name }) => name).sort();
  return new Map(names.map((name) => [name, Deno.statSync(`${path}/${name}`).size]));
}

Deno.test("cli: a vault in a directory: all verbs, and reading ones change no file", async () => {
  await using world = await CliWorld.open();
  const { opens, passphraseFile } = world;
  const path = world.path("files");
  const medium = `directory://${path}`;
  const other = await world.secret("other", "another secret");
  await world.ok("create", medium, "--passphrase-file", passphraseFile);
  const source = world.path("source");
  await Deno.mkdir(source);
  await Deno.writeFile(`${source}/big`, new Uint8Array(20_000_000).map((_, i) => i * 7 ^ i >> 9));
  await world.ok("put", medium, source, ...opens);
  await world.ok("mkdir", medium, "/d", ...opens);
  await world.ok("mv", medium, "/source/big", "/d/big", ...opens);
  const before = filesOf(path);
  await world.ok("check", medium, ...opens);
  assert.equal(await world.ok("ls", medium, ...opens), "d/\nsource/\n");
  await world.ok("get", medium, "/d/big", world.path("back"), ...opens);
  const { objects } = await world.json<InfoReport>("info", medium, ...opens);
  assert.match(await world.ok("info", medium, ...opens), /objects +\d+ objects of \d.* in use/);
  await world.ok("header", "backup", medium, world.path("backup"), ...opens);
  assert.deepEqual(filesOf(path), before);
  assert.ok(objects !== null && objects.liveBytes > 20_000_000);
  assert.ok(objects.objectBytes <= [...before.values()].reduce((sum, size) => sum + size));
  assert.deepEqual(await Deno.readFile(world.path("back")), await Deno.readFile(`${source}/big`));

  await world.ok("key", "add", medium, "--new-passphrase-file", other, ...opens);
  const second = ["--passphrase-file", other, "--kdf", "interactive"];
  assert.match(await world.ok("key", "list", medium, ...second), /user/);
  await world.ok("header", "restore", medium, world.path("backup"), ...opens);
  await world.ok("resize", medium, "--size", "64M", ...opens);
  await world.ok("rm", medium, "-r", "/d", "/source", ...opens);
  await world.ok("compact", medium, ...opens);
  await world.ok("check", medium, ...opens);
  const left = [...filesOf(path).values()].reduce((sum, size) => sum + size);
  assert.ok(left < 10_000_000, `${left} bytes are left`);
});

Deno.test("cli: what a vault in a directory cannot be, and damage to it, is said clearly", async () => {
  await using world = await CliWorld.open();
  const { opens, passphraseFile } = world;
  const path = world.path("files");
  const medium = `directory://${path}`;
  const dense = ["create", medium, "--dense", "--size", "64M", "--passphrase-file", passphraseFile];
  const refused = await world.run(...dense);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /never overwritten/);
  await world.ok("create", medium, "--passphrase-file", passphraseFile);
  const again = await world.run("create", medium, "--passphrase-file", passphraseFile);
  assert.equal(again.code, 5);
  assert.match(again.stderr, /holds a vault already/);
  const none = await world.run("ls", `directory://${world.path("none")}`, ...opens);
  assert.equal(none.code, 4);
  await world.ok("mkdir", medium, "/d", ...opens);
  const claim = [...filesOf(path).keys()].filter((name) => name.startsWith("writer-")).at(-1);
  const bytes = await Deno.readFile(`${path}/${claim}`);
  bytes[100] ^= 1;
  await Deno.writeFile(`${path}/${claim}`, bytes);
  const damage = /claim "writer-[0-9a-f]{16}" is damaged/;
  const changing = await world.run("mkdir", medium, "/e", ...opens);
  assert.equal(changing.code, 7);
  assert.match(changing.stderr, damage);
  const reading = await world.run("ls", medium, ...opens);
  assert.deepEqual([reading.code, reading.stdout], [0, "d/\n"]);
  assert.match(reading.stderr, damage);
  const checked = await world.run("check", medium, ...opens);
  assert.equal(checked.code, 7);
});
