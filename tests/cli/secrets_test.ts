import assert from "node:assert/strict";
import { CliWorld, CODE } from "./cli_run.ts";

interface Slot {
  readonly slot: number;
  readonly mode: string;
  readonly label: string;
}

Deno.test("cli: a wrong passphrase and no vault at all cannot be told apart", async () => {
  await using world = await CliWorld.open();
  await world.create();
  const noise = new Uint8Array(32 << 20);
  for (let at = 0; at < noise.length; at += 65536) {
    crypto.getRandomValues(noise.subarray(at, at + 65536));
  }
  const { medium, opens } = world;
  const wrong = await world.secret("wrong", "not this one\n");
  const withWrong = ["--passphrase-file", wrong, "--kdf", "interactive"];
  const first = await world.run("info", medium, ...withWrong);
  await Deno.writeFile(medium, noise);
  const second = await world.run("info", medium, ...opens);
  await Deno.writeFile(medium, new Uint8Array(1000));
  const third = await world.run("info", medium, ...opens);
  assert.deepEqual(first, {
    code: 3,
    stdout: "",
    stderr: `sigmavault: Cannot open vault "${medium}": wrong passphrase or not a vault\n`,
  });
  assert.deepEqual(second, first);
  assert.deepEqual(third, first);
});

Deno.test("cli: what is there is not overwritten, and what is not there is missing", async () => {
  await using world = await CliWorld.open();
  await world.create();
  const before = await Deno.readFile(world.medium);
  const again = ["create", world.medium, "--passphrase-file", world.passphraseFile];
  const refused = await world.run(...again);
  assert.equal(refused.code, 5);
  assert.match(refused.stderr, /use --force/);
  const unasked = await world.run(...again, "--force");
  assert.equal(unasked.code, 5);
  assert.deepEqual(await Deno.readFile(world.medium), before);
  await world.ok(...again, "--force", "--yes");
  assert.equal((await world.run("info", world.path("none"), ...world.opens)).code, 4);
  const empty = await world.secret("empty", "\n");
  const none = await world.run("create", world.path("other"), "--passphrase-file", empty);
  assert.equal(none.code, 2);
  const noTerminal = await world.run("create", world.path("third"));
  assert.equal(noTerminal.code, 2);
  assert.match(noTerminal.stderr, /no terminal; use --passphrase-file or --passphrase-fd/);
  await Deno.chmod(world.passphraseFile, 0o644);
  const { code, stderr } = await world.run("info", world.medium, ...world.opens);
  assert.equal(code, 0);
  assert.match(stderr, /warning: others can read/);
});

Deno.test("cli: passwd, a recovery code, more keys, and removing them", async () => {
  await using world = await CliWorld.open();
  const { medium, opens } = world;
  const made = await world.create("--recovery-code", "--label", "mine", "--json");
  const { recoveryCode } = JSON.parse(made) as { recoveryCode: string };
  assert.match(recoveryCode, /^[0-9A-Z]{6}(-[0-9A-Z]{6}){5}$/);
  const code = await world.secret("code", recoveryCode.toLowerCase() + "\n");
  const changed = await world.secret("changed", "a new passphrase\n");
  await world.ok("passwd", medium, ...opens, "--new-passphrase-file", changed);
  assert.equal((await world.run("key", "list", medium, ...opens)).code, 3);
  const newOpens = ["--passphrase-file", changed, "--kdf", "interactive"];
  const added = await world.json<Slot>(
    "key",
    "add",
    medium,
    ...newOpens,
    "--new-passphrase-file",
    world.passphraseFile,
    "--label",
    "Anna",
  );
  const slots = await world.json<Slot[]>("key", "list", medium, "--recovery-code-file", code);
  const shown = slots.map(({ mode, label }) => `${mode} ${label}`).sort();
  assert.deepEqual(shown, ["recovery recovery code", "user Anna", "user mine"]);
  await world.ok("key", "remove", medium, "--slot", `${added.slot}`, ...newOpens);
  assert.equal((await world.run("key", "list", medium, ...opens)).code, 3);
  assert.equal((await world.run("key", "remove", medium, "--slot", "9", ...newOpens)).code, 4);
});

Deno.test("cli: a header backup brings a wiped header back; keys are exported as noise", async () => {
  await using world = await CliWorld.open();
  const { medium, opens } = world;
  await world.create();
  await world.ok("put", medium, world.passphraseFile, "/kept", ...opens);
  const backup = world.path("header");
  await world.ok("header", "backup", medium, backup, ...opens);
  assert.equal(Deno.statSync(backup).mode! & 0o777, 0o600);
  assert.equal((await world.run("header", "backup", medium, backup, ...opens)).code, 5);
  const saved = await Deno.readFile(backup);
  {
    // The key slots of both copies; what lies behind them are rings of superblocks.
    using file = await Deno.open(medium, { write: true });
    const zeros = new Uint8Array(64 << 10);
    for (const copy of [0, 4 << 20]) {
      await file.seek(copy, Deno.SeekMode.Start);
      await file.write(zeros);
    }
  }
  assert.equal((await world.run("ls", medium, ...opens)).code, 3);
  await world.ok("header", "restore", medium, backup, ...opens);
  assert.equal(await world.ok("ls", medium, ...opens), "kept\n");
  const exported = world.path("keys");
  const secret = await world.secret("export", "another one");
  await world.ok("key", "export", medium, exported, ...opens, "--new-passphrase-file", secret);
  assert.equal(Deno.statSync(exported).size, 4096);
  assert.equal(saved.length, 184320);
});

Deno.test("cli: a device slot opens without a passphrase, on this device only", async () => {
  await using world = await CliWorld.open();
  await world.ok("create", world.medium, "--mode", "device");
  assert.equal(await world.ok("ls", world.medium, "--device"), "");
  await Deno.remove(world.path("state"), { recursive: true });
  assert.equal((await world.run("ls", world.medium, "--device")).code, 3);
});

Deno.test("cli: a secret comes only from a descriptor that was handed over, from where it stands", async () => {
  await using world = await CliWorld.open();
  await world.create();
  const two = await world.secret(
    "two",
    "another line\n" + await Deno.readTextFile(world.passphraseFile),
  );
  const ls = (descriptor: number) =>
    `'${Deno.execPath()}' run -A '${CODE}cli.ts' ls '${world.medium}' --passphrase-fd ${descriptor}`;
  const run = async (script: string) => {
    const { code, stderr } = await new Deno.Command("bash", {
      args: ["-c", script],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).output();
    return [code, new TextDecoder().decode(stderr)];
  };
  assert.deepEqual(await run(`exec 7<'${two}'; read -r -u 7 line; ${ls(7)}`), [0, ""]);
  assert.deepEqual(await run(`cat '${world.passphraseFile}' | ${ls(8)} 8<&0 </dev/null`), [0, ""]);
  const numbers = Array.from({ length: 18 }, (_, i) => 3 + i);
  const refused = await Promise.all(numbers.map((number) => run(ls(number))));
  for (const [code, text] of refused) {
    assert.ok(code === 4 || code === 2, `${code}: ${text}`);
    assert.match(String(text), /sigmavault: Cannot read descriptor \d+: it is /);
  }
});

Deno.test("cli: a secret that is too long, and a symlink to one that others can read", async () => {
  await using world = await CliWorld.open();
  await world.create();
  const long = await world.secret("long", "x".repeat(65537));
  const { code, stderr } = await world.run("ls", world.medium, "--passphrase-file", long);
  assert.deepEqual([code, /more than 64 KiB/.test(stderr)], [2, true]);
  await Deno.chmod(world.passphraseFile, 0o644);
  const link = world.path("link");
  await Deno.symlink(world.passphraseFile, link);
  const warned = await world.run("ls", world.medium, "--passphrase-file", link);
  assert.deepEqual([warned.code, /others can read/.test(warned.stderr)], [0, true]);
});
