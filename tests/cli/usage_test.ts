import assert from "node:assert/strict";
import { CliWorld } from "./cli_run.ts";

Deno.test("cli: the version, the help, and wrong usage", async () => {
  await using world = await CliWorld.open();
  assert.match(await world.ok("--version"), /^\d+\.\d+\.\d+\n$/);
  const help = await world.ok("--help");
  for (const verb of ["create", "mount", "umount", "put", "get", "demo", "completions"]) {
    assert.match(help, new RegExp(`^ +${verb} `, "m"));
  }
  assert.match(help, /7 +corrupt/);
  assert.equal(await world.ok("help"), help);
  assert.equal(await world.ok("help", "key", "add"), await world.ok("key", "add", "--help"));
  assert.equal((await world.run("help", "key", "turn")).code, 2);
  for (const args of [["bogus"], ["ls"], ["create", "x", "--mode", "odd"], ["ls", "x", "--nope"]]) {
    const { code, stdout, stderr } = await world.run(...args);
    assert.equal(code, 2, args.join(" "));
    assert.equal(stdout, "");
    assert.match(stderr, /^sigmavault: /);
  }
});

Deno.test("cli: every verb explains itself with examples", async () => {
  await using world = await CliWorld.open();
  const verbs = [
    ...[["create"], ["mount"], ["put"], ["check"], ["key", "add"], ["header", "restore"]],
    ...[["volume", "create"], ["snapshot", "diff"], ["snapshot", "prune"]],
  ];
  for (const verb of verbs) {
    const help = await world.ok(...verb, "--help");
    assert.match(help, /^Usage: sigmavault /, verb.join(" "));
    assert.match(help, /Examples:\n {2}\$ sigmavault /, verb.join(" "));
    assert.match(help, /Exit codes:/, verb.join(" "));
  }
});

Deno.test("cli: the completion scripts load and complete verbs, options and files", async () => {
  await using world = await CliWorld.open();
  const script = world.path("completion.bash");
  await Deno.writeTextFile(script, await world.ok("completions", "bash"));
  const complete = async (...words: string[]) => {
    const list = words.map((word) => `'${word}'`).join(" ");
    const program = `. '${script}'; COMP_WORDS=(sigmavault ${list}); COMP_CWORD=${words.length};
      _sigmavault; echo "\${COMPREPLY[@]}"`;
    const { stdout, success } = await new Deno.Command("bash", { args: ["-euc", program] })
      .output();
    assert.ok(success);
    return new TextDecoder().decode(stdout).trim();
  };
  assert.equal(await complete("cr"), "create");
  assert.equal(await complete("key", "re"), "remove");
  assert.equal(await complete("snapshot", "ro"), "rollback");
  assert.equal(await complete("volume", "delete", "v.sv", "--y"), "--yes");
  assert.equal(await complete("key", "add", "v.sv", "--lab"), "--label");
  assert.equal(await complete("mount", "--read-o"), "--read-only");
  assert.equal(await complete("create", "v.sv", "--kdf", ""), "interactive moderate sensitive");
  assert.equal(await complete("key", "add", "v.sv", "--mode", "d"), "device");
  assert.equal(await complete("completions", "f"), "fish");
  assert.equal(await complete("help", "cre"), "create");
  assert.equal(await complete("put", world.path("passphr")), world.passphraseFile);
  assert.match(await world.ok("completions", "fish"), /^complete -c sigmavault .* -a create /m);
  assert.match(await world.ok("completions", "zsh"), /^#compdef sigmavault\n/);
  assert.equal((await world.run("completions", "tcsh")).code, 2);
});

Deno.test("cli: demo tells the files from noise, and not the medium", async () => {
  await using world = await CliWorld.open();
  interface Counted {
    entropyBits: number;
    verdict: string;
  }
  const shown = await world.json<{ medium: Counted; plaintext: Counted; cells: { data: number } }>(
    "demo",
    "--size",
    "32M",
  );
  assert.ok(shown.medium.entropyBits > 7.9999);
  assert.equal(shown.medium.verdict, "random");
  assert.ok(shown.plaintext.entropyBits < 6);
  assert.equal(shown.plaintext.verdict, "not random");
  assert.ok(shown.cells.data > 1000);
});
