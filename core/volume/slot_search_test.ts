import assert from "node:assert/strict";
import { FAST_KDF, headerWorld, memoryPlatform, text } from "../../tests/support/header_world.ts";
import type { KdfChoice, Stretch } from "../crypto/argon2.ts";
import { createHeader } from "./header_area.ts";
import { readHeaderBytes } from "./header_cells.ts";
import { findSlot } from "./slot_search.ts";

const GIB = 1 << 30;
const RIGHT = { passphrase: text("right") };

/** A stretch that costs nothing, notes what it was asked for and how many ran at the same time. */
function watched(): { stretch: Stretch; tries: string[]; most: () => number } {
  const tries: string[] = [];
  let running = 0, most = 0;
  const stretch: Stretch = async ({ passphrase, salt }, kdf) => {
    tries.push(nameOf(kdf));
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve));
    running--;
    return new Uint8Array(32).map((_, i) => salt[i] ^ passphrase[i % passphrase.length]);
  };
  return { stretch, tries, most: () => most };
}

const nameOf = (kdf: KdfChoice) => typeof kdf === "string" ? kdf : "costs";

/** What a wrong passphrase does on a system with so much free memory. */
async function wrongOn(freeBytes: number) {
  const world = headerWorld();
  await createHeader({ ...world, mode: "user", secret: RIGHT, kdf: FAST_KDF });
  const { stretch, tries, most } = watched();
  const told: string[] = [];
  const trying = (kdf: KdfChoice) => void told.push(nameOf(kdf));
  const platform = { ...memoryPlatform(), freeMemoryBytes: () => freeBytes };
  const secret = { passphrase: text("wrong") };
  const bytes = await readHeaderBytes(world.medium);
  const profiles = ["interactive", "sensitive"] as const;
  const search = { ...world, platform, secret, stretch, trying, profiles };
  assert.equal(await findSlot(search, bytes), null);
  return { tries, told, most: most() };
}

Deno.test("slot search: a wrong passphrase tries both copies, the later ones at the same time", async () => {
  const tries = ["interactive", "interactive", "sensitive", "sensitive"];
  const told = ["interactive", "sensitive"];
  assert.deepEqual(await wrongOn(8 * GIB), { tries, told, most: 2 });
  assert.deepEqual(await wrongOn(2 * GIB), { tries, told, most: 1 }, "memory bounds it");
});

Deno.test("slot search: a right passphrase derives once, from either copy", async () => {
  const world = headerWorld();
  await createHeader({ ...world, mode: "user", secret: RIGHT, kdf: FAST_KDF });
  const bytes = await readHeaderBytes(world.medium);
  for (const whole of [bytes, [null, bytes[1]]] as const) {
    const told: KdfChoice[] = [];
    const profiles = [FAST_KDF, "interactive"] as const;
    const search = {
      ...world,
      secret: RIGHT,
      profiles,
      trying: (kdf: KdfChoice) => void told.push(kdf),
    };
    const found = await findSlot(search, whole);
    assert.equal(found?.copy, whole[0] === null ? 1 : 0);
    assert.deepEqual(told, [FAST_KDF]);
  }
});
