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
  for (const args of [["ls"], ["cat", "/file"], ["info", "--json"]]) {
    const [verb, ...rest] = args;
    const words = [Deno.execPath(), ...flags, verb, world.medium, ...rest, ...world.opens];
    const script = words.map((word) => `'${word}'`).join(" ") + " > /dev/full";
    const { code, stderr } = await new Deno.Command("sh", { args: ["-c", script] }).output();
    const said = new TextDecoder().decode(stderr);
    assert.deepEqual([code, said], [6, "sigmavault: Cannot write output: no space left\n"], verb);
  }
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
