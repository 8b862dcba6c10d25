/** Power cuts while locked files are received: they are there, locked, under the sender's passphrase, or not there at all. */
import assert from "node:assert/strict";
import type { MemoryStorage } from "../../backends/memory/store.ts";
import { MIB } from "../../core/limits.ts";
import { checkVault } from "../../core/vault/check.ts";
import { ArenaKernel } from "../support/arena_kernel.ts";
import { atImage, type CrashImage } from "../support/crash_log.ts";
import { CrashMedium } from "../support/crash_medium.ts";
import { FAST_KDF } from "../support/header_world.ts";
import { RandomStream } from "../support/random_stream.ts";
import { StreamWorld } from "../support/stream_world.ts";

const senders = new ArenaKernel(24 * MIB);
const writers = new ArenaKernel(24 * MIB);
const readers = new ArenaKernel(24 * MIB);
const LOCK = { passphrase: "extra", kdf: FAST_KDF };
const SIZES = { "/in the tree": 300, "/short": 5000, "/long": 300_000 };
const CONTENTS = Object.entries(SIZES).map(([path, size]) => {
  const stream = new RandomStream(size);
  return [path, new Uint8Array(size).map(() => stream.below(256))] as const;
});

/** A sender with a snapshot, and a later one that has locked files too. */
async function sender(): Promise<StreamWorld> {
  const from = await StreamWorld.make(senders, 0);
  const { files, snapshots } = from.vault;
  await files.writeFile("/plain", "open to all");
  await snapshots.create("main", "s0");
  for (const [path, content] of CONTENTS) {
    await files.writeFile(path, content);
    await files.lock(path, LOCK);
  }
  await snapshots.create("main", "s1");
  return from;
}

const difference = ({ vault }: StreamWorld, resume?: string) =>
  vault.streams.send("main", "s1", { from: "s0", resume });

async function record(from: StreamWorld): Promise<CrashMedium<string>> {
  const to = await StreamWorld.make(writers, 0);
  await to.vault.streams.receive("copy", from.vault.streams.send("main", "s0"));
  await to.vault.close();
  const medium = new CrashMedium<string>({ content: (to.vault.medium as MemoryStorage).content });
  const { vault } = StreamWorld.open(writers, 0, medium);
  vault.streams.noteBytes = 250_000;
  medium.mark("begun");
  const received = vault.streams.receive("copy", difference(from));
  // What others make durable meanwhile takes along what has arrived.
  for (let i = 0; i < 40; i++) {
    await vault.files.writeFile("/other", `${i}`);
    await vault.fileSystem.fsync(1);
  }
  await received;
  medium.mark("received");
  await vault.commit();
  return medium;
}

async function survive(image: CrashImage<string>, from: StreamWorld): Promise<"older" | "later"> {
  const to = StreamWorld.open(readers, 0, image.open());
  const [, listed] = await to.list();
  const isLater = listed === "copy: s0 s1";
  assert.ok(isLater || (listed === "copy: s0" && image.mark !== "received"), listed);
  assert.deepEqual((await checkVault(to.vault)).problems, []);
  if (!isLater) {
    const resume = await to.vault.streams.resumeToken("copy") ?? undefined;
    await to.vault.streams.receive("copy", difference(from, resume));
  }
  {
    await using copy = await to.vault.volumes.open("copy");
    for (const [path, content] of CONTENTS) {
      await assert.rejects(copy.files.readFile(path), { kind: "denied" });
      await copy.files.unlock(path, { ...LOCK, until: "close" });
      assert.deepEqual(await copy.files.readFile(path), content);
    }
  }
  assert.deepEqual((await checkVault(to.vault)).problems, []);
  return isLater ? "later" : "older";
}

Deno.test("receive: after any power cut locked files are locked there, under their passphrase, or not there", async () => {
  const from = await sender();
  const medium = await record(from);
  const seen = { older: 0, later: 0 };
  let images = 0;
  for (const image of medium.images(1, { missingMax: 2, randomPerPoint: 1 })) {
    if (++images % 5 !== 0) continue;
    seen[await atImage(image, () => survive(image, from))]++;
  }
  assert.ok(seen.older > 10 && seen.later > 2, JSON.stringify({ ...seen, images }));
});
