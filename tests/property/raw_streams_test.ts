/**
 * Raw snapshots: a vault without the sender's keys keeps the first whole and then difference after difference, deletes any
 * of them, moves its own blocks and turns its own keys, and gives back exactly what the sender had, snapshot by snapshot,
 * however often streams were cut and resumed. `SIGMAVAULT_STREAM_RUNS` (6 unless set) says how many histories.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { COMPRESSIONS } from "../../core/format/catalog_record.ts";
import { MIB } from "../../core/limits.ts";
import { checkVault } from "../../core/vault/check.ts";
import { rescatterVault } from "../../core/vault/rescatter.ts";
import type { Vault } from "../../core/vault/vault.ts";
import { ArenaKernel } from "../support/arena_kernel.ts";
import { receiveThroughCuts } from "../support/cut_receive.ts";
import { FileWorkload } from "../support/file_workload.ts";
import { RandomStream } from "../support/random_stream.ts";
import { StreamWorld } from "../support/stream_world.ts";

const RUNS = Number(Deno.env.get("SIGMAVAULT_STREAM_RUNS") ?? 6);
const SNAPSHOTS = 5;
const STEPS = 150;
const RAW = { options: { raw: true }, cutBytesMax: 1_500_000 };
const senders = new ArenaKernel(32 * MIB);
const keepers = new ArenaKernel(32 * MIB);
const NOBODY = { changed: () => {}, promised: () => {} };

const usedCells = ({ opened: { volume: { store } } }: Vault) =>
  store.space.members.reduce((sum, { size }) => sum + size.segments * 1024, 0) -
  store.space.freeCells - store.space.resting.cells;

Deno.test("raw streams: who has no key keeps what snapshots share once, frees what one had alone, and gives all back", async () => {
  const property = fc.asyncProperty(fc.integer({ min: 1, max: 2 ** 31 - 1 }), async (seed) => {
    const stream = new RandomStream(seed);
    const sender = await StreamWorld.make(senders, 0, { segments: 16, blockBytes: 8192 });
    const redundancy = stream.chance(0.5) ? { k: 1, m: 0 } : { k: 2, m: 1 };
    const keeper = await StreamWorld.make(keepers, 1, {
      segments: 16,
      blockBytes: 16_384,
      redundancy,
    });
    const [from, to] = [sender.vault, keeper.vault];
    const load = new FileWorkload(from.fileSystem, senders, { stream, observer: NOBODY });
    const kept: string[] = [];
    for (let n = 0; n < SNAPSHOTS; n++) {
      const compression = COMPRESSIONS[stream.below(COMPRESSIONS.length)];
      await from.volumes.set("main", { compression });
      for (let i = stream.below(STEPS); i > 0; i--) await load.step();
      const name = `s${n}`;
      await from.snapshots.create("main", name);
      if (n > 0 && n < SNAPSHOTS - 1 && stream.chance(0.3)) continue; // not every one is sent
      const base = kept.at(-1);
      const send = (resume?: string) =>
        from.streams.send("main", name, { from: base, form: "raw", resume });
      await receiveThroughCuts({ send, to, volume: "kept", ...RAW }, stream);
      kept.push(name);
      // As much as the sender has, and nothing twice.
      const [there, here] = [await to.snapshots.list("kept"), await from.snapshots.list("main")];
      const bytes = there.at(-1)!.referencedBytes;
      assert.ok(bytes < here.at(-1)!.referencedBytes * 1.05 + 65_536, `${bytes} bytes are kept`);
      if (kept.length > 2 && stream.chance(0.4)) {
        const [gone] = kept.splice(stream.below(kept.length - 1), 1);
        await to.snapshots.delete("kept", gone);
        await to.volumes.free();
      }
      if (stream.chance(0.3)) await rescatterVault(to);
    }
    assert.deepEqual((await checkVault(to)).problems, []);
    // Back, one by one as differences, into the vault whose blocks they are.
    let before: string | undefined;
    for (const name of kept) {
      const base = before;
      const send = (resume?: string) =>
        to.streams.send("kept", name, { from: base, form: "raw", resume });
      await receiveThroughCuts({ send, to: from, volume: "returned", ...RAW }, stream);
      const opened = from.streams.send("returned", name, { from: base, form: "opened" });
      await from.streams.receive("restored", opened);
      assert.equal(sender.describe("restored", name), sender.describe("main", name));
      before = name;
    }
    assert.deepEqual((await checkVault(from)).problems, []);
    for (const name of kept.slice(0, -1)) await to.snapshots.delete("kept", name);
    await to.volumes.delete("kept");
    await to.volumes.free();
    const { problems } = await checkVault(to);
    assert.deepEqual(problems, []);
    assert.ok(usedCells(to) < 2200, `${usedCells(to)} cells are left`);
  });
  await fc.assert(property, { numRuns: RUNS });
});
