import assert from "node:assert/strict";
import type { CheckReport } from "../../core/vault/check_report.ts";
import { CliWorld, readUntil } from "./cli_run.ts";
import { mountTest } from "./mount_point.ts";

/** The process that serves a mount, as the kernel's list of sockets of this user would show it. */
async function serverOf(
  world: CliWorld,
): Promise<{ pid: number; arguments: string; environment: string }> {
  for await (const { name } of Deno.readDir("/proc")) {
    const line = await Deno.readTextFile(`/proc/${name}/cmdline`).catch(() => "");
    if (!line.includes("--report-ready") || !line.includes(world.medium)) continue;
    const environment = await Deno.readTextFile(`/proc/${name}/environ`);
    return { pid: Number(name), arguments: line, environment };
  }
  throw new Error("no process serves the mount");
}

mountTest(
  "a background mount answers through its socket and unmounts clean",
  async (world, mnt) => {
    const { medium, opens } = world;
    const mounted = await world.json<{ mountpoint: string; readOnly: boolean }>(
      "mount",
      medium,
      mnt,
      "--background",
      ...opens,
    );
    assert.deepEqual([mounted.mountpoint, mounted.readOnly], [mnt, false]);
    const server = await serverOf(world);
    assert.ok(!server.arguments.includes("battery"), "no secret in the arguments");
    assert.ok(!server.environment.includes("battery"), "no secret in the environment");
    const names = [...Deno.readDirSync(world.path("sigmavault"))].map(({ name }) => name).sort();
    assert.match(names.join(), /^(\w+)\.lock,\1\.sock$/);
    for (const name of names) {
      assert.equal(Deno.lstatSync(world.path(`sigmavault/${name}`)).mode! & 0o777, 0o600);
    }
    assert.equal(Deno.lstatSync(world.path("sigmavault")).mode! & 0o777, 0o700);

    await world.ok("put", mnt, world.passphraseFile, "/note");
    assert.equal(await Deno.readTextFile(`${mnt}/note`), "correct horse battery\n");
    assert.equal(await world.ok("ls", mnt, "/"), "note\n");
    const info = await world.json<{ mounted: boolean; mountpoint: string }>("info", mnt);
    assert.deepEqual([info.mounted, info.mountpoint], [true, mnt]);
    assert.equal((await world.json<unknown[]>("key", "list", mnt)).length, 1);
    assert.equal((await world.json<{ ok: boolean }>("check", mnt)).ok, true);
    assert.equal((await world.run("info", medium, ...opens)).code, 5);
    assert.equal((await world.run("mount", medium, mnt, ...opens)).code, 5);
    assert.equal((await world.run("resize-nothing", mnt)).code, 2);
    assert.equal(await world.ok("umount", mnt), `unmounted ${mnt}\n`);
    assert.deepEqual([...Deno.readDirSync(mnt)], []);
    assert.deepEqual([...Deno.readDirSync(world.path("sigmavault"))], []);
    assert.equal(await world.ok("cat", medium, "/note", ...opens), "correct horse battery\n");
    assert.equal((await world.run("umount", mnt)).code, 4);
  },
);

mountTest(
  "a foreground mount says when it is ready, and SIGTERM loses nothing",
  async (world, mnt) => {
    const { medium, opens } = world;
    const child = world.command(["--allow-all"], ["mount", medium, mnt, ...opens]).spawn();
    const reader = child.stdout.getReader();
    assert.equal(await readUntil(reader, "\n"), `mounted ${medium} on ${mnt}\n`);
    await Deno.writeTextFile(`${mnt}/unsynced`, "still in memory");
    child.kill("SIGTERM");
    assert.equal((await child.status).code, 0);
    await reader.cancel();
    await child.stderr.cancel();
    assert.equal(await world.ok("cat", medium, "/unsynced", ...opens), "still in memory");
  },
);

mountTest("what is still in use can be cut off after it was asked to go", async (world, mnt) => {
  await world.ok("mount", world.medium, mnt, "--background", ...world.opens);
  using file = await Deno.open(`${mnt}/held`, { write: true, create: true });
  assert.equal((await world.run("umount", mnt)).code, 5);
  assert.equal(await world.ok("umount", mnt, "--force"), `unmounted ${mnt}\n`);
  await assert.rejects(() => file.write(new Uint8Array(1)));
  await world.ok("check", world.medium, ...world.opens);
});

mountTest("a killed mount is cleaned up by umount, and by the next mount", async (world, mnt) => {
  const { medium, opens } = world;
  const mount = () => world.ok("mount", medium, mnt, "--background", ...opens);
  await mount();
  await Deno.writeTextFile(`${mnt}/file`, "x");
  await world.ok("ls", mnt);
  Deno.kill((await serverOf(world)).pid, "SIGKILL");
  for (const verb of [["info", mnt], ["snapshot", "create", mnt, "x"], ["compact", mnt]]) {
    const { code, stderr } = await world.run(...verb, ...opens);
    assert.equal(code, 6, verb[0]);
    assert.match(stderr, /a mount has died there; run "sigmavault umount"/);
  }
  assert.equal(await world.ok("umount", mnt), `cleaned up the dead mount on ${mnt}\n`);
  assert.deepEqual([...Deno.readDirSync(world.path("sigmavault"))], []);
  await mount();
  Deno.kill((await serverOf(world)).pid, "SIGKILL");
  await mount();
  await world.ok("umount", mnt);
});

mountTest(
  "check reads what a killed mount left in the intent log, and writes nothing",
  async (world, mnt) => {
    const { medium, opens } = world;
    await world.ok("mount", medium, mnt, "--background", ...opens);
    for (const name of ["one", "two"]) {
      using file = await Deno.create(`${mnt}/${name}`);
      await file.write(new Uint8Array(30_000).fill(7));
      await file.sync();
    }
    Deno.kill((await serverOf(world)).pid, "SIGKILL");
    await world.ok("umount", mnt);
    const before = await Deno.readFile(medium);
    const report = await world.json<CheckReport>("check", medium, ...opens);
    assert.deepEqual([report.ok, report.files, report.unread], [true, 2, 0]);
    assert.ok(report.bytes >= 60_000);
    assert.deepEqual(await Deno.readFile(medium), before);
  },
);

mountTest("mount fails with a reason: wrong secret, no mount point", async (world, mnt) => {
  const wrong = await world.secret("wrong", "nope");
  const opens = ["--passphrase-file", wrong, "--kdf", "interactive"];
  for (const background of [[], ["--background"]]) {
    const denied = await world.run("mount", world.medium, mnt, ...opens, ...background);
    assert.equal(denied.code, 3, denied.stderr);
    assert.match(
      denied.stderr,
      /^sigmavault: Cannot open vault .*wrong passphrase or not a vault\n$/,
    );
  }
  const nowhere = await world.run("mount", world.medium, `${mnt}/none`, ...world.opens);
  assert.equal(nowhere.code, 4, nowhere.stderr);
});

mountTest("what mount(8) passes: mount-helper with options, read-only", async (world, mnt) => {
  const options = `rw,ro,noauto,passphrase-file=${world.passphraseFile},x-systemd.automount`;
  await world.ok("mount-helper", world.medium, mnt, "-o", options);
  const written = Deno.writeTextFile(`${mnt}/x`, "");
  await assert.rejects(written, /[Rr]ead-only/);
  await world.ok("umount", mnt);
});

mountTest("one of several volumes is mounted by its name", async (world, mnt) => {
  const { medium, opens } = world;
  await world.ok("volume", "create", medium, "photos", ...opens);
  const missing = await world.run("mount", `${medium}#nothing`, mnt, "--background", ...opens);
  assert.equal(missing.code, 4, missing.stderr);
  await world.ok("mount", `${medium}#photos`, mnt, "--background", ...opens);
  await Deno.writeTextFile(`${mnt}/inside`, "text");
  await world.ok("snapshot", "create", mnt, "one");
  assert.equal(await Deno.readTextFile(`${mnt}/.snapshots/one/inside`), "text");
  await world.ok("umount", mnt);
  assert.equal(await world.ok("ls", `${medium}#photos`, ...opens), "inside\n");
  assert.equal(await world.ok("ls", medium, ...opens), "");
});

mountTest("all volumes are mounted as directories", async (world, mnt) => {
  const { medium, opens } = world;
  const set = ["--set", "compression=zstd,quota-files=50", "--block-size", "64K"];
  await world.ok("volume", "create", medium, "logs", ...set, ...opens);
  assert.match(
    await world.ok("volume", "list", medium, ...opens),
    /^logs .* block-size=64 KiB zstd quota-files=1\/50$/m,
  );
  for (const wrong of [[`${medium}#logs`, mnt], [medium, mnt, "--keep", "daily=3"]]) {
    const refused = await world.run("mount", ...wrong, "--all-volumes", ...opens);
    assert.equal(refused.code, 2, refused.stderr);
    assert.match(refused.stderr, /^sigmavault: Cannot mount all volumes with/);
  }
  await world.ok("mount", medium, mnt, "--background", "--all-volumes", ...opens);
  await Deno.writeTextFile(`${mnt}/logs/log`, "line\n".repeat(100_000));
  await Deno.writeTextFile(`${mnt}/main/file`, "text");
  await world.ok("volume", "create", mnt, "more");
  assert.deepEqual([...Deno.readDirSync(mnt)].map(({ name }) => name).sort(), [
    "logs",
    "main",
    "more",
  ]);
  const begun = await world.run("begin", mnt);
  assert.equal(begun.code, 5, begun.stderr);
  assert.match(begun.stderr, /this mount shows all volumes; mount the one that is meant/);
  const rows = await world.json<{ name: string; inodes: number; referencedBytes: number }[]>(
    "volume",
    "list",
    mnt,
  );
  assert.deepEqual(rows.map(({ name, inodes }) => [name, inodes]), [
    ["main", 2],
    ["logs", 2],
    ["more", 1],
  ]);
  assert.ok(rows[1].referencedBytes < 100_000);
  await world.ok("umount", mnt);
  assert.equal(await world.ok("cat", medium, "/file", ...opens), "text");
});

mountTest(
  "two that mount on one place at the same time: one does, and says so",
  async (world, mnt) => {
    await world.create();
    const other = world.path("other");
    await world.ok("create", other, "--passphrase-file", world.passphraseFile);
    const media = [world.medium, other];
    const both = await Promise.all(
      media.map((medium) => world.run("mount", medium, mnt, "--background", ...world.opens)),
    );
    assert.deepEqual(both.map(({ code }) => code).sort(), [0, 5]);
    await world.ok("umount", mnt);
    assert.doesNotMatch(Deno.readTextFileSync("/proc/mounts"), new RegExp(` ${mnt} `));
  },
  { open: CliWorld.open },
);
