import assert from "node:assert/strict";
import { CliWorld } from "./cli_run.ts";
import { TerminalRun } from "./terminal_run.ts";

Deno.test("cli: prompts ask twice for a new passphrase and never show it", async () => {
  await using world = await CliWorld.open();
  const create = new TerminalRun(world, ["create", world.medium]);
  await create.type("New passphrase: ", "wrong\x15hors\u00e9\x7fe\r");
  await create.type("again: ", "horse\r");
  const made = await create.end();
  assert.equal(made.code, 0, made.shown);
  assert.match(made.shown, /created .*vault\.sv/);
  assert.doesNotMatch(made.shown, /hors/);
  const typed = await world.secret("typed", "horse");
  assert.equal(await world.ok("ls", world.medium, "--passphrase-file", typed), "");

  const list = new TerminalRun(world, ["ls", world.medium]);
  await list.type("Passphrase of ", "horse\r");
  assert.equal((await list.end()).code, 0);
});

Deno.test("cli: two passphrases that differ, Ctrl-C, and a question answered with no", async () => {
  await using world = await CliWorld.open();
  const differ = new TerminalRun(world, ["create", world.medium]);
  await differ.type("New passphrase: ", "one\r");
  await differ.type("again: ", "two\r");
  const refused = await differ.end();
  assert.equal(refused.code, 2);
  assert.match(refused.shown, /the two do not match/);

  const interrupted = new TerminalRun(world, ["create", world.medium]);
  await interrupted.type("New passphrase: ", "abc\x03");
  assert.equal((await interrupted.end()).code, 130);
  assert.throws(() => Deno.statSync(world.medium), Deno.errors.NotFound);

  await Deno.writeTextFile(world.medium, "something dear");
  const force = new TerminalRun(world, ["create", world.medium, "--force"]);
  await force.type("Overwrite it? [y/N] ", "n\r");
  assert.equal((await force.end()).code, 5);
  assert.equal(await Deno.readTextFile(world.medium), "something dear");
});

Deno.test("cli: a prompt that a signal ends leaves the terminal as it was", async () => {
  await using world = await CliWorld.open();
  const around = (command: string) =>
    `stty -a; ${command} < /dev/tty & echo "pid $!."; wait $!; echo "code $?"; stty -a`;
  const run = new TerminalRun(world, ["create", world.medium], around);
  const shown = await run.shows("New passphrase: ");
  Deno.kill(Number(/pid (\d+)\./.exec(shown)?.[1]), "SIGTERM");
  const { shown: all } = await run.end();
  assert.match(all, /code (130|143)\r/);
  const settings = all.split(/^speed/m);
  assert.equal(settings.length, 3);
  const echoes = settings.slice(1).map((text) => /[ -]echo\b/.exec(text)?.[0]);
  assert.deepEqual(echoes, [" echo", " echo"]);
});

Deno.test("cli: a terminal gets a picture in colours unless NO_COLOR forbids it", async () => {
  await using world = await CliWorld.open();
  const demo = await new TerminalRun(world, ["demo", "--size", "32M"]).end();
  assert.equal(demo.code, 0);
  assert.match(demo.shown, /with the key .*without the key/);
  assert.ok(!demo.shown.includes("\x1b[38;5;"));
});
