/** Migration that deletes, killed at random calls, while users work at the source: what stands is always somewhere. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { MemoryObjectStore } from "../../backends/memory/object_store.ts";
import { VaultError } from "../../core/errors.ts";
import { migrate } from "../../core/objects/migration.ts";
import { read, text } from "../../core/objects/store_samples.ts";
import { listObjects, type ObjectStore } from "../../core/storage/object_store.ts";
import { FaultyStore } from "../support/faulty_store.ts";
import { MemoryJournal } from "../support/memory_journal.ts";

const PATHS = ["a", "b", "c/d", "c/e"];

const named = (name: string, store: ObjectStore) => ({
  name,
  publicUrl: null,
  store: () => Promise.resolve(store),
  close: () => Promise.resolve(),
});

async function content(store: ObjectStore): Promise<Map<string, string>> {
  const all = new Map<string, string>();
  for await (const { path } of listObjects(store, "")) {
    if (!path.endsWith("sigmavault-mark")) all.set(path, await read(store, path));
  }
  return all;
}

const run = fc.record({
  /** Calls until the process is killed. */
  calls: fc.nat(40),
  /** Bytes of the journal that still get there. */
  bytes: fc.nat(200),
  /** At this call a user writes to the source. */
  edit: fc.record({ call: fc.nat(40), path: fc.constantFrom(...PATHS) }),
});

Deno.test("migrate: whatever kills it, what stands is on one of the sides, and in the end at the target", async () => {
  const property = fc.asyncProperty(
    fc.array(run, { maxLength: 8 }),
    fc.boolean(),
    async (runs, notes) => {
      const now = () => 1_800_000_000_000;
      const [source, target] = [new MemoryObjectStore({ now }), new MemoryObjectStore({ now })];
      const journal = notes ? new MemoryJournal() : undefined;
      const standing = new Map<string, string>();
      let versions = 0;
      const edit = async (path: string) => {
        const version = `version ${++versions}`;
        await source.put(path, text(version));
        standing.set(path, version);
      };
      const start = (from: ObjectStore, to: ObjectStore) => {
        const options = { deleteSource: true, overwrite: true, retry: { attempts: 1 } };
        const sides = { from: named("old", from), to: named("fresh", to) };
        return migrate(sides, { ...options, journal, parallel: 1 + runs.length % 3 });
      };
      for (const path of PATHS) await edit(path);
      for (const { calls, bytes, edit: { call, path } } of runs) {
        const [from, to] = [new FaultyStore(source), new FaultyStore(target)];
        let done = 0;
        const after = () => {
          if (done < calls) return;
          if (journal !== undefined) journal.bytesLeft = Math.min(journal.bytesLeft, bytes);
          throw new VaultError("unavailable", "Cannot go on: killed");
        };
        const before = async () => {
          after();
          if (done++ === call) await edit(path);
        };
        from.around = to.around = { before, after };
        await start(from, to).catch((error) => {
          if (!(error instanceof VaultError && error.kind === "unavailable")) throw error;
        });
        if (journal !== undefined) journal.bytesLeft = Infinity;
        const [left, right] = [await content(source), await content(target)];
        for (const [path, version] of standing) {
          assert.ok([left.get(path), right.get(path)].includes(version), `${version} is lost`);
        }
      }
      const last = await start(source, target);
      assert.deepEqual([last.failed, await content(source)], [[], new Map()]);
      assert.deepEqual(await content(target), new Map([...standing].sort()));
      assert.equal((await target.list({ prefix: "sigmavault-mark" })).objects.length, 0);
    },
  );
  await fc.assert(property, { numRuns: 500 });
});
