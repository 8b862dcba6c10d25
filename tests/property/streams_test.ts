/**
 * Snapshots that are sent and received: after any history of changes and rollbacks, a vault with other keys that received the
 * first whole and then difference after difference holds what the sender held, snapshot by snapshot, however often streams
 * were cut and resumed. `SIGMAVAULT_STREAM_RUNS` (6 unless set) says how many histories.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { COMPRESSIONS } from "../../core/format/catalog_record.ts";
import { MIB } from "../../core/limits.ts";
import { checkVault } from "../../core/vault/check.ts";
import { PosixError } from "../../core/fs/file_system.ts";
import type { Vault } from "../../core/vault/vault.ts";
import { ArenaKernel } from "../support/arena_kernel.ts";
import { receiveThroughCuts } from "../support/cut_receive.ts";
import { FileWorkload } from "../support/file_workload.ts";
import { named } from "../support/open_memory_volume.ts";
import { RandomStream } from "../support/random_stream.ts";
import { StreamWorld } from "../support/stream_world.ts";

const RUNS = Number(Deno.env.get("SIGMAVAULT_STREAM_RUNS") ?? 6);
const SNAPSHOTS = 6;
const STEPS = 60;
const SHAPE = { segments: 12, blockBytes: 8192 };
const senders = new ArenaKernel(24 * MIB);
const receivers = new ArenaKernel(24 * MIB);
const SECRET = { passphrase: new TextEncoder().encode("both know") };
const NOBODY = { changed: () => {}, promised: () => {} };

const anyOf = (stream: RandomStream) => COMPRESSIONS[stream.below(COMPRESSIONS.length)];

/** Sets, changes or removes an attribute of some file. */
function decorate({ fileSystem }: Vault, files: readonly number[], stream: RandomStream): void {
  const name = named(`user.${stream.below(3)}`);
  const ino = files[stream.below(files.length)] ?? 1;
  try {
    if (stream.chance(0.4)) return fileSystem.removexattr(ino, name);
    const length = stream.chance(0.5) ? stream.below(60_000) : stream.below(100);
    fileSystem.setxattr(ino, name, new Uint8Array(length).fill(stream.below(256)), 0);
  } catch (error) {
    if (!(error instanceof PosixError)) throw error;
  }
}

Deno.test("streams: a chain of differences makes what the sender had", async () => {
  const property = fc.asyncProperty(fc.integer({ min: 1, max: 2 ** 31 - 1 }), async (seed) => {
    const stream = new RandomStream(seed);
    const sender = await StreamWorld.make(senders, 0, SHAPE);
    const receiver = await StreamWorld.make(receivers, 1, SHAPE);
    const [from, to] = [sender.vault, receiver.vault];
    const load = new FileWorkload(from.fileSystem, senders, { stream, observer: NOBODY });
    let base: string | undefined;
    for (let n = 0; n < SNAPSHOTS; n++) {
      if (n > 1 && stream.chance(0.2)) {
        await from.snapshots.rollback("main", `s${stream.below(n)}`);
      }
      await from.volumes.set("main", { compression: anyOf(stream) });
      for (let i = stream.below(STEPS); i > 0; i--) {
        await load.step();
        if (stream.chance(0.3)) decorate(from, load.files, stream);
      }
      await from.snapshots.create("main", `s${n}`);
      if (n > 0 && n < SNAPSHOTS - 1 && stream.chance(0.3)) continue; // not every one is sent
      if (base !== undefined) await to.volumes.set("copy", { compression: anyOf(stream) });
      const since = base;
      const send = (resume?: string) =>
        from.streams.send("main", `s${n}`, { from: since, resume, ...SECRET });
      const cut = { send, to, volume: "copy", options: SECRET, cutBytesMax: 1_500_000 };
      await receiveThroughCuts(cut, stream);
      base = `s${n}`;
      assert.equal(receiver.describe("copy", base), sender.describe("main", base));
    }
    const { problems } = await checkVault(to);
    assert.deepEqual(problems, []);
    assert.equal(await to.streams.resumeToken("copy"), null);
  });
  await fc.assert(property, { numRuns: RUNS });
});
