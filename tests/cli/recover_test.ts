import assert from "node:assert/strict";
import { SEGMENT_BYTES } from "../../core/limits.ts";
import type { RecoverReport } from "../../core/vault/recover.ts";
import { CliWorld } from "./cli_run.ts";

Deno.test("cli: a vault whose header is gone comes back from its key export, and nothing is overwritten", async () => {
  await using world = await CliWorld.open();
  const { medium, opens } = world;
  await world.create();
  await Deno.writeTextFile(world.path("note"), "kept");
  await world.ok("put", medium, world.path("note"), "/note", ...opens);
  const exported = await world.secret("export-passphrase", "for the day after\n");
  const fresh = await world.secret("fresh-passphrase", "a new beginning\n");
  const keys = world.path("vault.keys");
  const order = ["key", "export", medium, ...opens, "--new-passphrase-file", exported];
  const { code, stdout } = await world.command(["--allow-all"], order).output();
  assert.equal(code, 0);
  await Deno.writeFile(keys, stdout);
  await loseHeader(medium);
  assert.equal((await world.run("ls", medium, ...opens)).code, 3);
  const to = world.path("whole.sv");
  const secrets = [
    "--kdf",
    "moderate",
    "--passphrase-file",
    exported,
    "--new-passphrase-file",
    fresh,
  ];
  const recover = ["recover", medium, "--key-export", keys, "--to"];
  assert.equal((await world.run("recover", medium, "--key-export", keys)).code, 2);
  assert.equal((await world.run(...recover, world.path("note"), ...secrets)).code, 5);
  const wrong = ["--kdf", "moderate", "--passphrase-file", fresh, "--new-passphrase-file", fresh];
  assert.equal((await world.run(...recover, to, ...wrong)).code, 3);
  await assert.rejects(Deno.stat(to));
  const before = await Deno.readFile(medium);
  const report = await world.json<RecoverReport>(...recover, to, ...secrets);
  assert.deepEqual([report.how, report.volumes, report.lost], ["whole", ["main"], 0]);
  assert.deepEqual(await Deno.readFile(medium), before);
  const opensNow = ["--passphrase-file", fresh, "--kdf", "interactive"];
  assert.equal(await world.ok("cat", to, "/note", ...opensNow), "kept");
  assert.equal((await world.json<{ ok: boolean }>("check", to, ...opensNow)).ok, true);
});

/** Zeros both copies of the header, and the superblocks with them. */
async function loseHeader(path: string): Promise<void> {
  using file = await Deno.open(path, { write: true });
  await file.write(new Uint8Array(2 * SEGMENT_BYTES));
}
