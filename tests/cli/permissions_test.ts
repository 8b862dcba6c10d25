import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { CliWorld, CODE, readUntil } from "./cli_run.ts";
import { mountTest } from "./mount_point.ts";

/** Runs with exactly these flags, must succeed without a word on stderr. */
async function allowed(world: CliWorld, flags: string[], args: string[]): Promise<string> {
  const { code, stdout, stderr } = await world.runWith(flags, args);
  assert.deepEqual([code, stderr], [0, ""], args.join(" "));
  return stdout;
}

Deno.test("permissions: no flag at all for help, demo and bench", async () => {
  await using world = await CliWorld.open();
  for (
    const args of [["--version"], ["--help"], ["completions", "bash"], ["demo", "--size", "32M"]]
  ) {
    assert.notEqual(await allowed(world, [], args), "");
  }
});

Deno.test("permissions: create, put, get and check with the flags of the table", async () => {
  await using world = await CliWorld.open();
  const { medium, passphraseFile, opens } = world;
  const source = world.path("source");
  const target = world.path("target");
  await Deno.mkdir(source);
  await Deno.mkdir(target);
  await Deno.writeTextFile(join(source, "file"), "narrow");
  const read = `--allow-read=${medium},${passphraseFile}`;
  const write = `--allow-write=${medium}`;
  await allowed(world, [read, write], ["create", medium, "--passphrase-file", passphraseFile]);
  await allowed(world, [`${read},${source}`, write], ["put", medium, source, ...opens]);
  await allowed(world, [read], ["check", medium, ...opens]);
  await allowed(world, [read], ["ls", medium, ...opens]);
  await allowed(world, [read, write], ["mkdir", medium, "/d", ...opens]);
  const getFlags = [`${read},${target}`, `--allow-write=${target}`];
  await allowed(world, getFlags, ["get", medium, "/source/file", `${target}/`, ...opens]);
  assert.equal(await Deno.readTextFile(join(target, "file")), "narrow");
  const refused = await world.runWith([], ["ls", medium, ...opens]);
  assert.equal(refused.code, 3);
  assert.match(refused.stderr, /^sigmavault: Cannot .*--allow-read/);
});

Deno.test("permissions: volumes and snapshots with the flags of the table", async () => {
  await using world = await CliWorld.open();
  const { medium, passphraseFile, opens } = world;
  await world.create();
  const read = `--allow-read=${medium},${passphraseFile}`;
  const both = [read, `--allow-write=${medium}`];
  await allowed(world, both, ["snapshot", "create", medium, "one", ...opens]);
  await allowed(world, both, ["volume", "create", medium, "other", ...opens]);
  await allowed(world, both, ["mkdir", `${medium}#other`, "/d", ...opens]);
  assert.equal(await allowed(world, [read], ["ls", `${medium}#other`, ...opens]), "d/\n");
  assert.equal(await allowed(world, [read], ["ls", `${medium}#@one`, ...opens]), "");
  await allowed(world, [read], ["snapshot", "list", `${medium}#other`, ...opens]);
  assert.equal(await allowed(world, [read], ["snapshot", "diff", medium, "one", ...opens]), "");
  assert.match(await allowed(world, [read], ["volume", "list", medium, ...opens]), /\nother /);
  // Its report is on stderr.
  const sent = await world.command([read], ["send", medium, "one", ...opens]).output();
  assert.equal(sent.code, 0, new TextDecoder().decode(sent.stderr));
  const receiving = world.command(both, ["receive", medium, "copy", ...opens], { stdin: "piped" })
    .spawn();
  const writer = receiving.stdin.getWriter();
  await writer.write(sent.stdout);
  await writer.close();
  const { code, stderr } = await receiving.output();
  assert.deepEqual([code, new TextDecoder().decode(stderr)], [0, ""]);
  await allowed(world, both, ["volume", "delete", medium, "other", "--yes", ...opens]);
});

Deno.test("permissions: locks with the flags of the table", async () => {
  await using world = await CliWorld.open();
  const { medium, passphraseFile, opens } = world;
  await world.create();
  await world.ok("put", medium, passphraseFile, "/file", ...opens);
  const both = [`--allow-read=${medium},${passphraseFile}`, `--allow-write=${medium}`];
  const lock = ["--lock-passphrase-file", passphraseFile];
  await allowed(world, both, ["lock", medium, "/file", ...opens, ...lock]);
  await allowed(world, both, ["unlock", medium, "/file", ...opens, ...lock]);
  await allowed(world, both, ["shred", medium, "/file", "--yes", ...opens]);
});

Deno.test("permissions: a device remembers with the flags of the table, and is silent without them", async () => {
  await using world = await CliWorld.open();
  const { medium, passphraseFile, opens } = world;
  const state = world.path("state/sigmavault");
  const memory = join(state, "memory");
  const read = `--allow-read=${medium},${passphraseFile},${state}`;
  const write = `--allow-write=${medium}`;
  const env = "--allow-env=HOME,XDG_STATE_HOME";
  const create = ["create", medium, "--passphrase-file", passphraseFile];
  await allowed(world, [read, write, env], create);
  await assert.rejects(Deno.stat(memory), Deno.errors.NotFound);
  const flags = [read, `${write},${memory}`, env];
  await allowed(world, flags, ["ls", medium, ...opens]);
  assert.equal(Array.from(Deno.readDirSync(memory)).length, 1);
  await allowed(world, [read, write, env], ["mkdir", medium, "/d", ...opens]);
});

Deno.test("permissions: hidden create with the flags of the table", async () => {
  await using world = await CliWorld.open();
  const { medium, passphraseFile, opens } = world;
  await world.create("--dense", "--size", "80M");
  const hidden = await world.secret("hidden", "nobody knows");
  const flags = [`--allow-read=${medium},${passphraseFile},${hidden}`, `--allow-write=${medium}`];
  const order = ["hidden", "create", medium, "--size", "16M", "--yes", ...opens];
  await allowed(world, flags, [...order, "--new-passphrase-file", hidden]);
});

Deno.test("permissions: scrub, key export and recover with the flags of the table", async () => {
  await using world = await CliWorld.open();
  const { medium, passphraseFile, opens } = world;
  await world.create("--redundancy", "1+1", "--size", "64M");
  const read = `--allow-read=${medium},${passphraseFile}`;
  await allowed(world, [read, `--allow-write=${medium}`], ["scrub", medium, ...opens]);
  const [keys, to] = [world.path("keys"), world.path("recovered.sv")];
  const exporting = ["key", "export", medium, keys, ...opens];
  const newPassphrase = ["--new-passphrase-file", passphraseFile];
  await allowed(world, [read, `--allow-write=${keys}`], [...exporting, ...newPassphrase]);
  const recovering = ["recover", medium, "--key-export", keys, "--to", to, "--kdf", "moderate"];
  const flags = [`${read},${keys},${to}`, `--allow-write=${to}`];
  const secrets = ["--passphrase-file", passphraseFile, ...newPassphrase];
  await allowed(world, flags, [...recovering, ...secrets]);
});

Deno.test("permissions: a vault in a directory takes the same flags, and is not made over another", async () => {
  await using world = await CliWorld.open();
  const { passphraseFile } = world;
  const path = world.path("vault-files");
  const medium = `directory://${path}`;
  const secret = ["--passphrase-file", passphraseFile];
  const read = `--allow-read=${path},${passphraseFile}`;
  const write = `--allow-write=${path}`;
  await allowed(world, [read, write], ["create", medium, ...secret]);
  const again = await world.runWith([read, write], ["create", medium, ...secret]);
  assert.equal(again.code, 5, again.stderr);
  await allowed(world, [read, write], ["mkdir", medium, "/d", ...world.opens]);
  assert.equal(await allowed(world, [read], ["ls", medium, ...world.opens]), "d/\n");
  await allowed(world, [read], ["check", medium, ...world.opens]);
});

mountTest("create --mount with the flags of mount in the table", async (world, mnt) => {
  const { medium, passphraseFile } = world;
  const sockets = world.path("sigmavault");
  const name = createHash("sha256").update(mnt).digest("hex").slice(0, 32);
  const flags = [
    `--allow-read=${medium},${passphraseFile},${mnt},${CODE},${sockets},${world.folder}`,
    `--allow-write=${medium},${sockets}`,
    ...["--allow-ffi", "--allow-sys=uid,gid", "--allow-env=XDG_RUNTIME_DIR,XDG_STATE_HOME,HOME"],
    `--allow-net=unix:${sockets}/${name}.sock`,
  ];
  const secret = ["--passphrase-file", passphraseFile];
  const child = world.command(flags, ["create", medium, "--mount", mnt, ...secret]).spawn();
  const reader = child.stdout.getReader();
  assert.match(await readUntil(reader, "mounted "), /^created /);
  await world.ok("umount", mnt);
  assert.equal((await child.status).code, 0);
  await reader.cancel();
  assert.equal(await new Response(child.stderr).text(), "");
}, { topic: "permissions", open: () => CliWorld.open() });

mountTest("mount, info and umount with the flags of the table", async (world, mnt) => {
  const { medium, passphraseFile, opens } = world;
  const sockets = world.path("sigmavault");
  const name = createHash("sha256").update(mnt).digest("hex").slice(0, 32);
  const shared = [
    "--allow-ffi",
    "--allow-sys=uid,gid",
    "--allow-env=XDG_RUNTIME_DIR,XDG_STATE_HOME,HOME",
    `--allow-net=unix:${sockets}/${name}.sock`,
  ];
  const mountFlags = [
    `--allow-read=${medium},${passphraseFile},${mnt},${CODE},${sockets},${world.folder}`,
    `--allow-write=${medium},${sockets}`,
    ...shared,
  ];
  const child = world.command(mountFlags, ["mount", medium, mnt, ...opens]).spawn();
  const reader = child.stdout.getReader();
  assert.match(await readUntil(reader, "\n"), /^mounted /);
  const flags = [
    `--allow-read=${mnt},${sockets},${world.folder}`,
    `--allow-write=${sockets}`,
    ...shared,
  ];
  await allowed(world, flags, ["info", mnt]);
  await allowed(world, flags, ["snapshot", "create", mnt, "one"]);
  await allowed(world, flags, ["snapshot", "rollback", `${mnt}#main`, "one", "--yes"]);
  await Deno.writeTextFile(`${mnt}/locked`, "content");
  const lock = ["--lock-passphrase-file", passphraseFile];
  await allowed(world, flags, ["lock", `${mnt}/locked`, ...lock]);
  await allowed(world, flags, ["unlock", mnt, "/locked", ...lock]);
  const shredding = flags.with(1, `--allow-write=${sockets},${mnt}`);
  await allowed(world, shredding, ["shred", mnt, "/locked", "--yes"]);
  await allowed(world, flags, ["begin", mnt]);
  await allowed(world, flags, ["rollback", mnt]);
  const running = ["--allow-run=true", ...flags];
  await allowed(world, running, ["transaction", mnt, "--", "true"]);
  await allowed(world, flags, ["umount", mnt]);
  assert.equal((await child.status).code, 0);
  await reader.cancel();
  await child.stderr.cancel();
}, { topic: "permissions" });
