import assert from "node:assert/strict";
import { CliWorld, readUntil } from "./cli_run.ts";
import { mountTest } from "./mount_point.ts";

/** Options that open the hidden vault, and that protect it. */
interface Hidden {
  readonly opens: readonly string[];
  readonly protects: readonly string[];
}

/** A dense vault with a hidden one in it. */
async function hide(world: CliWorld): Promise<Hidden> {
  await world.create("--dense", "--size", "96M");
  const file = await world.secret("hidden", "nobody knows\n");
  const order = ["hidden", "create", world.medium, "--size", "24M", ...world.opens];
  const refused = await world.run(...order, "--new-passphrase-file", file);
  assert.equal(refused.code, 5);
  assert.match(refused.stderr, /is dense: this touches free cells, and a hidden vault in them/);
  const made = await world.ok(...order, "--new-passphrase-file", file, "--yes");
  assert.match(made, /^hidden in .*: .* MiB, opened by its passphrase\n/);
  return {
    opens: ["--passphrase-file", file, "--kdf", "interactive"],
    protects: ["--hidden-passphrase-file", file],
  };
}

Deno.test("cli: a hidden vault opens by its passphrase with every verb, and put can protect it", async () => {
  await using world = await CliWorld.open();
  const { medium } = world;
  const hidden = await hide(world);
  const note = await world.secret("note", "seen by nobody");
  await world.ok("put", medium, note, "/", ...hidden.opens);
  assert.equal(await world.ok("ls", medium, ...hidden.opens), "note\n");
  assert.equal(await world.ok("ls", medium, ...world.opens), "");
  await world.ok("put", medium, note, "/outer", ...world.opens, ...hidden.protects);
  assert.equal(await world.ok("cat", medium, "/note", ...hidden.opens), "seen by nobody");
  const kinds = [];
  for (const opens of [hidden.opens, world.opens]) {
    kinds.push((await world.json<{ hidden: boolean }>("info", medium, ...opens)).hidden);
    assert.match(await world.ok("check", medium, ...opens), /^clean/);
  }
  assert.deepEqual(kinds, [true, false]);
  const device = await world.run("key", "add", medium, "--mode", "device", ...hidden.opens);
  assert.match(device.stderr, /would prove that there is a hidden vault/);
});

Deno.test("cli: resizing a dense vault asks in the same words, whether or not one is hidden there", async () => {
  await using plain = await CliWorld.open();
  await plain.create("--dense", "--size", "96M");
  await using world = await CliWorld.open();
  await hide(world);
  const said = [];
  for (
    const { run, medium, opens, folder } of [plain, world].map((one) => ({
      run: (...args: string[]) => one.run(...args),
      medium: one.medium,
      opens: one.opens,
      folder: one.folder,
    }))
  ) {
    const { code, stderr } = await run("resize", medium, "--size", "100M", ...opens);
    assert.equal(code, 5);
    said.push(stderr.replaceAll(folder, ""));
  }
  assert.equal(said[0], said[1]);
  await plain.ok("resize", plain.medium, "--size", "100M", "--yes", ...plain.opens);
  await using sparse = await CliWorld.open();
  await sparse.create();
  await sparse.ok("resize", sparse.medium, "--size", "100M", ...sparse.opens);
});

mountTest(
  "a mount protects the hidden vault, in front and in the background",
  async (world, mnt) => {
    const { medium } = world;
    const hidden = await hide(world);
    const note = await world.secret("note", "seen by nobody");
    await world.ok("put", medium, note, "/", ...hidden.opens);
    const order = ["mount", medium, mnt, ...world.opens, ...hidden.protects];
    await world.ok(...order, "--background");
    await fill(`${mnt}/large`);
    await world.ok("umount", mnt);
    assert.equal(await world.ok("cat", medium, "/note", ...hidden.opens), "seen by nobody");

    const child = world.command(["--allow-all"], order).spawn();
    const reader = child.stdout.getReader();
    await readUntil(reader, "\n");
    await Deno.remove(`${mnt}/large`);
    await fill(`${mnt}/again`);
    await world.ok("umount", mnt);
    assert.equal((await child.status).code, 0);
    await reader.cancel();
    await child.stderr.cancel();
    assert.match(await world.ok("check", medium, ...hidden.opens), /^clean/);

    await world.ok("mount", medium, mnt, ...hidden.opens, "--background");
    assert.equal(await Deno.readTextFile(`${mnt}/note`), "seen by nobody");
    await Deno.writeFile(`${mnt}/more`, new Uint8Array(5e6).fill(7));
    await world.ok("umount", mnt);
    assert.match(await world.ok("check", medium, ...hidden.opens), /^clean/);
    assert.match(await world.ok("check", medium, ...world.opens), /^clean/);
  },
  { open: CliWorld.open },
);

/** Writes until nothing more fits. */
async function fill(path: string): Promise<void> {
  using file = await Deno.open(path, { write: true, create: true });
  const part = new Uint8Array(1 << 20).fill(1);
  let written = 0;
  try {
    for (;; written++) {
      await file.write(part);
      await file.syncData();
    }
  } catch (error) {
    assert.match(String(error), /No space left/);
  }
  assert.ok(written > 30 && written < 64, `${written} MiB fit beside the hidden vault`);
}
