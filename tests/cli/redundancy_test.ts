import assert from "node:assert/strict";
import type { InfoReport } from "../../core/command/info.ts";
import type { ScrubReport } from "../../core/vault/scrub.ts";
import { SparseBytes } from "../../backends/memory/sparse_bytes.ts";
import { KIND } from "../../core/format/seal_aad.ts";
import { CELL_BYTES, SEGMENT_BYTES } from "../../core/limits.ts";
import { MemoryStorage, openVault } from "../../mod.ts";
import { CliWorld } from "./cli_run.ts";
import { mountTest } from "./mount_point.ts";

/** Overwrites a whole segment of the medium, as a dead region of a disk does. */
async function loseSegment(path: string, segment: number): Promise<void> {
  using file = await Deno.open(path, { write: true });
  await file.seek(segment * SEGMENT_BYTES, Deno.SeekMode.Start);
  await file.write(new Uint8Array(SEGMENT_BYTES).fill(0xa5));
}

async function storeFile(world: CliWorld): Promise<Uint8Array> {
  const bytes = new Uint8Array(600_000).map((_, i) => i * 13 ^ i >> 7);
  await Deno.writeFile(world.path("file"), bytes);
  await world.ok("put", world.medium, world.path("file"), "/file", ...world.opens);
  return bytes;
}

/** Damages some shards of every data block. */
async function harmData(world: CliWorld, shards: readonly number[] = [0]): Promise<void> {
  const passphrase = new TextEncoder().encode("correct horse battery");
  const content = new SparseBytes();
  content.write(0, await Deno.readFile(world.medium));
  const vault = await openVault({
    medium: new MemoryStorage({ content }),
    passphrase,
    profiles: ["interactive"],
    readOnly: true,
  });
  const cells: number[] = [];
  vault.opened.volume.store.blocks.entries((_, { kind, places }) => {
    if (kind === KIND.data) cells.push(...shards.map((shard) => places[shard].cell));
  });
  await vault.close();
  using file = await Deno.open(world.medium, { write: true });
  for (const cell of cells) {
    await file.seek(cell * CELL_BYTES + 77, Deno.SeekMode.Start);
    await file.write(new Uint8Array(16).fill(0xa5));
  }
}

Deno.test("cli: a vault with redundancy reads around two lost segments", async () => {
  await using world = await CliWorld.open();
  const { medium, opens } = world;
  await world.create("--redundancy", "4+2", "--size", "64M");
  const made = await world.json<InfoReport>("info", medium, ...opens);
  assert.equal(made.blockBytes, 65536);
  assert.deepEqual(made.redundancy, {
    k: 4,
    m: 2,
    coversSegment: true,
    coversMember: false,
    repaired: 0,
    unrepaired: 0,
  });
  const bytes = await storeFile(world);
  const whole = await Deno.readFile(medium);
  for (const segment of [3, 5]) await loseSegment(medium, segment);
  const read = await world.run("get", medium, "/file", world.path("back"), ...opens);
  assert.equal(read.code, 0);
  assert.deepEqual(await Deno.readFile(world.path("back")), bytes);
  await Deno.writeFile(medium, whole);
  await harmData(world);
  const told = await world.run("get", medium, "/file", world.path("again"), ...opens);
  assert.equal(told.code, 0);
  assert.match(told.stderr, /read around damage .* not repaired/);
  assert.deepEqual(await Deno.readFile(world.path("again")), bytes);
});

Deno.test("cli: redundancy that cannot be is refused before anything is made", async () => {
  await using world = await CliWorld.open();
  const { medium, passphraseFile } = world;
  const tries = [["4+0"], ["4"], ["40+2"], ["8+2", "--block-size", "16K"]];
  for (const redundancy of tries) {
    const order = ["create", medium, "--passphrase-file", passphraseFile, "--redundancy"];
    const { code, stderr } = await world.run(...order, ...redundancy);
    assert.equal(code, 2, stderr);
    await assert.rejects(Deno.stat(medium));
  }
});

Deno.test("cli: scrub repairs what can be repaired, then names what cannot, and exits with 7", async () => {
  await using world = await CliWorld.open();
  const { medium, opens } = world;
  await world.create("--redundancy", "2+1", "--size", "64M");
  await storeFile(world);
  await harmData(world, [2]);
  const told = await world.run("scrub", medium, "--json", ...opens);
  assert.match(told.stderr, /repaired what the medium had damaged/);
  const first = JSON.parse(told.stdout) as ScrubReport;
  assert.deepEqual([first.ok, first.bad > 0, first.repaired, first.files], [true, true, true, []]);
  const { scrub } = await world.json<InfoReport>("info", medium, ...opens);
  assert.deepEqual([scrub?.underWay, scrub?.bad, scrub?.lost], [false, first.bad, 0]);
  assert.match(await world.ok("scrub", medium, "--rate", "500M", ...opens), /^sound: \d+ shards/);
  await harmData(world, [0, 1]);
  const { code, stdout, stderr } = await world.run("scrub", medium, ...opens);
  assert.equal(code, 7);
  assert.match(stdout, /^lost: \/file \(main\)\nlost: \d+ blocks?\n/);
  assert.match(stderr, /Cannot call .* sound: lost are \d+ blocks of 1 file/);
});

mountTest("a mount scrubs on demand and by its schedule", async (world, mnt) => {
  const { medium, opens } = world;
  await world.create("--redundancy", "1+1", "--size", "64M");
  const bytes = await storeFile(world);
  await harmData(world, [1]);
  await world.ok("mount", medium, mnt, "--background", "--scrub", "weekly", ...opens);
  let row = null;
  while (row === null || row.underWay) {
    row = (await world.json<InfoReport>("info", mnt)).scrub;
  }
  assert.ok(row.bad > 0);
  const again = await world.json<ScrubReport>("scrub", mnt, "--rate", "1G");
  assert.deepEqual([again.ok, again.bad, again.lost], [true, 0, 0]);
  await world.ok("scrub", mnt, "--background");
  assert.equal((await world.run("scrub", medium, "--background", ...opens)).code, 2);
  assert.deepEqual(await Deno.readFile(`${mnt}/file`), bytes);
  await world.ok("umount", mnt);
  assert.equal((await world.json<{ ok: boolean }>("check", medium, ...opens)).ok, true);
}, { open: CliWorld.open });

mountTest("a mount repairs what it reads, says so, and info counts it", async (world, mnt) => {
  const { medium, opens } = world;
  await world.create("--redundancy", "2+1", "--size", "64M");
  const bytes = await storeFile(world);
  const child = world.command(["--allow-all"], ["mount", medium, mnt, ...opens]).spawn();
  const output = child.output();
  while (await Deno.stat(`${mnt}/file`).catch(() => null) === null);
  await harmData(world);
  assert.deepEqual(await Deno.readFile(`${mnt}/file`), bytes);
  const { redundancy } = await world.json<InfoReport>("info", mnt);
  assert.ok(redundancy.repaired > 0);
  assert.equal(redundancy.unrepaired, 0);
  assert.match(await world.ok("info", mnt), /repairs +\d+ since it was opened/);
  await world.ok("umount", mnt);
  const { code, stderr } = await output;
  assert.equal(code, 0);
  assert.match(new TextDecoder().decode(stderr), /repaired what the medium had damaged: block/);
  assert.equal((await world.json<{ ok: boolean }>("check", medium, ...opens)).ok, true);
}, { open: CliWorld.open });
