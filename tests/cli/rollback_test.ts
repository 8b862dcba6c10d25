import assert from "node:assert/strict";
import { join } from "node:path";
import { SEGMENT_BYTES } from "../../core/limits.ts";
import { CliWorld } from "./cli_run.ts";
import { mountTest } from "./mount_point.ts";

const WENT_BACK =
  /^sigmavault: Cannot open ".*": the medium went back in time: this device has seen root (\d+), noted 20\d\d-.*Z, and the newest root there is (\d+) of 20.*; if you put an older copy back yourself: --accept-rollback/;
const OTHER_HISTORY = /^sigmavault: Cannot open ".*": it is another history of this vault/;

interface Seen {
  readonly sequence: number;
  readonly remembered: { readonly sequence: number; readonly seen: string } | null;
}

/** The files in which this device remembers. */
async function records(world: CliWorld): Promise<string[]> {
  const directory = join(world.path("state"), "sigmavault", "memory");
  const names: string[] = [];
  for await (const { name } of Deno.readDir(directory)) names.push(join(directory, name));
  return names;
}

async function refused(world: CliWorld, message: RegExp, ...args: string[]): Promise<void> {
  const { code, stdout, stderr } = await world.run(...args);
  assert.deepEqual([code, stdout], [5, ""], stderr);
  assert.match(stderr, message);
}

Deno.test("cli: an older copy is refused by every verb that opens, until it is accepted", async () => {
  await using world = await CliWorld.open();
  const { medium, opens } = world;
  await world.create();
  await world.ok("mkdir", medium, "/old", ...opens);
  const older = world.path("older.sv");
  await Deno.copyFile(medium, older);
  await world.ok("mkdir", medium, "/new", ...opens);
  const { sequence, remembered } = await world.json<Seen>("info", medium, ...opens);
  assert.equal(remembered?.sequence, sequence);
  await Deno.copyFile(older, medium);
  for (const verb of [["info"], ["mkdir", "/x"]]) {
    const [name, ...rest] = verb;
    await refused(world, WENT_BACK, name, medium, ...rest, ...opens);
  }
  assert.equal(
    await world.ok("key", "list", medium, ...opens).then((text) => text.length > 0),
    true,
  );
  assert.equal(await world.ok("ls", medium, ...opens, "--no-memory"), "old/\n");
  await refused(world, WENT_BACK, "ls", medium, ...opens);
  assert.equal(await world.ok("ls", medium, ...opens, "--accept-rollback"), "old/\n");
  await world.ok("mkdir", medium, "/other", ...opens);
  assert.equal(await world.ok("ls", medium, ...opens), "old/\nother/\n");
});

Deno.test("cli: of two copies that were both written, the second is refused", async () => {
  await using world = await CliWorld.open();
  const { medium, opens } = world;
  await world.create();
  const copy = world.path("copy.sv");
  await Deno.copyFile(medium, copy);
  await world.ok("mkdir", medium, "/here", ...opens);
  for (const name of ["/a", "/b"]) {
    await world.ok("mkdir", copy, name, ...opens, "--no-memory");
  }
  await refused(world, OTHER_HISTORY, "ls", copy, ...opens);
  await world.ok("ls", medium, ...opens);
  await world.ok("ls", copy, ...opens, "--accept-rollback");
  const { code, stderr } = await world.run("ls", medium, ...opens);
  assert.equal(code, 5, stderr);
});

Deno.test("cli: superblocks put back alone are an older medium", async () => {
  await using world = await CliWorld.open();
  const { medium, opens } = world;
  await world.create();
  const header = new Uint8Array(2 * SEGMENT_BYTES);
  using file = await Deno.open(medium, { read: true, write: true });
  assert.equal(await file.read(header), header.length);
  await world.ok("mkdir", medium, "/a", ...opens, "--no-memory");
  const { sequence } = await world.json<Seen>("info", medium, ...opens);
  await file.seek(0, Deno.SeekMode.Start);
  await file.write(header);
  await refused(world, WENT_BACK, "ls", medium, ...opens);
  const back = await world.json<Seen>("info", medium, ...opens, "--accept-rollback");
  assert.ok(back.sequence < sequence);
});

Deno.test("cli: a memory that is older than the medium, absent or damaged alarms nobody", async () => {
  await using world = await CliWorld.open();
  const { medium, opens } = world;
  await world.create();
  const [record] = await records(world);
  const before = await Deno.readFile(record);
  await world.ok("mkdir", medium, "/a", ...opens);
  // As after a power cut between the root and the note of it.
  await Deno.writeFile(record, before);
  await world.ok("ls", medium, ...opens);
  assert.notDeepEqual(await Deno.readFile(record), before);
  await Deno.remove(record);
  await world.ok("ls", medium, ...opens);
  assert.deepEqual(await records(world), [record]);
  await Deno.writeFile(record, before.fill(7));
  const { code, stdout, stderr } = await world.run("ls", medium, ...opens);
  assert.deepEqual([code, stdout], [0, "a/\n"]);
  assert.match(
    stderr,
    /warning: Cannot read what this device remembers of .*authentication failed/,
  );
  await world.ok("ls", medium, ...opens);
});

Deno.test("cli: nothing is remembered with --no-memory, nor of a hidden vault", async () => {
  await using world = await CliWorld.open();
  const { medium } = world;
  await world.create("--no-memory", "--dense", "--size", "96M");
  const file = await world.secret("hidden", "nobody knows\n");
  const order = [
    "hidden",
    "create",
    medium,
    "--size",
    "24M",
    "--yes",
    "--new-passphrase-file",
    file,
  ];
  await world.ok(...order, ...world.opens);
  await world.ok("mkdir", medium, "/a", "--passphrase-file", file, "--kdf", "interactive");
  await world.ok("ls", medium, ...world.opens, "--no-memory");
  await assert.rejects(Deno.stat(world.path("state")), Deno.errors.NotFound);
  const { remembered } = await world.json<Seen>(
    "info",
    medium,
    "--passphrase-file",
    file,
    "--kdf",
    "interactive",
  );
  assert.equal(remembered, null);
});

mountTest(
  "a mount refuses an older copy, takes it when told to, and remembers",
  async (world, mnt) => {
    const { medium, opens } = world;
    const older = world.path("older.sv");
    await Deno.copyFile(medium, older);
    const mount = ["mount", medium, mnt, "--background", ...opens];
    await world.ok(...mount);
    await Deno.writeTextFile(join(mnt, "file"), "newer");
    await world.ok("umount", mnt);
    await Deno.copyFile(older, medium);
    await refused(world, WENT_BACK, ...mount);
    await world.ok(...mount, "--accept-rollback");
    const { sequence, remembered } = await world.json<Seen>("info", mnt);
    assert.ok(remembered !== null && remembered.sequence <= sequence);
    await world.ok("umount", mnt);
    assert.equal(await world.ok("ls", medium, ...opens), "");
  },
);
