/** send and receive on mounts that other processes serve. */
import assert from "node:assert/strict";
import { mountedTest } from "./mount_point.ts";
import type { CliWorld } from "./cli_run.ts";

/** Runs a verb with bytes on its standard input. */
async function feed(world: CliWorld, bytes: Uint8Array, ...args: string[]) {
  const process = world.command(["--allow-all"], args, { stdin: "piped" }).spawn();
  const writer = process.stdin.getWriter();
  writer.write(bytes).then(() => writer.close()).catch(() => {}); // what it does not want to read
  const { code, stdout, stderr } = await process.output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

async function streamOf(world: CliWorld, ...args: string[]): Promise<Uint8Array> {
  const { code, stdout, stderr } = await world.command(["--allow-all"], ["send", ...args]).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return stdout;
}

mountedTest("streams go out of a mount and into one", async (world, mnt) => {
  const text = "what was written a moment ago ".repeat(100_000);
  await Deno.writeTextFile(`${mnt}/plan`, text);
  await world.ok("snapshot", "create", mnt, "monday");
  const key = await world.secret("key", "what both sides know\n");
  const shared = ["--stream-passphrase-file", key];
  const whole = await streamOf(world, mnt, "monday", ...shared);
  const cut = await feed(world, whole.subarray(0, 2_500_000), "receive", mnt, "copy", ...shared);
  assert.equal(cut.code, 7);
  assert.match(cut.stderr, /what has arrived is kept/);
  const { token } = await world.json<{ token: string }>("receive", mnt, "copy", "--resume-token");
  const rest = await streamOf(world, `${mnt}#main`, "monday", "--resume", token, ...shared);
  assert.ok(rest.length < whole.length - 1_000_000);
  const received = await feed(world, rest, "receive", mnt, "copy", ...shared, "--json");
  assert.deepEqual([received.code, received.stderr], [0, ""]);
  assert.equal(JSON.parse(received.stdout).snapshot, "monday");

  await Deno.writeTextFile(`${mnt}/plan`, "second");
  await world.ok("snapshot", "create", mnt, "tuesday");
  const change = await streamOf(world, mnt, "tuesday", "--from", "monday", ...shared);
  const applied = await feed(world, change, "receive", mnt, "copy", ...shared);
  assert.match(applied.stdout, /^received copy@tuesday/);
  const onto = await feed(world, change, "receive", mnt, "main", ...shared);
  assert.deepEqual([onto.code, onto.stdout], [5, ""]);
  assert.match(onto.stderr, /it is mounted/);
  const wrong = await feed(world, whole, "receive", mnt, "other");
  assert.equal(wrong.code, 3);

  const raw = await streamOf(world, mnt, "monday", "--raw");
  const kept = await feed(world, raw, "receive", mnt, "kept", "--raw");
  assert.deepEqual([kept.code, kept.stderr], [0, ""]);

  await world.ok("umount", mnt);
  const cat = (view: string) => world.ok("cat", `${world.medium}#${view}`, "/plan", ...world.opens);
  assert.equal(await cat("copy"), "second");
  assert.equal(await cat("copy@monday"), text);
  const opened = await streamOf(world, `${world.medium}#kept`, "monday", "--open", ...world.opens);
  const restored = await feed(world, opened, "receive", world.medium, "restored", ...world.opens);
  assert.deepEqual([restored.code, restored.stderr], [0, ""]);
  assert.equal(await cat("restored"), text);
  assert.match(await world.ok("check", world.medium, ...world.opens), /^clean/);
});

mountedTest("a sender or receiver that is killed leaves nothing open", async (world, mnt) => {
  await Deno.writeFile(`${mnt}/large`, new Uint8Array(3_000_000).fill(5));
  await world.ok("snapshot", "create", mnt, "monday");
  const whole = await streamOf(world, mnt, "monday");
  const sender = world.command(["--allow-all"], ["send", mnt, "monday"]).spawn();
  const reader = sender.stdout.getReader();
  await reader.read();
  sender.kill("SIGKILL");
  await sender.status;
  await reader.cancel();
  await sender.stderr.cancel();

  const receiver = world.command(["--allow-all"], ["receive", mnt, "copy"], { stdin: "piped" })
    .spawn();
  const writer = receiver.stdin.getWriter();
  await writer.write(whole.subarray(0, 2_000_000));
  receiver.kill("SIGKILL");
  await receiver.status;
  await writer.abort().catch(() => {});
  await receiver.stdout.cancel();
  await receiver.stderr.cancel();

  // The mount hears of it when the connection ends, which may be a moment later.
  const again = async (): Promise<string> => {
    const { code, stdout, stderr } = await feed(world, whole, "receive", mnt, "copy");
    if (code === 5 && /being received/.test(stderr)) return await again();
    assert.equal(code, 0, stderr);
    return stdout;
  };
  assert.match(await again(), /^received copy@monday/);
  await world.ok("snapshot", "delete", mnt, "monday", "--yes");
  await world.ok("umount", mnt);
});
