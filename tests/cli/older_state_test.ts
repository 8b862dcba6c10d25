import assert from "node:assert/strict";
import { runCell } from "../../core/format/space_record.ts";
import { CELL_BYTES } from "../../core/limits.ts";
import { openVault } from "../../mod.ts";
import { CliWorld, readUntil } from "./cli_run.ts";
import { mountTest } from "./mount_point.ts";

const WARNING =
  /Cannot open the newest state of ".*vault\.sv": root \d+ is damaged; an older one is open/;

/** A vault whose newest root record has one wrong byte. */
async function damagedWorld(): Promise<CliWorld> {
  const world = await CliWorld.open();
  await world.create();
  await world.ok("mkdir", world.medium, "/a", ...world.opens);
  const passphrase = await Deno.readTextFile(world.passphraseFile);
  const vault = await openVault({
    medium: world.medium,
    passphrase: passphrase.trim(),
    readOnly: true,
  });
  const { root } = vault.opened.volume.store.inspect();
  assert.ok(root !== null);
  await vault.close();
  using file = await Deno.open(world.medium, { read: true, write: true });
  const at = runCell(root.runs[0]) * CELL_BYTES + 100;
  const byte = new Uint8Array(1);
  await file.seek(at, Deno.SeekMode.Start);
  await file.read(byte);
  byte[0] ^= 1;
  await file.seek(at, Deno.SeekMode.Start);
  await file.write(byte);
  return world;
}

Deno.test({
  name: "cli: a vault that opens below its newest root says so",
  sanitizeResources: false, // the library keeps libc open for the whole process
  async fn() {
    await using world = await damagedWorld();
    const refused = await world.run("ls", world.medium, ...world.opens);
    assert.equal(refused.code, 5, "this device has seen the newer one");
    assert.match(refused.stderr, /went back in time: .* newer roots are there and damaged: \d+/);
    for (const accepted of [["--no-memory"], ["--accept-rollback"], []]) {
      const { code, stderr } = await world.run("ls", world.medium, ...world.opens, ...accepted);
      assert.equal(code, 0, stderr);
      assert.match(stderr, WARNING);
    }
  },
});

mountTest("a mount of an older state says so", async (world, mnt) => {
  const args = ["mount", world.medium, mnt, "--accept-rollback", ...world.opens];
  const child = world.command(["--allow-all"], args).spawn();
  const [out, err] = [child.stdout.getReader(), child.stderr.getReader()];
  await readUntil(out, "mounted ");
  assert.match(await readUntil(err, "an older one is open"), WARNING);
  await world.ok("umount", mnt);
  await Promise.all([out.cancel(), err.cancel()]);
  await child.status;
}, { open: damagedWorld, sanitizeResources: false });
