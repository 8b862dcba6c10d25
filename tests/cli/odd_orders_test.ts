/** What people type that cannot be done, or not just so. */
import assert from "node:assert/strict";
import { CliWorld } from "./cli_run.ts";

Deno.test("cli: output that cannot be written is no bug", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  await using world = await CliWorld.open();
  await world.create();
  await Deno.writeTextFile(world.path("file"), "x".repeat(100_000));
  await world.ok("put", world.medium, world.path("file"), ...world.opens);
  const flags = ["run", "--allow-all", new URL("../../cli.ts", import.meta.url).pathname];
  const toFull = async (...args: string[]) => {
    const words = [Deno.execPath(), ...flags, ...args];
    const script = words.map((word) => `'${word}'`).join(" ") + " > /dev/full";
    const { code, stderr } = await new Deno.Command("sh", { args: ["-c", script] }).output();
    return [code, new TextDecoder().decode(stderr)];
  };
  for (const args of [["ls"], ["cat", "/file"], ["info", "--json"]]) {
    const [verb, ...rest] = args;
    const told = await toFull(verb, world.medium, ...rest, ...world.opens);
    assert.deepEqual(told, [6, "sigmavault: Cannot write output: no space left\n"], verb);
  }
  for (const args of [["--version"], ["help"], ["ls", "--help"]]) {
    const told = await toFull(...args);
    assert.deepEqual(told, [6, "sigmavault: Cannot write output: no space left\n"], args[0]);
  }
  const [code, said] = await toFull(
    ...["key", "add", world.medium, "--mode", "recovery", ...world.opens],
  );
  assert.equal(code, 6);
  assert.match(
    `${said}`,
    /Cannot show the recovery code.*: remove it again: "key remove --slot 1"/,
  );
});

Deno.test("cli: an argument that is not UTF-8 is refused: it would name something else", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  await using world = await CliWorld.open();
  await Deno.writeTextFile(world.path("n\uFFFD"), "keep");
  const flags = ["run", "--allow-all", new URL("../../cli.ts", import.meta.url).pathname];
  const words = [Deno.execPath(), ...flags, "create"].map((word) => `'${word}'`).join(" ");
  const script =
    `${words} "$(printf 'n\\233')" --force --yes --passphrase-file '${world.passphraseFile}'`;
  const { code, stderr } = await new Deno.Command("sh", {
    args: ["-c", script],
    cwd: world.folder,
  }).output();
  assert.equal(code, 2);
  assert.match(new TextDecoder().decode(stderr), /it has bytes that are not UTF-8/);
  assert.equal(await Deno.readTextFile(world.path("n\uFFFD")), "keep");
});

Deno.test("cli: orders that name what cannot be are refused in a line", async () => {
  await using world = await CliWorld.open();
  await world.create();
  const cases: [number, RegExp, ...string[]][] = [
    [
      2,
      /want file:\/\/\/path/,
      "create",
      "file://host/x",
      "--passphrase-file",
      world.passphraseFile,
    ],
    [2, /want file:\/\/\/path/, "info", "file://host/x", ...world.opens],
  ];
  for (const [code, message, ...args] of cases) {
    const result = await world.run(...args);
    assert.equal(result.code, code, args.join(" "));
    assert.match(result.stderr, message);
    assert.equal(result.stderr.trimEnd().split("\n").length, 1, result.stderr);
  }
});

Deno.test("cli: a long listing shows setuid, setgid and sticky", async () => {
  await using world = await CliWorld.open();
  await world.create();
  const tree = world.path("tree");
  await Deno.mkdir(tree);
  for (
    const [name, mode] of [["a", 0o4755], ["b", 0o2640], ["c", 0o1777], ["d", 0o6711]] as const
  ) {
    await Deno.writeTextFile(`${tree}/${name}`, "");
    await Deno.chmod(`${tree}/${name}`, mode);
  }
  await world.ok("put", world.medium, tree, ...world.opens);
  const listed = await world.ok("ls", "-l", world.medium, "/tree", ...world.opens);
  const modes = listed.trimEnd().split("\n").map((line) => line.split(" ")[0]);
  assert.deepEqual(modes, ["-rwsr-xr-x", "-rw-r-S---", "-rwxrwxrwt", "-rws--s--x"]);
});
