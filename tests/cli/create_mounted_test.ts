import assert from "node:assert/strict";
import type { Host } from "../../core/command/host.ts";
import type { MadeReport } from "../../core/command/make_vault.ts";
import { buildProgram, type StartInBackground } from "../../core/command/program.ts";
import { VaultError } from "../../core/errors.ts";
import { denoHost } from "../../ffi/host/deno_host.ts";
import { CliWorld, readUntil } from "./cli_run.ts";
import { mountTest } from "./mount_point.ts";
import { TerminalRun } from "./terminal_run.ts";

const empty = { topic: "create --mount", open: () => CliWorld.open() };

interface Report {
  medium: string;
  mode: string;
  mountpoint: string;
  readOnly: boolean;
  recoveryCode?: string;
}

/** Everything of this vault that `create` takes a word about. */
const ORDER = ["--block-size", "64K", "--redundancy", "1+1", "--label", "-x y", "--recovery-code"];

async function checkOrder(world: CliWorld, code: string): Promise<void> {
  const info = await world.ok("info", world.medium, ...world.opens);
  assert.match(info, /1\+1/);
  assert.match(info, /64 KiB/);
  const slots = await world.json<{ label: string }[]>(
    ...["key", "list", world.medium, ...world.opens],
  );
  assert.deepEqual(slots.map(({ label }) => label), ["-x y", "recovery code"]);
  const file = await world.secret("code", code);
  assert.equal(await world.ok("ls", world.medium, "--recovery-code-file", file), "note\n");
}

mountTest(
  "in the foreground: made, told with its recovery code, served, unmounted",
  async (world, mnt) => {
    const { medium, passphraseFile } = world;
    const args = ["create", medium, "--mount", mnt, "--passphrase-file", passphraseFile, ...ORDER];
    const child = world.command(["--allow-all"], args).spawn();
    const reader = child.stdout.getReader();
    const shown = await readUntil(reader, "\nmounted ");
    const code = /^created .*\nrecovery code, shown only now: (\S+)\n.*\nmounted /.exec(shown)?.[1];
    assert.ok(code !== undefined, shown);
    await Deno.writeTextFile(`${mnt}/note`, "unsynced");
    assert.equal(await world.ok("ls", mnt), "note\n");
    child.kill("SIGTERM");
    assert.equal((await child.status).code, 0);
    await reader.cancel();
    assert.equal(await new Response(child.stderr).text(), "");
    assert.equal(await world.ok("cat", medium, "/note", ...world.opens), "unsynced");
    await checkOrder(world, code);
    assert.equal((await world.json<{ ok: boolean }>("check", medium, ...world.opens)).ok, true);
  },
  empty,
);

mountTest("in the background, with one report of both", async (world, mnt) => {
  const { medium, passphraseFile } = world;
  const secret = ["--passphrase-file", passphraseFile];
  const { recoveryCode = "", ...report } = await world.json<Report & { mediumBytes: number }>(
    ...["create", medium, "--mount", mnt, "--background", ...secret, ...ORDER],
  );
  assert.deepEqual([report.medium, report.mountpoint], [medium, mnt]);
  assert.deepEqual([report.mode, report.readOnly], ["user", false]);
  assert.match(
    await world.ok("info", mnt),
    /this device +has seen root/,
    "a crash would find it noted",
  );
  await Deno.writeTextFile(`${mnt}/note`, "text");
  await world.ok("umount", mnt);
  await checkOrder(world, recoveryCode);
}, empty);

mountTest("a device opens what it has made, dense and in the background", async (world, mnt) => {
  const dense = ["--dense", "--size", "48M", "--mode", "device"];
  const told = await world.ok("create", world.medium, "--mount", mnt, "--background", ...dense);
  assert.match(told, /^created .*: 48 MiB, opened by this device\nmounted .*\n$/);
  await Deno.writeTextFile(`${mnt}/note`, "text");
  await world.ok("umount", mnt);
  assert.equal(await world.ok("ls", world.medium, "--device"), "note\n");
}, empty);

mountTest(
  "a person is asked once, and a file is overwritten when they agree",
  async (world, mnt) => {
    await Deno.writeTextFile(world.medium, "something dear");
    const options = ["--mount", mnt, "--background", "--force"];
    const run = new TerminalRun(world, ["create", world.medium, ...options]);
    await run.type("Overwrite it? [y/N] ", "y\r");
    await run.type("New passphrase: ", "horse\r");
    await run.type("again: ", "horse\r");
    const { code, shown } = await run.end();
    assert.equal(code, 0, shown);
    assert.match(shown, /mounted /);
    assert.ok(!shown.includes("Passphrase of"), shown);
    await world.ok("umount", mnt);
  },
  empty,
);

mountTest(
  "what cannot be mounted, or is there, is refused before anything is written",
  async (world, mnt) => {
    const { passphraseFile, medium } = world;
    const link = world.path("link");
    await Deno.symlink(passphraseFile, link);
    const create = async (name: string, ...options: string[]) => {
      const { code, stderr, stdout } = await world.run(
        ...["create", name, "--passphrase-file", passphraseFile, ...options],
      );
      assert.equal(stdout, "");
      return [code, stderr.replaceAll(world.folder, "")];
    };
    for (const background of [[], ["--background"]]) {
      const on = (mountpoint: string) => ["--mount", mountpoint, ...background];
      const refused = [
        await create(medium, ...on(`${mnt}/none`)),
        await create(medium, ...on(link)),
        await create("memory:", ...on(mnt)),
      ];
      assert.deepEqual(refused, [
        [
          4,
          'sigmavault: Cannot mount on "/mnt/none": no such directory; make it first\n',
        ],
        [2, 'sigmavault: Cannot mount on "/link": it is no directory\n'],
        [
          2,
          'sigmavault: Cannot mount "memory:": memory is gone when the vault is made; name a file\n',
        ],
      ]);
    }
    assert.deepEqual((await create(medium, "--background"))[0], 2);
    await assert.rejects(Deno.stat(medium), Deno.errors.NotFound);
    await world.create("--mount", mnt, "--background");
    const other = world.path("other");
    assert.match(`${await create(other, "--mount", mnt)}`, /^5,.*a vault is mounted there/);
    await assert.rejects(Deno.stat(other), Deno.errors.NotFound);
    await world.ok("umount", mnt);
    assert.match(`${await create(medium, "--mount", mnt)}`, /^5,.*already; use --force/);
    assert.equal(await world.ok("ls", medium, ...world.opens), "");
  },
  empty,
);

/** Runs the program here, where mounting fails as soon as the vault is made: what it printed, and the failure. */
async function unmountable(
  world: CliWorld,
  mnt: string,
  how: string[],
): Promise<[string, unknown]> {
  const printed: string[] = [];
  const own = denoHost({ colours: false });
  const out = {
    ...own.out,
    write: (text: unknown) => Promise.resolve(void printed.push(`${text}`)),
  };
  const made: MadeReport = { mediumBytes: 1024, recoveryCode: "CODE" };
  const mount: Host["mount"] = async ({ making }) => {
    await making?.stretched;
    making?.made(made);
    throw new VaultError("unavailable", "Cannot mount");
  };
  const startInBackground: StartInBackground = async (_args, _secret, told) => {
    await told?.({ medium: "/absolute", dense: false, mode: "user", ...made });
    throw new VaultError("unavailable", "Cannot mount");
  };
  // A command goes on listening until its process ends.
  const host = { ...own, out, mount, onSignal: () => () => {} };
  const parts = { host, version: "", startInBackground };
  const program = buildProgram(parts, { out: "", err: "" });
  const secret = ["--passphrase-file", world.passphraseFile];
  const args = ["create", world.medium, "--mount", mnt, "--recovery-code", ...secret, ...how];
  const failure = await program.parseAsync(args, { from: "user" }).catch((error) => error);
  return [printed.join(""), failure];
}

Deno.test({
  name: "create --mount: what is made and cannot be mounted is told of, with its recovery code",
  sanitizeResources: false, // file I/O keeps libc open for the whole process
  async fn() {
    await using world = await CliWorld.open();
    for (const how of [[], ["--background"]]) {
      const [text, failure] = await unmountable(world, world.folder, how);
      assert.match(text, /^created .*\nrecovery code, shown only now: CODE\n.*\n$/);
      assert.deepEqual(failure, new VaultError("unavailable", "Cannot mount"));
      const [json] = await unmountable(world, world.folder, [...how, "--json"]);
      const { medium } = world;
      const told = { medium, mediumBytes: 1024, dense: false, mode: "user", recoveryCode: "CODE" };
      assert.deepEqual(JSON.parse(json), told);
    }
  },
});

mountTest("what cannot be made leaves nothing", async (world, mnt) => {
  const secret = ["--passphrase-file", world.passphraseFile];
  // No thread starts that could make it.
  const { folder } = world;
  const flags = [
    ...[`--allow-read=${folder}`, `--allow-write=${folder}`, "--allow-ffi", "--allow-net"],
    ...["--allow-sys=uid,gid", "--allow-env=XDG_RUNTIME_DIR,XDG_STATE_HOME,HOME"],
  ];
  const run = await world.runWith(flags, ["create", world.medium, "--mount", mnt, ...secret]);
  assert.match(run.stderr, /the serving thread failed/);
  const tooSmall = ["--dense", "--size", "1M", "--background"];
  const small = await world.run("create", world.medium, "--mount", mnt, ...secret, ...tooSmall);
  assert.equal(small.code, 2, small.stderr);
  assert.deepEqual([run.stdout, small.stdout], ["", ""]);
  await assert.rejects(Deno.stat(world.medium), Deno.errors.NotFound);
}, empty);
