import assert from "node:assert/strict";
import { CliWorld } from "./cli_run.ts";

interface Entry {
  readonly path: string;
  readonly kind: string;
  readonly bytes: number;
  readonly mode: string;
  readonly modified: string;
  readonly target?: string;
}

/** A tree with what `put` must keep. */
async function makeTree(world: CliWorld): Promise<string> {
  const tree = world.path("tree");
  await Deno.mkdir(`${tree}/deep/er`, { recursive: true });
  await Deno.writeTextFile(`${tree}/hello.txt`, "hello\n");
  await Deno.writeFile(`${tree}/deep/big`, new Uint8Array(3_000_001).map((_, i) => i * 7 ^ i >> 9));
  await Deno.writeTextFile(`${tree}/deep/er/run.sh`, "#!/bin/sh\n");
  await Deno.chmod(`${tree}/deep/er/run.sh`, 0o750);
  await Deno.symlink("../hello.txt", `${tree}/deep/link`);
  await Deno.symlink("nowhere", `${tree}/dangling`);
  await Deno.link(`${tree}/hello.txt`, `${tree}/same.txt`);
  await Deno.writeTextFile(`${tree}/name with "quotes" and ünïcode`, "");
  await Deno.utime(`${tree}/hello.txt`, new Date(1_500_000_000_000), new Date(1_400_000_000_000));
  await Deno.chmod(`${tree}/deep`, 0o711);
  return tree;
}

Deno.test("cli: create, put, look, get: trees come back with modes, times and links", async () => {
  await using world = await CliWorld.open();
  const { medium, opens } = world;
  const created = await world.json<{ medium: string; dense: boolean }>(
    "create",
    medium,
    "--passphrase-file",
    world.passphraseFile,
  );
  assert.deepEqual([created.medium, created.dense], [medium, false]);
  const tree = await makeTree(world);
  const stored = await world.json<{ files: number; directories: number; symlinks: number }>(
    "put",
    medium,
    tree,
    ...opens,
  );
  assert.deepEqual([stored.files, stored.directories, stored.symlinks], [5, 3, 2]);

  const listed = await world.json<Entry[]>("ls", medium, "/tree", ...opens);
  const names = listed.map(({ path }) => path);
  assert.deepEqual(names, [
    "/tree/dangling",
    "/tree/deep",
    "/tree/hello.txt",
    '/tree/name with "quotes" and ünïcode',
    "/tree/same.txt",
  ]);
  assert.deepEqual(listed.map(({ kind }) => kind), [
    "symlink",
    "directory",
    "file",
    "file",
    "file",
  ]);
  assert.equal(listed[0].target, "nowhere");
  assert.equal(listed[1].mode, "0711");
  assert.equal(listed[2].modified, new Date(1_400_000_000_000).toISOString());
  assert.equal(await world.ok("cat", medium, "/tree/hello.txt", ...opens), "hello\n");
  assert.match(await world.ok("tree", medium, ...opens), /├── deep\/\n {4}│ {3}├── big\n/);

  await world.ok("get", medium, "/tree", world.path("copy"), ...opens);
  const diff = await new Deno.Command("diff", {
    args: ["--recursive", "--no-dereference", tree, world.path("copy")],
  }).output();
  assert.ok(diff.success);
  const [first, second] = ["hello.txt", "same.txt"].map((name) =>
    Deno.lstatSync(`${world.path("copy")}/${name}`)
  );
  assert.equal(first.ino, second.ino);
  assert.equal(first.mtime?.getTime(), 1_400_000_000_000);
  assert.equal(Deno.lstatSync(`${world.path("copy")}/deep/er/run.sh`).mode! & 0o7777, 0o750);
});

Deno.test("cli: mkdir, mv, rm and put change what is there, and refuse what cannot be", async () => {
  await using world = await CliWorld.open();
  const { medium, opens } = world;
  await world.create();
  await world.ok("mkdir", medium, "/a/b/c", "--parents", ...opens);
  await world.ok("put", medium, world.passphraseFile, "/a/file", ...opens);
  await world.ok("mv", medium, "/a/file", "/a/b/", ...opens);
  await world.ok("mv", medium, "/a/b/file", "/a/b/renamed", ...opens);
  const listed = await world.json<Entry[]>("ls", medium, "/a/b", ...opens);
  assert.deepEqual(listed.map(({ path }) => path), ["/a/b/c", "/a/b/renamed"]);

  const refused = async (code: number, text: RegExp, ...args: string[]) => {
    const result = await world.run(...args, ...opens);
    assert.equal(result.code, code, result.stderr);
    assert.match(result.stderr, text);
    assert.equal(result.stdout, "");
  };
  await refused(2, /"\/a": a directory; use --recursive/, "rm", medium, "/a");
  await refused(4, /^sigmavault: Cannot .*"\/none"/, "cat", medium, "/none");
  await refused(5, /^sigmavault: Cannot make directory "\/a"/, "mkdir", medium, "/a");
  await refused(4, /no directory "\/x"/, "put", medium, world.passphraseFile, "/x/y");
  await refused(4, /no such file/, "put", medium, world.path("none"));
  await world.ok("rm", medium, "/a", "--recursive", ...opens);
  assert.deepEqual(await world.json<Entry[]>("ls", medium, ...opens), []);
  const checked = await world.json<{ ok: boolean; files: number }>("check", medium, ...opens);
  assert.deepEqual([checked.ok, checked.files], [true, 0]);
});

Deno.test("cli: check ends with 7 where a block is damaged, and names the file", async () => {
  await using world = await CliWorld.open();
  const { medium, opens } = world;
  await world.create();
  await Deno.writeFile(world.path("data"), new Uint8Array(8 << 20).fill(1));
  await world.ok("put", medium, world.path("data"), ...opens);
  {
    // Nothing on the medium says where the file lies; flipping bits all over hits it, and perhaps a node.
    using file = await Deno.open(medium, { read: true, write: true });
    const byte = new Uint8Array(1);
    const { size } = await file.stat();
    for (let at = 12 << 20; at < size; at += 256 << 10) {
      await file.seek(at, Deno.SeekMode.Start);
      if (await file.read(byte) === null) break;
      byte[0] ^= 1;
      await file.seek(at, Deno.SeekMode.Start);
      await file.write(byte);
    }
  }
  const { code, stdout, stderr } = await world.run("check", medium, ...opens, "--json");
  assert.equal(code, 7, stderr);
  if (stdout === "") return assert.match(stderr, /^sigmavault: Cannot /);
  const report = JSON.parse(stdout) as { ok: boolean; problems: { kind: string }[] };
  assert.equal(report.ok, false);
  assert.ok(report.problems.some(({ kind }) => kind === "damaged"));
});

Deno.test("cli: put leaves the vault's own medium out, and its root cannot be removed", async () => {
  await using world = await CliWorld.open();
  const { medium, opens } = world;
  await world.ok("create", medium, "--passphrase-file", world.passphraseFile);
  await Deno.symlink(medium, world.path("link.sv"));
  const stored = await world.run("put", world.path("link.sv"), world.folder, "/all", ...opens);
  assert.equal(stored.code, 0);
  assert.match(stored.stderr, /left out ".*vault\.sv"/);
  const names = (await world.ok("ls", medium, "/all", ...opens)).split("\n");
  assert.deepEqual(names.slice(0, 2), [`link.sv -> ${medium}`, "passphrase"]);
  for (const args of [["rm", medium, "/", "--recursive"], ["mv", medium, "/", "/all/x"]]) {
    const refused = await world.run(...args, ...opens);
    assert.deepEqual([refused.code, /it is the root/.test(refused.stderr)], [2, true]);
  }
  assert.match(await world.ok("cat", medium, "/all/passphrase", ...opens), /^correct horse/);
});

Deno.test("cli: put and get keep holes", async () => {
  await using world = await CliWorld.open();
  const { medium, opens } = world;
  await world.ok("create", medium, "--passphrase-file", world.passphraseFile);
  const bytes = 64 * 1024 * 1024;
  {
    using file = await Deno.open(world.path("sparse"), { write: true, createNew: true });
    await file.seek(bytes / 2, Deno.SeekMode.Start);
    await file.write(new TextEncoder().encode("in the middle"));
    await file.truncate(bytes);
  }
  await world.ok("put", medium, world.path("sparse"), ...opens);
  assert((await Deno.stat(medium)).size < bytes);
  await world.ok("get", medium, "/sparse", world.path("back"), ...opens);
  const back = await Deno.stat(world.path("back"));
  assert.equal(back.size, bytes);
  if (back.blocks !== null) assert(back.blocks * 512 < bytes / 8);
  assert.deepEqual(
    await Deno.readFile(world.path("back")),
    await Deno.readFile(world.path("sparse")),
  );
});

Deno.test("cli: a create that fails leaves nothing behind", async () => {
  await using world = await CliWorld.open();
  const { medium } = world;
  const empty = await world.secret("empty", "\n");
  const failing = [
    ["--passphrase-file", empty],
    ["--passphrase-file", world.passphraseFile, "--block-size", "3"],
    ["--passphrase-file", world.passphraseFile, "--dense"],
    ["--passphrase-file", world.passphraseFile, "--size", "4000T"],
  ];
  for (const options of failing) {
    const { code, stderr } = await world.run("create", medium, ...options);
    assert.equal(code, 2, stderr);
    await assert.rejects(Deno.stat(medium), Deno.errors.NotFound);
  }
});

Deno.test("cli: a put that fills the vault leaves whole files only, and says how many", async () => {
  await using world = await CliWorld.open();
  const { medium, opens } = world;
  await world.create("--size", "32M");
  await Deno.mkdir(world.path("tree"));
  const content = new Uint8Array(1 << 20).fill(1);
  await Deno.writeFile(world.path("tree/a"), content);
  await Deno.writeFile(world.path("tree/b"), content);
  await Deno.writeFile(world.path("tree/c"), new Uint8Array(48 << 20).fill(2));
  const full = await world.run("put", medium, world.path("tree"), ...opens);
  assert.equal(full.code, 6, full.stderr);
  assert.match(full.stderr, /the vault is full.*; 2 files before it are whole\n$/);
  assert.equal(await world.ok("ls", medium, "/tree", ...opens), "a\nb\n");
  assert.equal((await world.json<{ ok: boolean }>("check", medium, ...opens)).ok, true);
});
