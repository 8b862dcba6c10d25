/** `storage migrate` and `storage sync` on directories, with the process killed at random points. */
import assert from "node:assert/strict";
import { dirname, join, relative } from "node:path";
import type { TransferReport } from "../../core/objects/transfer_run.ts";
import { patternBytes } from "../../core/objects/store_samples.ts";
import { RandomStream } from "../support/random_stream.ts";
import { CliWorld } from "./cli_run.ts";
import { TerminalRun } from "./terminal_run.ts";

const ENDS = ["--from", "left", "--to", "right"];
/** Where a directory of objects keeps what is none. */
const OWN = ".sigmavault-objects";

interface Configured {
  readonly world: CliWorld;
  /** `--config FILE --from left --to right`. */
  readonly ends: readonly string[];
  readonly left: string;
  readonly right: string;
}

async function configured(): Promise<Configured> {
  const world = await CliWorld.open();
  const [left, right] = [world.path("left"), world.path("right")];
  const type = "local";
  const settings = {
    provider: "left",
    providers: { left: { type, path: left }, right: { type, path: right } },
  };
  const config = await world.secret("storage.json", JSON.stringify(settings));
  for (const side of [left, right]) await Deno.mkdir(side);
  return { world, ends: ["--config", config, ...ENDS], left, right };
}

async function write(folder: string, path: string, bytes: Uint8Array | string): Promise<void> {
  const file = join(folder, path);
  await Deno.mkdir(dirname(file), { recursive: true });
  await Deno.writeFile(file, typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes);
}

/** All files by path, as hexadecimal digits of their SHA-256. */
async function filesIn(folder: string, below = folder): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for await (const { name, isDirectory } of Deno.readDir(below)) {
    const path = join(below, name);
    if (name === OWN) continue;
    if (isDirectory) { for (const each of await filesIn(folder, path)) found.set(...each); }
    else {
      const digest = await crypto.subtle.digest("SHA-256", await Deno.readFile(path));
      found.set(relative(folder, path), new Uint8Array(digest).toHex());
    }
  }
  return found;
}

/** Runs the CLI and kills it when so many things have happened in a folder; true where it was killed. */
async function killedAfter(events: number, folder: string, command: Deno.Command) {
  const watcher = Deno.watchFs(folder, { recursive: true });
  const child = command.spawn();
  let killed = false;
  const output = child.output().then((result) => {
    watcher.close();
    return result;
  });
  let seen = 0;
  for await (const _ of watcher) {
    if (++seen < events) continue;
    killed = true;
    child.kill("SIGKILL");
    break;
  }
  const { code, signal, stderr } = await output;
  // It may have ended in the moment in which it was killed.
  if (killed && signal === "SIGKILL") return true;
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return false;
}

Deno.test("cli: storage migrate ends what was killed again and again, and deletes only what it has copied", async () => {
  const { world, ends, left, right } = await configured();
  await using _ = world;
  for (let i = 0; i < 60; i++) {
    await write(left, `docs/${i % 7}/${i}.bin`, patternBytes(i * 500, i));
  }
  await write(left, "docs/large.bin", patternBytes(6_000_000, 99));
  await write(left, "docs/empty", "");
  await write(left, "other/stays", "here");
  const wanted = await filesIn(left);
  const args = ["storage", "migrate", "docs/**", "--delete-source", ...ends];
  args.push("--journal", world.path("docs.journal"), "--parallel", "4");
  const stream = new RandomStream(4);
  let kills = 0;
  for (let round = 0; round < 8; round++) {
    const command = world.command(["--allow-all"], args);
    if (!await killedAfter(1 + stream.below(60), right, command)) break;
    kills++;
    const [source, target] = [await filesIn(left), await filesIn(right)];
    for (const [path, digest] of wanted) {
      assert.ok(source.get(path) === digest || target.get(path) === digest, `${path} is there`);
      assert.ok([digest, undefined].includes(source.get(path)), `${path} is whole`);
      assert.ok([digest, undefined].includes(target.get(path)), `${path} is whole`);
    }
  }
  assert.ok(kills > 0);
  const report = await world.json<TransferReport>(...args);
  assert.equal(report.failures, 0);
  wanted.delete("other/stays");
  assert.deepEqual([...await filesIn(right)].sort(), [...wanted].sort());
  assert.deepEqual([...(await filesIn(left)).keys()], ["other/stays"]);
});

Deno.test("cli: storage sync both ways ends what was killed again and again, and loses nothing", async () => {
  const { world, ends, left, right } = await configured();
  await using _ = world;
  for (let i = 0; i < 40; i++) {
    await write(left, `l/${i}.txt`, `left ${i}`);
    await write(right, `r/${i}.txt`, `right ${i}`);
    await write(left, `both/${i}.txt`, `left's ${i}`);
    await write(right, `both/${i}.txt`, i % 2 === 0 ? `right's ${i}` : `left's ${i}`);
  }
  const versions = new Set([...(await filesIn(left)).values(), ...(await filesIn(right)).values()]);
  const args = ["storage", "sync", "--two-way", ...ends, "--journal", world.path("both.journal")];
  const stream = new RandomStream(5);
  let kills = 0;
  for (let round = 0; round < 6; round++) {
    const folder = stream.chance(0.5) ? left : right;
    const command = world.command(["--allow-all"], args);
    if (!await killedAfter(1 + stream.below(60), folder, command)) break;
    kills++;
    const held = [...(await filesIn(left)).values(), ...(await filesIn(right)).values()];
    assert.deepEqual(versions.difference(new Set(held)), new Set());
  }
  assert.ok(kills > 0);
  assert.equal((await world.json<TransferReport>(...args)).failures, 0);
  const files = await filesIn(left);
  assert.deepEqual([...await filesIn(right)].sort(), [...files].sort());
  assert.deepEqual(new Set(files.values()), versions);
  assert.equal(files.size, 40 * 3 + 20);
  const quiet = await world.json<TransferReport>(...args);
  assert.deepEqual([quiet.copied, quiet.compared, quiet.skipped], [0, 0, files.size]);
  await Deno.remove(join(right, "r/0.txt"));
  await write(left, "l/0.txt", "changed");
  assert.match(
    await world.ok(...args),
    /^1 file copied \(7 B\), 138 the same already, 1 removed\n$/,
  );
  assert.deepEqual([...await filesIn(right)].sort(), [...await filesIn(left)].sort());
});

Deno.test("cli: storage migrate and sync say what they would do, what failed, and what cannot be", async () => {
  const { world, ends, left, right } = await configured();
  await using _ = world;
  await write(left, "a", "one");
  await write(left, "b", "two");
  await write(right, "b", "something else");
  await write(right, "c", "three");
  const run = (...args: string[]) => world.run("storage", ...args, ...ends);
  const planned = await run("sync", "--delete", "--dry-run");
  assert.deepEqual(planned.stdout.split("\n").slice(0, -1).sort(), [
    "copy a",
    "copy b",
    "delete c",
    "would be: 2 files copied (6 B), 1 removed",
  ]);
  const failing = await run("migrate");
  assert.equal(failing.code, 5);
  assert.match(failing.stdout, /^1 file copied \(3 B\), 1 failed\nfailed: b: Cannot copy "b": /);
  assert.match(failing.stderr, /^sigmavault: Cannot migrate everything: 1 file failed/);
  assert.equal((await run("sync", "--delete", "--rate", "1M")).code, 0);
  assert.deepEqual(await filesIn(right), await filesIn(left));
  const refused = async (code: number, message: RegExp, ...args: string[]) => {
    const result = await run(...args);
    assert.deepEqual([result.code, result.stdout], [code, ""], result.stderr);
    assert.match(result.stderr, message);
  };
  await refused(2, /use --journal/, "sync", "--two-way");
  await refused(2, /one way only/, "sync", "--two-way", "--delete");
  await refused(2, /want 1 to 64/, "migrate", "--parallel", "0");
  const diary = await world.secret("diary", "Monday\n");
  await refused(2, /it is no journal/, "sync", "--journal", diary);
  assert.equal(await Deno.readTextFile(diary), "Monday\n");
  const missing = await world.run("storage", "migrate", ...ends.slice(0, 2), "--from", "left");
  assert.match(missing.stderr, /--to <name>/);
  const shown = await new TerminalRun(world, [
    "storage",
    "migrate",
    "a",
    "--delete-source",
    ...ends,
  ])
    .end();
  assert.match(shown.shown, /0 files copied \(0 B\), 1 the same already, 1 removed/);
  assert.deepEqual([...(await filesIn(left)).keys()], ["b"]);
  for (const verb of ["migrate", "sync"]) {
    assert.match(await world.ok("storage", verb, "--help"), /Examples:\n {2}\$ sigmavault storage/);
  }
});

Deno.test("cli: storage migrate keeps to its rate, stops at Ctrl-C, and goes on", async () => {
  const { world, ends, left, right } = await configured();
  await using _ = world;
  await write(left, "large", patternBytes(3_000_000));
  const args = ["storage", "migrate", ...ends, "--journal", world.path("journal")];
  const watcher = Deno.watchFs(right, { recursive: true });
  // At this rate it takes an hour.
  const child = world.command(["--allow-all"], [...args, "--rate", "1K"]).spawn();
  for await (const _ of watcher) break;
  child.kill("SIGINT");
  const { code, stderr } = await child.output();
  assert.equal(code, 130);
  assert.match(new TextDecoder().decode(stderr), /^sigmavault: Cannot finish: it was stopped/);
  assert.deepEqual(await filesIn(right), new Map());
  assert.equal((await world.json<TransferReport>(...args)).copied, 1);
  assert.deepEqual(await filesIn(right), await filesIn(left));
});
