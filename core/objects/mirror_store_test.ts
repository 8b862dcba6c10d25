import assert from "node:assert/strict";
import fc from "fast-check";
import { openLocalObjects } from "../../backends/local/object_store.ts";
import { MemoryObjectStore } from "../../backends/memory/object_store.ts";
import type { FaultyStore } from "../../tests/support/faulty_store.ts";
import { type MirroredMember, mirrorWorld } from "../../tests/support/mirror_world.ts";
import { VaultError } from "../errors.ts";
import { systemRuntime } from "../runtime.ts";
import type { ObjectStore } from "../storage/object_store.ts";
import type { MirrorPolicy } from "./mirror_members.ts";
import { MirrorStore } from "./mirror_store.ts";
import { storeContract } from "./store_contract.ts";
import { everyPage, piecesOf, read, text } from "./store_samples.ts";

const policies: readonly MirrorPolicy[] = [
  { write: "all", read: "first" },
  { write: "quorum", read: "balanced" },
];

for (const policy of policies) {
  for (const [property, holds] of Object.entries(storeContract)) {
    for (const count of [2, 3]) {
      Deno.test(`mirror of ${count}, ${policy.write}: ${property}`, async () => {
        await holds(mirrorWorld(count, policy).store);
      });
    }
    Deno.test(`mirror of memory and disk, ${policy.write}: ${property}`, async () => {
      const path = await Deno.makeTempDir();
      const stores: ObjectStore[] = [
        new MemoryObjectStore({ now: systemRuntime.now }),
        await openLocalObjects({ path }),
      ];
      const store = new MirrorStore(stores, { ...policy, runtime: systemRuntime });
      await holds(store);
      await store.close();
      await Deno.remove(path, { recursive: true });
    });
  }
}

/** How a member fails that the others make up for. */
const failing: Readonly<Record<string, (faulty: FaultyStore) => void>> = {
  "is away": (faulty) => void (faulty.isAway = true),
  "flaps": (faulty) => {
    let calls = 0;
    const flap = () => {
      if (++calls % 3 === 0) throw new VaultError("unavailable", "Cannot reach it: it flaps");
    };
    faulty.around = { before: flap, after: flap };
  },
};

for (const [how, fail] of Object.entries(failing)) {
  for (const [property, holds] of Object.entries(storeContract)) {
    Deno.test(`mirror of 3, one ${how}: ${property}`, async () => {
      const { members, store, open } = mirrorWorld(3, { write: "quorum", read: "balanced" });
      fail(members[2].faulty);
      await holds(store);
      if (property === "closed, it refuses") return;
      become(members[2].faulty, "up");
      assert.deepEqual((await open().reconcile()).left, []);
      const [one, , three] = await Promise.all(members.map(({ memory }) => statesAt(memory)));
      assert.deepEqual(three, one);
    });
  }
}

/** What a member has, but for notes, and removals that wait. */
async function statesAt(memory: ObjectStore): Promise<string[]> {
  const states: string[] = [];
  for (const path of (await everyPage(memory, {})).objects) {
    const version = (await memory.head(path))?.metadata["sigmavault-mirror"] ?? "";
    if (!path.startsWith(".sigmavault-mirror/") && !version.endsWith("removed")) {
      states.push(`${path} ${version} ${await read(memory, path)}`);
    }
  }
  return states;
}

type Mode = "up" | "away" | { readonly dies: number; readonly done: boolean };

interface Step {
  readonly do:
    | "put"
    | "stream"
    | "delete"
    | "create"
    | "replace"
    | "drop"
    | "copy"
    | "heal"
    | "read";
  readonly path: string;
  readonly by: 0 | 1;
  readonly modes: readonly Mode[];
}

/** A member that is there, or not, or goes after some calls; the last of them may have been done. */
function become(faulty: FaultyStore, mode: Mode): void {
  faulty.isAway = mode === "away";
  let left = typeof mode === "string" ? Infinity : mode.dies;
  const gone = () => {
    faulty.isAway = true;
    throw new VaultError("unavailable", "Cannot reach it: it died");
  };
  faulty.around = {
    before: () => void (left === 0 && !(mode as { done: boolean }).done && gone()),
    after: () => void (left-- === 0 && gone()),
  };
}

const paths = ["a", "b/c", "b/d"];
const arbitraryMode: fc.Arbitrary<Mode> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Mode>("up") },
  { weight: 2, arbitrary: fc.constant<Mode>("away") },
  { weight: 2, arbitrary: fc.record({ dies: fc.nat({ max: 4 }), done: fc.boolean() }) },
);

function arbitrarySteps(members: number, verbs: readonly Step["do"][]): fc.Arbitrary<Step[]> {
  const step: fc.Arbitrary<Step> = fc.record({
    do: fc.constantFrom(...verbs),
    path: fc.constantFrom(...paths),
    by: fc.constantFrom<0 | 1>(0, 1),
    modes: fc.array(arbitraryMode, { minLength: members, maxLength: members }),
  });
  return fc.array(step, { maxLength: 25 });
}

/** What each path may hold: one state after a change that was acknowledged, several after one that was not. */
class Model {
  readonly #states = new Map<string, Set<string | null>>();

  of(path: string): Set<string | null> {
    return this.#states.get(path) ?? new Set([null]);
  }

  acknowledged(path: string, state: string | null): void {
    this.#states.set(path, new Set([state]));
  }

  tried(path: string, state: string | null): void {
    this.#states.set(path, this.of(path).add(state));
  }
}

async function valueAt(store: ObjectStore, path: string): Promise<string | null> {
  try {
    return await read(store, path);
  } catch (error) {
    if (error instanceof VaultError && error.kind === "missing") return null;
    throw error;
  }
}

async function perform(
  store: MirrorStore,
  each: Step,
  value: string,
): Promise<string | null | void> {
  const { path } = each;
  const known = async () => (await store.head(path))?.etag ?? "none";
  if (each.do === "put") await store.put(path, text(value));
  if (each.do === "stream") await store.put(path, piecesOf(text(value), 1));
  if (each.do === "create") await store.put(path, text(value), { create: true });
  if (each.do === "replace") await store.put(path, text(value), { match: await known() });
  if (["put", "stream", "create", "replace"].includes(each.do)) return value;
  if (each.do === "delete") await store.delete(path);
  if (each.do === "drop") await store.delete(path, { match: await known() });
  if (["delete", "drop"].includes(each.do)) return null;
  if (each.do === "heal") await store.reconcile();
}

const worlds = [[2, "all"], [3, "all"], [3, "quorum"], [4, "quorum"]] as const;
const blind = ["put", "put", "stream", "delete", "heal", "read"] as const;
const looking = [...blind, "create", "replace", "drop"] as const;

for (const [count, write] of worlds) {
  for (const [how, verbs, ms] of [["blind", blind, 1], ["looking", looking, 700_000]] as const) {
    Deno.test(`mirror of ${count}, ${write}, ${how}: what was acknowledged is never lost, what was deleted never comes back, and all become the same`, async () => {
      await fc.assert(
        fc.asyncProperty(arbitrarySteps(count, verbs), async (steps) => {
          const { members, open, pass } = mirrorWorld(count, { write, read: "balanced" });
          const stores = [open(), open()];
          const model = new Model();
          let number = 0;
          for (const each of steps) {
            pass(ms);
            members.forEach(({ faulty }, i) => become(faulty, each.modes[i]));
            const value = `${++number}`.padStart(3, "0");
            try {
              const state = await perform(stores[each.by], each, value);
              if (state !== undefined) model.acknowledged(each.path, state);
            } catch (error) {
              assert(error instanceof VaultError, `${error}`);
              if (error.kind === "unavailable") {
                model.tried(each.path, ["delete", "drop"].includes(each.do) ? null : value);
              } else assert.equal(error.kind, "conflict", error.message);
            }
            // The other process, too.
            await valueAt(stores[1 - each.by], each.path).then((now) => {
              assert.ok(model.of(each.path).has(now), `${each.path}: ${now}`);
            }, (error) => assert.equal(error.kind, "unavailable", `${error}`));
            for (const store of stores) await store.settled();
          }
          await checkHealed(members, model, open());
        }),
        { numRuns: 40 },
      );
    });
  }
}

async function checkHealed(
  members: readonly MirroredMember[],
  model: Model,
  store: MirrorStore,
): Promise<void> {
  for (const { faulty } of members) become(faulty, "up");
  assert.deepEqual((await store.reconcile("everything")).left, []);
  const listed = (await everyPage(store, {})).objects;
  for (const path of paths) {
    const value = await valueAt(store, path);
    assert.ok(model.of(path).has(value), `${path}: ${value} of ${[...model.of(path)]}`);
    assert.equal(listed.includes(path), value !== null, path);
    for (const { memory } of members) {
      const info = await memory.head(path);
      const held = info?.metadata["sigmavault-mirror"]?.endsWith(" removed");
      assert.equal(info === null || held ? null : await read(memory, path), value, path);
    }
  }
}
