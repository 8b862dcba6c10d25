import assert from "node:assert/strict";
import { CliWorld } from "./cli_run.ts";
import { PythonSession } from "../support/python_session.ts";
import { mountedTest } from "./mount_point.ts";

const WRONG = 3;

async function denies(action: () => unknown, code = "EACCES"): Promise<void> {
  await assert.rejects(async () => void await action(), { code });
}

Deno.test("cli: lock, unlock and shred on a medium", async () => {
  await using world = await CliWorld.open();
  const { medium, opens } = world;
  await world.create();
  const diary = await world.secret("diary", "dear diary");
  const extra = ["--lock-passphrase-file", await world.secret("extra", "battery staple\n")];
  const wrong = ["--lock-passphrase-file", await world.secret("wrong", "guess\n")];
  await world.ok("put", medium, diary, "/diary", ...opens);
  await world.ok("snapshot", "create", medium, "before", ...opens);
  assert.equal(await world.ok("lock", medium, "/diary", ...opens, ...extra), "locked /diary\n");
  assert.match(await world.ok("ls", "-l", medium, ...opens), /diary \(locked\)/);
  assert.match(await world.ok("info", medium, ...opens), /locked files +1\n/);
  const over = await world.run("put", medium, diary, "/diary", ...opens);
  assert.equal(over.code, WRONG);
  assert.match(over.stderr, /it is locked; unlock it first/);
  assert.match(await world.ok("ls", "-l", medium, ...opens), /diary \(locked\)/);
  const reading = await world.run("cat", medium, "/diary", ...opens);
  assert.equal(reading.code, WRONG);
  assert.match(reading.stderr, /locked or shredded; unlock the file first/);
  assert.equal((await world.run("cat", `${medium}#@before`, "/diary", ...opens)).code, WRONG);
  const guess = await world.run("unlock", medium, "/diary", ...opens, ...wrong);
  assert.equal(guess.code, WRONG);
  assert.match(guess.stderr, /wrong passphrase/);
  const again = await world.run("lock", medium, "/diary", ...opens, ...extra);
  assert.match(again.stderr, /locked already/);
  const later = await world.run("unlock", medium, "/diary", ...opens, ...extra, "--until-umount");
  assert.match(later.stderr, /not mounted/);
  const report = await world.json("unlock", medium, "/diary", ...opens, ...extra);
  assert.deepEqual(report, { verb: "unlock", path: "/diary", overwritten: null });
  assert.equal(await world.ok("cat", medium, "/diary", ...opens), "dear diary");
  const unasked = await world.run("shred", medium, "/diary", ...opens);
  assert.notEqual(unasked.code, 0);
  await world.ok("shred", medium, "/diary", ...opens, "--yes");
  assert.equal(await world.ok("ls", medium, ...opens), "");
  assert.equal((await world.run("cat", `${medium}#@before`, "/diary", ...opens)).code, WRONG);
  const nowhere = await world.run("lock", diary, ...extra);
  assert.match(nowhere.stderr, /in no mount/);
});

mountedTest(
  "a file is locked inside a mount: for everybody, through open files and snapshots too",
  async (world, mnt) => {
    const { medium, opens } = world;
    const extra = ["--lock-passphrase-file", await world.secret("extra", "battery staple\n")];
    const file = `${mnt}/diary`;
    const content = new TextEncoder().encode("dear diary ".repeat(10_000));
    await Deno.writeFile(file, content);
    await world.ok("snapshot", "create", mnt, "before");
    const old = `${mnt}/.snapshots/before/diary`;
    const handles = [await Deno.open(file, { read: true, write: true }), await Deno.open(old)];
    const buffer = new Uint8Array(100);
    for (const handle of handles) assert.equal(await handle.read(buffer), 100);
    await world.ok("lock", file, ...extra);
    assert.match(await world.ok("ls", "-l", mnt), /diary \(locked\)\n/);
    for (const path of [file, old]) await denies(() => Deno.readFile(path));
    await denies(() => Deno.open(file, { write: true }));
    await denies(() => Deno.truncate(file, 1));
    for (const handle of handles) {
      await handle.seek(0, Deno.SeekMode.Start);
      await denies(() => handle.read(buffer));
    }
    await denies(() => handles[0].write(buffer));
    for (const handle of handles) handle.close();
    assert.equal((await Deno.stat(file)).size, content.length);
    await Deno.rename(file, `${mnt}/moved`);
    await Deno.chmod(`${mnt}/moved`, 0o600);
    await Deno.link(`${mnt}/moved`, file);
    await Deno.remove(`${mnt}/moved`);
    await world.ok("unlock", mnt, "/diary", ...extra, "--until-umount");
    for (const path of [file, old]) assert.deepEqual(await Deno.readFile(path), content);
    await denies(() => Deno.open(file, { write: true }));
    await world.ok("umount", mnt);
    await world.ok("mount", medium, mnt, "--background", ...opens);
    await denies(() => Deno.readFile(file));
    await world.ok("unlock", file, ...extra);
    for (const path of [file, old]) assert.deepEqual(await Deno.readFile(path), content);
    await Deno.writeTextFile(file, "changed");
    await world.ok("begin", mnt);
    const refused = await world.run("lock", file, ...extra);
    assert.match(refused.stderr, /a transaction is open/);
    await world.ok("commit", mnt);
    await world.ok("shred", file, "--yes");
    await assert.rejects(Deno.stat(file), Deno.errors.NotFound);
    await denies(() => Deno.readFile(old));
    await world.ok("umount", mnt);
    await world.ok("check", medium, ...opens);
  },
);

mountedTest(
  "what is mapped, run or copied inside the kernel is locked too, and a change in a map is in it",
  async (world, mnt) => {
    const extra = ["--lock-passphrase-file", await world.secret("extra", "battery staple\n")];
    const program = `${mnt}/program`;
    await Deno.writeTextFile(program, "#!/bin/sh\necho runs\n", { mode: 0o755 });
    await Deno.writeTextFile(`${mnt}/mapped`, "before ".repeat(2000));
    {
      await using python = new PythonSession(mnt);
      await python.run(
        "f = open('mapped', 'r+b'); m = mmap.mmap(f.fileno(), 0); m[0:6] = b'inside'",
      );
      await world.ok("lock", `${mnt}/mapped`, ...extra);
      await world.ok("lock", program, ...extra);
      assert.equal(await python.run("print(os.pread(f.fileno(), 6, 0))"), "EACCES");
      await python.run("t = open('target', 'wb')");
      const copy = "os.copy_file_range(f.fileno(), t.fileno(), 10, 0, 0)";
      assert.equal(await python.run(copy), "EACCES");
      // Its pages are gone, and no others come: SIGBUS.
      await assert.rejects(python.run("print(m[0:6])"), /python has ended/);
    }
    await denies(() => new Deno.Command(program).output(), "EACCES");
    await world.ok("unlock", `${mnt}/mapped`, ...extra);
    assert.match(await Deno.readTextFile(`${mnt}/mapped`), /^inside before/);
  },
);

async function attribute(...args: string[]): Promise<string> {
  const command = new Deno.Command(args[0], { args: args.slice(1), env: { LC_ALL: "C" } });
  const { code, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return code === 0 ? decoder.decode(stdout).trim() : decoder.decode(stderr).trim();
}

mountedTest(
  "setfattr locks, unlocks and opens a file, and keeps no passphrase",
  async (world, mnt) => {
    const { medium, opens } = world;
    const file = `${mnt}/diary`;
    const set = (what: string, passphrase: string, path = file) =>
      attribute("setfattr", "-n", `user.sigmavault.${what}`, "-v", passphrase, path);
    const state = () =>
      attribute(
        "getfattr",
        "--only-values",
        "--absolute-names",
        "-n",
        "user.sigmavault.lock",
        file,
      );
    await Deno.writeTextFile(file, "dear diary");
    await world.ok("snapshot", "create", mnt, "before");
    assert.match(await state(), /No such attribute/);
    assert.equal(await set("lock", "battery staple"), "");
    assert.equal(await state(), "locked");
    await denies(() => Deno.readTextFile(file));
    assert.match(await set("lock", "another"), /resource busy/);
    assert.match(await set("unlock", "wrong"), /Permission denied/);
    assert.match(await set("other", "x"), /not supported/);
    assert.match(await set("lock", "x", mnt), /not supported/);
    assert.match(
      await set("unlock", "x", `${mnt}/.snapshots/before/diary`),
      /Read-only|Permission denied/,
    );
    assert.equal(await set("open", "battery staple"), "");
    assert.equal(await state(), "open");
    assert.equal(await Deno.readTextFile(file), "dear diary");
    assert.equal(await set("lock", "unused"), "");
    await denies(() => Deno.readTextFile(file));
    assert.equal(await set("unlock", "battery staple"), "");
    assert.equal(await Deno.readTextFile(file), "dear diary");
    assert.equal(await attribute("getfattr", "--absolute-names", "-d", file), "");
    await world.ok("umount", mnt);
    await world.ok("check", medium, ...opens);
  },
);

Deno.test("cli: locks ask before they touch free cells of a dense vault", async () => {
  await using world = await CliWorld.open();
  const { medium, opens } = world;
  await world.create("--dense", "--size", "40M");
  const diary = await world.secret("diary", "dear diary");
  await world.ok("put", medium, diary, "/diary", ...opens);
  const extra = ["--lock-passphrase-file", await world.secret("extra", "battery staple\n")];
  const lock = ["lock", medium, "/diary", "--free-cells", ...opens, ...extra];
  const refused = await world.run(...lock);
  assert.equal(refused.code, 5);
  assert.match(refused.stderr, /a hidden vault in them would be lost/);
  assert.equal(await world.ok("cat", medium, "/diary", ...opens), "dear diary");
  await world.ok(...lock, "--yes");
  await world.ok("unlock", medium, "/diary", ...opens, ...extra);
  await world.ok("shred", medium, "/diary", ...opens, "--yes");
  await world.ok("check", medium, ...opens);
});

Deno.test("cli: a file of a shreddable directory is shredded, in a snapshot too, and no other is", async () => {
  await using world = await CliWorld.open();
  await world.create("--dense", "--size", "32M");
  const { medium, opens } = world;
  await world.ok("mkdir", medium, "/drafts", ...opens);
  const made = await world.json<{ shreddable: boolean }>("shreddable", medium, "/drafts", ...opens);
  assert.equal(made.shreddable, true);
  await Deno.writeTextFile(world.path("text"), "a draft ".repeat(9000));
  await world.ok("put", medium, world.path("text"), "/drafts/a", ...opens);
  await world.ok("put", medium, world.path("text"), "/drafts/b", ...opens);
  await world.ok("snapshot", "create", medium, "monday", ...opens);
  await world.ok("shred", medium, "/drafts/a", "--yes", ...opens);
  const denied = await world.run("cat", `${medium}#@monday`, "/drafts/a", ...opens);
  assert.equal(denied.code, 3, denied.stderr);
  assert.equal(
    await world.ok("cat", `${medium}#@monday`, "/drafts/b", ...opens),
    "a draft ".repeat(9000),
  );
  const off = await world.ok("shreddable", medium, "/drafts", "--off", ...opens);
  assert.equal(off, "/drafts is not shreddable\n");
  await world.ok("check", medium, ...opens);
});

mountedTest(
  "a directory is marked shreddable through an attribute, and on a mount",
  async (world, mnt) => {
    const { medium, opens } = world;
    const attributed = (...args: string[]) =>
      attribute(...args, "-n", "user.sigmavault.shreddable");
    const shown = () => attributed("getfattr", "--only-values", "--absolute-names", `${mnt}/d`);
    const set = (value: string, path = `${mnt}/d`) => attributed("setfattr", "-v", value, path);
    await Deno.mkdir(`${mnt}/d`);
    await Deno.writeTextFile(`${mnt}/file`, "x");
    assert.match(await shown(), /No such attribute/);
    assert.equal(await set("on"), "");
    assert.equal(await shown(), "on");
    assert.match(await set("maybe"), /Invalid argument/);
    assert.match(await set("on", `${mnt}/file`), /Not a directory/);
    await Deno.mkdir(`${mnt}/d/below`);
    const file = `${mnt}/d/below/draft`;
    await Deno.writeTextFile(file, "a draft ".repeat(9000));
    await Deno.writeTextFile(`${file} that stays`, "short");
    await world.ok("snapshot", "create", mnt, "before");
    await world.ok("shred", file, "--yes");
    await assert.rejects(Deno.stat(file), Deno.errors.NotFound);
    await denies(() => Deno.readFile(`${mnt}/.snapshots/before/d/below/draft`));
    assert.equal(await Deno.readTextFile(`${file} that stays`), "short");
    assert.match(await world.ok("shreddable", `${mnt}/d`, "--off"), /is not shreddable/);
    assert.match(await shown(), /No such attribute/);
    await world.ok("umount", mnt);
    await world.ok("check", medium, ...opens);
  },
);
