/**
 * Two-way sync under random histories: users change both sides between and during runs, calls fail, processes are killed. No
 * version that nobody has replaced or deleted is ever lost, and in peace both sides become the same.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { MemoryObjectStore } from "../../backends/memory/object_store.ts";
import { VaultError } from "../../core/errors.ts";
import { syncTwoWay } from "../../core/objects/sync.ts";
import type { TransferReport } from "../../core/objects/transfer_run.ts";
import { listObjects, type ObjectStore } from "../../core/storage/object_store.ts";
import { bytesOf, read, text } from "../../core/objects/store_samples.ts";
import { FaultyStore } from "../support/faulty_store.ts";
import { MemoryJournal } from "../support/memory_journal.ts";

type SideName = "from" | "to";

/** What a user does: at a path of those that there are, or a fresh one. */
interface Edit {
  readonly side: SideName;
  readonly path: number;
  readonly what: "write" | "delete";
}

type Step =
  | { readonly kind: "edit"; readonly edit: Edit }
  | { readonly kind: "sync"; readonly parallel: number }
  /** The last call is done, but nobody hears of it; so many bytes of the journal still get there. */
  | { readonly kind: "killed"; readonly calls: number; readonly bytes: number }
  | {
    readonly kind: "faults";
    readonly side: SideName;
    readonly count: number;
    readonly when: "before" | "after";
  }
  | { readonly kind: "meddled"; readonly calls: number; readonly edit: Edit };

const FRESH_PATHS = ["a", "a.txt", "b/c", "z"];

class World {
  readonly stores: Record<SideName, MemoryObjectStore>;
  readonly journal = new MemoryJournal();
  /** Versions that no user has replaced or deleted. */
  readonly standing = new Set<string>();
  #now = 1_800_000_000_000;
  #versions = 0;

  constructor() {
    const now = () => this.#now += 400;
    this.stores = {
      from: new MemoryObjectStore({ name: "from", now }),
      to: new MemoryObjectStore({ name: "to", now }),
    };
  }

  async edit({ side, path: number, what }: Edit): Promise<void> {
    const store = this.stores[side];
    const there = (await Array.fromAsync(listObjects(store, ""))).map((each) => each.path);
    const paths = [...FRESH_PATHS, ...there.filter((path) => !FRESH_PATHS.includes(path))];
    const path = paths[number % paths.length];
    // A user replaces or deletes only what he has seen.
    const seen = there.includes(path) ? await store.get(path).catch(() => null) : null;
    const found = seen === null ? null : new TextDecoder().decode(await bytesOf(seen));
    try {
      if (what === "write") {
        const version = `version ${++this.#versions}`;
        const condition = seen === null ? { create: true } as const : { match: seen.info.etag };
        await store.put(path, text(version), condition);
        this.standing.add(version);
      } else if (seen !== null) await store.delete(path, { match: seen.info.etag });
      if (found !== null) this.standing.delete(found);
    } catch (error) {
      if (!(error instanceof VaultError && error.kind === "conflict")) throw error;
    }
  }

  async sync(stores: Record<SideName, ObjectStore>, parallel: number): Promise<TransferReport> {
    const side = (name: SideName) => ({
      name,
      publicUrl: null,
      store: () => Promise.resolve(stores[name]),
      close: () => Promise.resolve(),
    });
    const { journal } = this;
    const sides = { from: side("from"), to: side("to") };
    const retry = { attempts: 2, delayMs: 0 };
    return await syncTwoWay(sides, { journal, parallel, retry, acceptEmpty: true });
  }

  faulty(): Record<SideName, FaultyStore> {
    return { from: new FaultyStore(this.stores.from), to: new FaultyStore(this.stores.to) };
  }

  async killed({ calls, bytes }: { readonly calls: number; readonly bytes: number }) {
    const faulty = this.faulty();
    let left = calls;
    const dead = () => new VaultError("unavailable", "Cannot go on: killed");
    const die = () => {
      if (left > 0) return;
      this.journal.bytesLeft = Math.min(this.journal.bytesLeft, bytes);
      throw dead();
    };
    const around = {
      before() {
        die();
        left--;
      },
      after: die,
    };
    faulty.from.around = faulty.to.around = around;
    await this.sync(faulty, 1 + calls % 4).catch(onlyKilled);
    this.journal.bytesLeft = Infinity;
  }

  async step(step: Step): Promise<void> {
    switch (step.kind) {
      case "edit":
        return await this.edit(step.edit);
      case "sync": {
        const { failures } = await this.sync(this.stores, step.parallel);
        return assert.equal(failures, 0);
      }
      case "killed":
        return await this.killed(step);
      case "faults": {
        const faulty = this.faulty();
        faulty[step.side].around.before = () => {
          if (faulty[step.side].calls === 3) faulty[step.side].failNext(step.count, step.when);
        };
        return void await this.sync(faulty, 2).catch(onlyKilled);
      }
      case "meddled": {
        const faulty = this.faulty();
        let left = step.calls;
        const around = {
          before: async () => {
            if (left-- === 0) await this.edit(step.edit);
          },
          after() {},
        };
        faulty.from.around = faulty.to.around = around;
        return void await this.sync(faulty, 2).catch(onlyKilled);
      }
    }
  }

  async checkNothingLost(): Promise<void> {
    const all = Object.values(this.stores).map(content);
    const held = new Set((await Promise.all(all)).flatMap((each) => Object.values(each)));
    for (const version of this.standing) assert.ok(held.has(version), `${version} is lost`);
  }

  async checkPeace(): Promise<void> {
    for (let round = 0;; round++) {
      const { failures, copied, deleted } = await this.sync(this.stores, 2);
      assert.equal(failures, 0);
      await this.checkNothingLost();
      if (copied + deleted === 0) break;
      assert.ok(round < 3, "it comes to rest");
    }
    assert.deepEqual(await content(this.stores.from), await content(this.stores.to));
  }
}

function onlyKilled(error: unknown): void {
  if (!(error instanceof VaultError && error.kind === "unavailable")) throw error;
}

async function content(store: ObjectStore): Promise<Record<string, string>> {
  const all: Record<string, string> = {};
  for await (const { path } of listObjects(store, "")) all[path] = await read(store, path);
  return all;
}

const side = fc.constantFrom<SideName>("from", "to");
const edit: fc.Arbitrary<Edit> = fc.record({
  side,
  path: fc.nat(7),
  what: fc.constantFrom("write", "write", "delete"),
});
const calls = fc.nat(40);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("edit"), edit }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("sync"), parallel: fc.integer({ min: 1, max: 4 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("killed"), calls, bytes: fc.nat(300) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("faults"),
      side,
      count: fc.integer({ min: 1, max: 6 }),
      when: fc.constantFrom("before", "after"),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("meddled"), calls, edit }) },
);

Deno.test("two-way sync: nothing is ever lost, and in peace both sides become the same", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const world = new World();
      for (const each of steps) {
        await world.step(each);
        await world.checkNothingLost();
      }
      await world.checkPeace();
    }),
    { numRuns: 1000 },
  );
});
