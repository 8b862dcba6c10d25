/** Whoever ends a `create` that takes long finds nothing of it. */
import assert from "node:assert/strict";
import { CliWorld } from "./cli_run.ts";
import { mountTest } from "./mount_point.ts";

/** Takes longer to fill than a signal takes to arrive. */
const DENSE = ["--dense", "--size", "4G"];

/** Runs the CLI and ends it when the vault's file is there, or changes; returns its exit code and what it said. */
async function endedAtFirstByte(
  world: CliWorld,
  args: readonly string[],
  first: "create" | "modify" = "create",
): Promise<{ code: number; said: string }> {
  const watcher = Deno.watchFs(world.folder);
  const child = world.command(["--allow-all"], args).spawn();
  const output = child.output();
  for await (const { kind, paths } of watcher) {
    if (kind === first && paths.includes(world.medium)) break;
  }
  child.kill("SIGTERM");
  const { code, stdout, stderr } = await output;
  return { code, said: new TextDecoder().decode(new Uint8Array([...stdout, ...stderr])) };
}

Deno.test("cli: create that is interrupted leaves nothing", async () => {
  await using world = await CliWorld.open();
  const args = ["create", world.medium, "--passphrase-file", world.passphraseFile];
  const ended = await endedAtFirstByte(world, [...args, ...DENSE]);
  assert.deepEqual(ended, { code: 130, said: "" });
  await assert.rejects(Deno.lstat(world.medium), Deno.errors.NotFound);
  await world.create();
});

Deno.test("cli: create that is interrupted tells of what it does not remove", async () => {
  await using world = await CliWorld.open();
  await Deno.writeFile(world.medium, new Uint8Array());
  const args = ["create", world.medium, "--passphrase-file", world.passphraseFile];
  const { code, said } = await endedAtFirstByte(world, [...args, ...DENSE], "modify");
  assert.equal(code, 130);
  assert.match(said, /^sigmavault: warning: ".*" is left, unfinished: .* use --force\n$/);
  await world.ok(...args, "--force", "--yes");
});

for (const background of [[], ["--background"]]) {
  mountTest(
    ["create --mount", ...background, "that is interrupted leaves nothing"].join(" "),
    async (world, mnt) => {
      const args = ["create", world.medium, "--passphrase-file", world.passphraseFile, ...DENSE];
      const ended = await endedAtFirstByte(world, [...args, "--mount", mnt, ...background]);
      assert.deepEqual(ended, { code: 130, said: "" });
      await assert.rejects(Deno.lstat(world.medium), Deno.errors.NotFound);
      assert.deepEqual([...Deno.readDirSync(mnt)], []);
      await world.create();
      await world.ok("mount", world.medium, mnt, "--background", ...world.opens);
    },
    { open: CliWorld.open },
  );
}

/** Runs the CLI and ends it as soon as the kernel lists the mount. */
async function endedWhenListed(
  world: CliWorld,
  mnt: string,
  args: readonly string[],
  signals = 1,
) {
  const child = world.command(["--allow-all"], args).spawn();
  const output = child.output();
  const isListed = () => Deno.readTextFileSync("/proc/mounts").includes(` ${mnt} `);
  while (!isListed()) await new Promise((resolve) => setTimeout(resolve));
  for (let i = 0; i < signals; i++) child.kill("SIGTERM");
  const { code, stdout } = await output;
  return { code, stdout: new TextDecoder().decode(stdout) };
}

for (const verb of ["mount", "create --mount"]) {
  mountTest(
    `${verb} that is ended twice as soon as it is mounted leaves no dead mount point`,
    async (world, mnt) => {
      const { medium, passphraseFile } = world;
      if (verb === "mount") await world.create();
      const secret = ["--passphrase-file", passphraseFile];
      const args = verb === "mount"
        ? ["mount", medium, mnt, ...secret]
        : ["create", medium, ...secret, "--mount", mnt];
      for (let i = 0; i < 3; i++) {
        await endedWhenListed(world, mnt, [
          ...args,
          ...i > 0 && verb !== "mount" ? ["--force", "--yes"] : [],
        ], 3);
        assert.deepEqual([...Deno.readDirSync(mnt)], [], "the mount point is none any more");
      }
    },
    { open: CliWorld.open },
  );
}

for (const background of [[], ["--background"]]) {
  mountTest(
    ["what is mounted already when it is to end", ...background, "ends clean"].join(" "),
    async (world, mnt) => {
      const { medium, passphraseFile } = world;
      const create = ["create", medium, "--passphrase-file", passphraseFile, "--mount", mnt];
      const ended = await endedWhenListed(world, mnt, [
        ...[...create, ...background, "--recovery-code", "--json"],
      ]);
      assert.ok([0, 130].includes(ended.code), `${ended.code}`);
      const code = /"recoveryCode":"([^"]+)"/.exec(ended.stdout)?.[1];
      assert.ok(code !== undefined, "the recovery code is told");
      assert.deepEqual([...Deno.readDirSync(mnt)], [], "the mount point is none any more");
      const file = await world.secret("code", code);
      await world.ok("ls", medium, "--recovery-code-file", file);
    },
    { open: CliWorld.open },
  );
}

Deno.test("cli: create does not touch what somebody else puts there meanwhile", async () => {
  await using world = await CliWorld.open();
  const secret = ["--passphrase-file", world.passphraseFile];
  const racing = [0, 1].map(() =>
    world.run("create", world.medium, ...secret, "--recovery-code", "--json")
  );
  const done = (await Promise.all(racing)).sort((a, b) => a.code - b.code);
  assert.deepEqual(done.map(({ code }) => code), [0, 5]);
  assert.match(done[1].stderr, /it exists already|file of|in use/);
  await world.ok("ls", world.medium, ...world.opens);
});
