/** Several processes change paths at once, while stores fail, come and go: no acknowledged change is lost. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { failoverWorld } from "../../tests/support/failover_world.ts";
import { VaultError } from "../errors.ts";
import type { ObjectStore } from "../storage/object_store.ts";
import type { FailoverStore } from "./failover_store.ts";
import { bytesOf, everyPage, piecesOf, text } from "./store_samples.ts";

const PATH = "x";
/** Milliseconds after which every process has learned of the others' changes. */
const LEARNED_MS = 20_000;

/** What is there, and what is said of it; null where there is nothing. */
async function seen(store: ObjectStore): Promise<string | null> {
  try {
    const content = await store.get(PATH);
    const value = new TextDecoder().decode(await bytesOf(content));
    return `${value} ${content.info.tags.said ?? ""}`;
  } catch (error) {
    if (error instanceof VaultError && error.kind === "missing") return null;
    throw error;
  }
}

type Verb = "put" | "stream" | "replace" | "delete" | "copy" | "describe" | "reconcile" | "list";

async function change(store: FailoverStore, verb: Verb, value: string): Promise<unknown> {
  if (verb === "put") return await store.put(PATH, text(value));
  if (verb === "stream") return await store.put(PATH, piecesOf(text(value), 1));
  if (verb === "delete") return await store.delete(PATH);
  if (verb === "describe") return await store.describe(PATH, { tags: { said: value } });
  if (verb === "reconcile") return await store.reconcile();
  if (verb === "list") return await store.list();
  if (verb === "copy") {
    await store.put(`from ${value}`, text(value));
    return await store.copy(`from ${value}`, PATH);
  }
  const there = await store.head(PATH);
  const condition = there === null ? { create: true as const } : { match: there.etag };
  return await store.put(PATH, text(value), condition);
}

/**
 * What may be there after changes that were made at once, of which some were acknowledged. Where a store is away, what is
 * described may be older than what that has: then it goes, with what was said of it.
 */
function statesAfter(
  before: ReadonlySet<string | null>,
  changes: readonly { verb: Verb; value: string; isSure: boolean }[],
  isCalm: boolean,
): Set<string | null> {
  const written = changes.filter(({ verb }) => !["describe", "reconcile", "list"].includes(verb));
  const values = written.map(({ verb, value }) => verb === "delete" ? null : `${value} `);
  const states = new Set(written.some(({ isSure }) => isSure) ? values : [...before, ...values]);
  const said = changes.filter(({ verb }) => verb === "describe");
  const isSaid = isCalm && written.length === 0 && said.some(({ isSure }) => isSure);
  const described = [...before, ...values].filter((state) => state !== null)
    .flatMap((state) => said.map(({ value }) => `${state.split(" ")[0]} ${value}`));
  return new Set([...isSaid ? [] : states, ...described]);
}

const verb = fc.constantFrom<Verb>(
  "put",
  "put",
  "stream",
  "replace",
  "delete",
  "copy",
  "describe",
  "reconcile",
  "list",
);
const chance = fc.boolean();
const round = fc.record({
  away: fc.tuple(chance, chance, chance),
  verbs: fc.array(fc.option(verb), { minLength: 3, maxLength: 3 }),
  /** Calls after which a store goes, or comes back. */
  flips: fc.array(fc.record({ call: fc.nat({ max: 40 }), of: fc.nat({ max: 2 }) }), {
    maxLength: 2,
  }),
  isLookedAt: chance,
});
type Round = typeof round extends fc.Arbitrary<infer T> ? T : never;
const trials = fc.record({
  rounds: fc.array(round, { minLength: 1, maxLength: 7 }),
  waits: fc.array(fc.nat({ max: 25 }), { minLength: 1, maxLength: 40 }),
  /** Of so many calls one fails. */
  every: fc.option(fc.integer({ min: 5, max: 20 })),
});

/** Three processes over a primary and two others, which are disturbed at will. */
class Trial {
  readonly #world = failoverWorld(2);
  readonly #all = [this.#world.primary, ...this.#world.others];
  readonly stores = [this.#world.open(), this.#world.open(), this.#world.open()];
  #states: ReadonlySet<string | null> = new Set([null]);

  disturb({ away, flips }: Round, waits: readonly number[], every: number | null): void {
    let call = 0;
    const wait = async () => {
      for (let i = waits[call % waits.length]; i > 0; i--) await Promise.resolve();
    };
    const before = async () => {
      call++;
      await wait();
      for (const { of } of flips.filter((flip) => flip.call === call)) {
        this.#all[of].faulty.isAway = !this.#all[of].faulty.isAway;
      }
      if (every !== null && call % every === 0) {
        throw new VaultError("unavailable", "Cannot reach it: now and then");
      }
    };
    for (const [i, { faulty }] of this.#all.entries()) {
      faulty.around = { before, after: wait };
      faulty.isAway = away[i];
    }
  }

  calm(): void {
    for (const { faulty } of this.#all) {
      faulty.isAway = false;
      faulty.around = { before() {}, after() {} };
    }
  }

  /** What is changed by each process, at once. */
  async change({ verbs }: Round, round: number, isCalm: boolean): Promise<void> {
    const changes = await Promise.all(this.stores.map(async (store, who) => {
      const [verb, value] = [verbs[who] ?? "list", `${round}.${who}`];
      const kind = await change(store, verb, value).then(() => "done", (error) => {
        return error instanceof VaultError ? error.kind : `${error}`;
      });
      assert.match(kind, /^(done|unavailable|conflict|missing)$/);
      return { verb, value, isSure: kind === "done" };
    }));
    await this.settled();
    this.#states = statesAfter(this.#states, changes, isCalm);
  }

  async settled(): Promise<void> {
    for (const store of this.stores) await store.settled();
    this.#world.pass(LEARNED_MS);
  }

  /** Sees what may be there, and from then on just that. */
  async look(store: ObjectStore): Promise<void> {
    const now = await seen(store);
    assert.ok(this.#states.has(now), `"${now}" is none of "${[...this.#states].join('", "')}"`);
    const { objects } = await everyPage(store, {});
    assert.equal(objects.includes(PATH), now !== null, "listed");
    this.#states = new Set([now]);
  }

  /** All comes home, and nothing is left elsewhere that says otherwise. */
  async end(): Promise<void> {
    await Promise.all(this.stores.map((store) => store.reconcile()));
    this.#world.pass(LEARNED_MS);
    const last = this.#world.open();
    await last.reconcile();
    assert.deepEqual((await last.reconcile()).left, []);
    for (const store of [last, this.#world.primary.memory]) await this.look(store);
    for (const { memory } of this.#world.others) {
      const notes = await everyPage(memory, { prefix: ".sigmavault-displaced/" });
      assert.deepEqual(notes.objects, []);
    }
  }
}

Deno.test("failover: what processes change at once while stores fail, come and go is not lost", async () => {
  await fc.assert(
    fc.asyncProperty(trials, async ({ rounds, waits, every }) => {
      const trial = new Trial();
      for (const [i, round] of rounds.entries()) {
        trial.disturb(round, waits, every);
        const isCalm = every === null && !round.away.includes(true) && round.flips.length === 0;
        await trial.change(round, i, isCalm);
        if (!round.isLookedAt) continue;
        trial.calm();
        await trial.look(trial.stores[i % trial.stores.length]);
        await trial.settled();
      }
      trial.calm();
      await trial.end();
    }),
    { numRuns: 2000 },
  );
});
