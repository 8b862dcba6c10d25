/** Power cuts while a difference is received: the older snapshot or the later one, and what has arrived can be gone on with. */
import assert from "node:assert/strict";
import type { MemoryStorage } from "../../backends/memory/store.ts";
import { MIB } from "../../core/limits.ts";
import { checkVault } from "../../core/vault/check.ts";
import { ArenaKernel } from "../support/arena_kernel.ts";
import { atImage, type CrashImage } from "../support/crash_log.ts";
import { CrashMedium } from "../support/crash_medium.ts";
import { cutAfter } from "../support/cut_stream.ts";
import { FileWorkload } from "../support/file_workload.ts";
import { RandomStream } from "../support/random_stream.ts";
import { StreamWorld } from "../support/stream_world.ts";

const senders = new ArenaKernel(24 * MIB);
const writers = new ArenaKernel(24 * MIB);
const readers = new ArenaKernel(24 * MIB);
const SECRET = { passphrase: new TextEncoder().encode("both know") };
const NOBODY = { changed: () => {}, promised: () => {} };
const NOTE_BYTES = 200_000;

/** A sender with two snapshots that differ by about two mebibytes. */
async function sender(seed: number): Promise<StreamWorld> {
  const from = await StreamWorld.make(senders, 0);
  const stream = new RandomStream(seed);
  const load = new FileWorkload(from.vault.fileSystem, senders, { stream, observer: NOBODY });
  for (let i = 0; i < 60; i++) await load.step();
  await from.vault.snapshots.create("main", "s0");
  for (let i = 0; i < 160; i++) await load.step();
  // So that there is a mark to go on from.
  load.actions.write(load.actions.create("large"), 0, new Uint8Array(1.5 * MIB).fill(9));
  await from.vault.snapshots.create("main", "s1");
  return from;
}

/** The keys are the same here: deriving one for each image would take most of the time. */
function difference(from: StreamWorld, resume?: string): ReadableStream<Uint8Array> {
  return from.vault.streams.send("main", "s1", { from: "s0", resume });
}

async function record(from: StreamWorld): Promise<CrashMedium<string>> {
  const to = await StreamWorld.make(writers, 0);
  await to.vault.streams.receive("copy", from.vault.streams.send("main", "s0", SECRET), SECRET);
  await to.vault.close();
  const { content } = to.vault.medium as MemoryStorage;
  const medium = new CrashMedium<string>({ content });
  const { vault } = StreamWorld.open(writers, 0, medium);
  vault.streams.noteBytes = NOTE_BYTES;
  medium.mark("begun");
  await assert.rejects(vault.streams.receive("copy", cutAfter(difference(from), 1_300_000)));
  const resume = await vault.streams.resumeToken("copy") ?? undefined;
  await vault.streams.receive("copy", difference(from, resume));
  medium.mark("received");
  await vault.commit();
  return medium;
}

/** What is there after a crash, and after going on from there. */
async function survive(
  image: CrashImage<string>,
  from: StreamWorld,
): Promise<"older" | "begun" | "later"> {
  const to = StreamWorld.open(readers, 0, image.open());
  const [, copy] = await to.list();
  const isLater = copy === "copy: s0 s1";
  assert.ok(isLater || copy === "copy: s0", copy);
  assert.ok(isLater || image.mark !== "received", "what was acknowledged is there");
  assert.equal(to.describeHead("copy"), from.describe("main", isLater ? "s1" : "s0"));
  assert.deepEqual((await checkVault(to.vault)).problems, []);
  if (isLater) return "later";
  const resume = await to.vault.streams.resumeToken("copy") ?? undefined;
  await to.vault.streams.receive("copy", difference(from, resume));
  assert.equal(to.describe("copy", "s1"), from.describe("main", "s1"));
  assert.equal(to.describe("copy", "s0"), from.describe("main", "s0"));
  assert.deepEqual((await checkVault(to.vault)).problems, []);
  return resume === undefined ? "older" : "begun";
}

Deno.test("receive: after any power cut the older snapshot is there or the later one, and it can go on", async () => {
  const from = await sender(11);
  const medium = await record(from);
  const seen = { older: 0, begun: 0, later: 0 };
  let images = 0;
  for (const image of medium.images(1, { missingMax: 2, randomPerPoint: 1 })) {
    if (++images % 7 !== 0) continue;
    seen[await atImage(image, () => survive(image, from))]++;
  }
  assert.ok(Object.values(seen).every((count) => count > 3), JSON.stringify(seen));
});
