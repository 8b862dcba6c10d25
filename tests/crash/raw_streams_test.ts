/** Power cuts while a raw difference is received by who has no key: the older snapshot or the later one, which opens. */
import assert from "node:assert/strict";
import type { MemoryStorage } from "../../backends/memory/store.ts";
import { MIB } from "../../core/limits.ts";
import { checkVault } from "../../core/vault/check.ts";
import { ArenaKernel } from "../support/arena_kernel.ts";
import { atImage, type CrashImage } from "../support/crash_log.ts";
import { CrashMedium } from "../support/crash_medium.ts";
import { bytesOf } from "../support/cut_stream.ts";
import { FileWorkload } from "../support/file_workload.ts";
import { RandomStream } from "../support/random_stream.ts";
import { StreamWorld } from "../support/stream_world.ts";

const owners = new ArenaKernel(24 * MIB);
const writers = new ArenaKernel(24 * MIB);
const readers = new ArenaKernel(24 * MIB);
const NOBODY = { changed: () => {}, promised: () => {} };
const RAW = { raw: true } as const;

/** An owner with two snapshots that differ. */
async function owner(): Promise<StreamWorld> {
  const from = await StreamWorld.make(owners, 0);
  const stream = new RandomStream(21);
  const load = new FileWorkload(from.vault.fileSystem, owners, { stream, observer: NOBODY });
  for (let i = 0; i < 60; i++) await load.step();
  await from.vault.snapshots.create("main", "s0");
  for (let i = 0; i < 120; i++) await load.step();
  await from.vault.snapshots.create("main", "s1");
  return from;
}

const difference = ({ vault }: StreamWorld) =>
  vault.streams.send("main", "s1", { from: "s0", form: "raw" });

async function record(from: StreamWorld): Promise<CrashMedium<string>> {
  const to = await StreamWorld.make(writers, 1);
  const whole = from.vault.streams.send("main", "s0", { form: "raw" });
  await to.vault.streams.receive("kept", whole, RAW);
  await to.vault.close();
  const medium = new CrashMedium<string>({ content: (to.vault.medium as MemoryStorage).content });
  const { vault } = StreamWorld.open(writers, 1, medium);
  vault.streams.noteBytes = 150_000;
  medium.mark("begun");
  await vault.streams.receive("kept", difference(from), RAW);
  medium.mark("received");
  await vault.snapshots.delete("kept", "s0");
  await vault.volumes.free();
  medium.mark("deleted");
  await vault.commit();
  return medium;
}

async function survive(image: CrashImage<string>, from: StreamWorld): Promise<string> {
  const to = StreamWorld.open(readers, 1, image.open());
  const [, listed] = await to.list();
  if (image.mark === "received") assert.match(listed, /^kept: (s0 )?s1$/);
  else assert.match(listed, image.mark === "deleted" ? /^kept: s1$/ : /^kept: s0( s1)?$/);
  assert.deepEqual((await checkVault(to.vault)).problems, []);
  if (listed === "kept: s0") await to.vault.streams.receive("kept", difference(from), RAW);
  // Given back, it is what it was.
  const back = await bytesOf(to.vault.streams.send("kept", "s1", { form: "raw" }));
  await from.vault.streams.receive("returned", new Blob([back.slice()]).stream(), RAW);
  const opened = from.vault.streams.send("returned", "s1", { form: "opened" });
  await from.vault.streams.receive("restored", opened);
  assert.equal(from.describe("restored", "s1"), from.describe("main", "s1"));
  for (const name of ["returned", "restored"]) await from.vault.volumes.delete(name);
  await from.vault.volumes.free();
  return listed;
}

Deno.test("raw receive: after any power cut the older snapshot is there or the later one, which opens", async () => {
  const from = await owner();
  const medium = await record(from);
  const seen = new Map<string, number>();
  let images = 0;
  for (const image of medium.images(1, { missingMax: 2, randomPerPoint: 1 })) {
    if (++images % 13 !== 0) continue;
    const listed = await atImage(image, () => survive(image, from));
    seen.set(listed, (seen.get(listed) ?? 0) + 1);
  }
  assert.ok(
    (seen.get("kept: s0") ?? 0) > 3 && (seen.get("kept: s1") ?? 0) > 3,
    [...seen].join(" "),
  );
});
