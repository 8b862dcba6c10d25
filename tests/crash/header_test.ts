/**
 * Every change of key slots, stopped at every write: lost, torn at sectors, reordered. What had to open still
 * opens, opening heals, and after healing either copy alone is enough.
 */
import assert from "node:assert/strict";
import type { MemoryStorage } from "../../backends/memory/store.ts";
import type { Secret } from "../../core/crypto/key_encryption.ts";
import { FIXED_BYTES, headerOffset } from "../../core/format/header.ts";
import { createHeader, openHeader } from "../../core/volume/header_area.ts";
import { backupHeader, restoreHeader } from "../../core/volume/header_backup.ts";
import {
  addSlot,
  changeSlot,
  listSlots,
  type OpenHeaderContext,
  removeSlot,
} from "../../core/volume/header_slots.ts";
import { CrashMedium } from "../support/crash_medium.ts";
import { FAST_KDF, headerWorld, text } from "../support/header_world.ts";

const OLD = { passphrase: text("old") };
const NEW = { passphrase: text("new") };
const OTHER = { passphrase: text("other") };
const FAST = { mode: "user", kdf: FAST_KDF } as const;

interface Change {
  /** Runs on a vault with the secrets OLD and OTHER. */
  run(context: OpenHeaderContext): Promise<unknown>;
  /** Secrets of which, before the change has resolved, at least one opens. */
  during: readonly Secret[];
  /** Secrets that open, and that do not, once it has resolved. */
  after: { opens: readonly Secret[]; denied: readonly Secret[] };
}

const changes: Record<string, Change> = {
  "add a slot": {
    run: (context) => addSlot(context, { ...FAST, secret: NEW }),
    during: [OLD],
    after: { opens: [OLD, NEW, OTHER], denied: [] },
  },
  "remove a slot": {
    run: (context) => removeSlot(context, { slotIndex: 0 }),
    during: [OTHER],
    after: { opens: [OTHER], denied: [OLD] },
  },
  "change a slot": {
    run: (context) => changeSlot(context, { slotIndex: 0, slot: { ...FAST, secret: NEW } }),
    during: [OLD, NEW],
    after: { opens: [NEW, OTHER], denied: [OLD] },
  },
};

async function tryOpen(medium: MemoryStorage, secret: Secret) {
  const world = { ...headerWorld(), medium };
  try {
    const opened = await openHeader({ ...world, secret, profiles: [FAST_KDF] });
    return { ...world, keys: opened.keys };
  } catch (error) {
    assert.match(String(error), /wrong passphrase or not a vault/);
    return null;
  }
}

async function tried(medium: MemoryStorage, secrets: readonly Secret[]): Promise<boolean[]> {
  const results = [];
  for (const secret of secrets) results.push(await tryOpen(medium, secret) !== null);
  return results;
}

/** After healing, what opens with both copies opens with either one alone. */
async function checkEitherCopy(medium: MemoryStorage): Promise<void> {
  const all = [OLD, NEW, OTHER];
  const whole = await tried(medium, all);
  for (const copy of [0, 1] as const) {
    const kept = await medium.read(headerOffset(copy), FIXED_BYTES);
    await medium.write(headerOffset(copy), new Uint8Array(FIXED_BYTES));
    // Read-only, so that trying does not heal what was taken away.
    const reading = new Proxy(medium, {
      get: (target, name) =>
        name === "capabilities"
          ? { ...target.capabilities, writable: false }
          : bound(target, name as keyof MemoryStorage),
    });
    assert.deepEqual(await tried(reading, all), whole, `without copy ${copy}`);
    await medium.write(headerOffset(copy), kept);
  }
}

function bound(target: MemoryStorage, name: keyof MemoryStorage): unknown {
  const value = target[name];
  return typeof value === "function" ? value.bind(target) : value;
}

async function vaultOnCrashMedium() {
  const world = headerWorld();
  const { keys } = await createHeader({ ...world, ...FAST, secret: OLD });
  await addSlot({ ...world, keys }, { ...FAST, secret: OTHER });
  const medium = new CrashMedium({ content: world.medium.content });
  return { ...world, keys, medium };
}

for (const [name, change] of Object.entries(changes)) {
  Deno.test(`crash: ${name}, stopped at every write`, async () => {
    const context = await vaultOnCrashMedium();
    await change.run(context);
    context.medium.mark("done");
    let images = 0;
    for (const image of context.medium.images(1)) {
      images++;
      const medium = image.open();
      const where = `${image.point}: ${image.description}`;
      const first = await tried(medium, change.during);
      assert.ok(first.includes(true), where);
      const healer = await tryOpen(medium, OTHER);
      assert.ok(healer, where);
      if (image.mark === "done") {
        assert.ok((await tried(medium, change.after.opens)).every((opened) => opened), where);
        assert.ok((await tried(medium, change.after.denied)).every((opened) => !opened), where);
      }
      const listed = await listSlots(healer);
      const opening = (await tried(medium, [OLD, NEW, OTHER])).filter((opened) => opened);
      assert.equal(listed.length, opening.length, `listed is what opens at ${where}`);
      await checkEitherCopy(medium);
    }
    assert.ok(images > 20, `${images} images`);
  });
}

Deno.test("crash: restore a header, stopped at every write", async () => {
  const context = await vaultOnCrashMedium();
  const backup = await backupHeader(context);
  await changeSlot(context, { slotIndex: 0, slot: { ...FAST, secret: NEW } });
  const start = context.medium.log.length;
  const restore = { backup, verifyRoot: () => Promise.resolve(true), profiles: [FAST_KDF] };
  await restoreHeader({ ...context, ...restore, secret: OLD });
  context.medium.mark("done");
  const points: [number, number] = [start, context.medium.log.length + 1];
  let images = 0;
  for (const image of context.medium.images(2, { points })) {
    images++;
    const medium = image.open();
    const [old, changed, other] = await tried(medium, [OLD, NEW, OTHER]);
    const where = `${image.point}: ${image.description}`;
    assert.ok(other && (old || changed), where);
    if (image.mark === "done") assert.ok(old && !changed, where);
  }
  assert.ok(images > 5, `${images} images`);
});
