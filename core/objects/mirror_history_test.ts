import assert from "node:assert/strict";
import fc from "fast-check";
import { mirrorWorld } from "../../tests/support/mirror_world.ts";
import { isPossible, type RegisterChange } from "../../tests/support/register_history.ts";
import { VaultError } from "../errors.ts";
import type { ObjectContent, ObjectStore } from "../storage/object_store.ts";
import { bytesOf, read, text } from "./store_samples.ts";

const PATH = "x";

/** What is there, and its etag; nulls where there is nothing. */
async function seen(store: ObjectStore): Promise<{ value: string | null; etag: string | null }> {
  let content: ObjectContent;
  try {
    content = await store.get(PATH);
  } catch (error) {
    if (error instanceof VaultError && error.kind === "missing") return { value: null, etag: null };
    throw error;
  }
  return { value: new TextDecoder().decode(await bytesOf(content)), etag: content.info.etag };
}

type Verb = "put" | "delete" | "create" | "replace" | "drop";

async function changeNow(store: ObjectStore, verb: Verb, value: string): Promise<Doing | null> {
  if (verb === "put") return { value, work: () => store.put(PATH, text(value)) };
  if (verb === "delete") return { value: null, work: () => store.delete(PATH) };
  if (verb === "create") {
    return { value, expects: null, work: () => store.put(PATH, text(value), { create: true }) };
  }
  const { value: expects, etag } = await seen(store);
  if (etag === null) return null;
  if (verb === "drop") {
    return {
      value: null,
      expects,
      work: () => store.delete(PATH, { match: etag }),
    };
  }
  return { value, expects, work: () => store.put(PATH, text(value), { match: etag }) };
}

interface Doing extends Pick<RegisterChange, "value" | "expects"> {
  work(): Promise<unknown>;
}

const steps = fc.array(
  fc.record({
    verb: fc.constantFrom<Verb>("put", "delete", "create", "replace", "replace", "drop"),
    by: fc.nat({ max: 2 }),
  }),
  { minLength: 2, maxLength: 7 },
);
const hops = fc.array(fc.nat({ max: 25 }), { minLength: 1, maxLength: 40 });

const TROUBLES = [
  "",
  ", members failing now and then",
  ", members coming and going",
  ", one of them killed",
];

for (const trouble of TROUBLES) {
  Deno.test(`mirror: what processes do at once could have been done one after the other${trouble}`, async () => {
    const isFailing = trouble.includes("failing");
    const isGoing = trouble.includes("going");
    await fc.assert(
      fc.asyncProperty(steps, hops, fc.nat({ max: 30 }), async (work, waits, moment) => {
        const { members, open, store } = mirrorWorld(3);
        let call = 0, time = 0;
        const wait = async () => {
          if (isGoing && call % (moment % 17 + 3) === 0) {
            const { faulty } = members[waits[call % waits.length] % members.length];
            faulty.isAway = !faulty.isAway;
          }
          for (let i = waits[call++ % waits.length]; i > 0; i--) await Promise.resolve();
          if (isFailing && call % (moment % 12 + 5) === 0) {
            throw new VaultError("unavailable", "Cannot reach it: now and then");
          }
        };
        for (const { faulty } of members) faulty.around = { before: wait, after() {} };
        const third = trouble.includes("killed") ? open(moment) : open();
        const stores = [open(), open(), third];
        const history: RegisterChange[] = [];
        // What each process does follows one another; processes do it at once.
        await Promise.all(stores.map(async (each, who) => {
          for (const [i, { verb, by }] of work.entries()) {
            if (by !== who) continue;
            const doing = await changeNow(each, verb, `${i}`).catch(ignoreAway);
            if (doing === null) continue;
            const { value, expects } = doing;
            const began = time++;
            const kind = await doing.work().then(() => "done", (error) => error.kind ?? `${error}`);
            assert.ok(["done", "conflict", "unavailable"].includes(kind), kind);
            if (kind === "conflict") continue;
            history.push({ value, expects, began, ended: time++, isSure: kind === "done" });
          }
        }));
        for (const { faulty } of members) {
          faulty.around = { before() {}, after() {} };
          faulty.isAway = false;
        }
        for (const each of stores) await each.settled();
        assert.deepEqual((await store.reconcile("everything")).left, []);
        const last = (await seen(store)).value;
        assert.ok(isPossible(history, last), `${last} after ${JSON.stringify(history)}`);
        for (const { memory } of members) {
          if (last !== null) assert.equal(await read(memory, PATH), last);
        }
      }),
      { numRuns: 300 },
    );
  });
}

function ignoreAway(error: unknown): null {
  if (error instanceof VaultError && error.kind === "unavailable") return null;
  throw error;
}
