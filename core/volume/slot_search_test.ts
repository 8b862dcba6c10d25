import assert from "node:assert/strict";
import { FAST_KDF, headerWorld, memoryPlatform, text } from "../../tests/support/header_world.ts";
import type { KdfChoice, Stretch } from "../crypto/argon2.ts";
import { createHeader } from "./header_area.ts";
import { readHeaderBytes } from "./header_cells.ts";
import { findSlot, readAreas } from "./slot_search.ts";
import { HEADER_AREA_BYTES, headerOffset, SPARSE_SAMPLE } from "../format/header.ts";

const GIB = 1 << 30;
const RIGHT = { passphrase: text("right") };

/** A stretch that costs nothing, notes what it was asked for and how many ran at the same time. */
function watched(): { stretch: Stretch; tries: string[]; most: Record<string, number> } {
  const tries: string[] = [];
  const most: Record<string, number> = {};
  let running = 0;
  const stretch: Stretch = async ({ passphrase, salt }, kdf) => {
    tries.push(nameOf(kdf));
    most[nameOf(kdf)] = Math.max(most[nameOf(kdf)] ?? 0, ++running);
    await new Promise((resolve) => setTimeout(resolve));
    running--;
    return new Uint8Array(32).map((_, i) => salt[i] ^ passphrase[i % passphrase.length]);
  };
  return { stretch, tries, most };
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
  assert.equal(await findSlot(search, [bytes, bytes]), null);
  return { tries, told, most };
}

Deno.test("slot search: a wrong passphrase tries all copies, those of both headers at the same time", async () => {
  const tries = [...Array(4).fill("interactive"), ...Array(4).fill("sensitive")];
  const told = ["interactive", "sensitive"];
  const most = { interactive: 2, sensitive: 2 };
  assert.deepEqual(await wrongOn(8 * GIB), { tries, told, most });
  const bounded = { tries, told, most: { ...most, sensitive: 1 } };
  assert.deepEqual(await wrongOn(2 * GIB), bounded, "memory bounds it");
});

Deno.test("slot search: a right passphrase tries one derivation, from either copy", async () => {
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
    const found = await findSlot(search, [whole]);
    assert.equal(found?.copy, whole[0] === null ? 1 : 0);
    assert.deepEqual(told, [FAST_KDF]);
  }
});

Deno.test("slot search: a sparse vault has no second header, so nothing is derived for what lies there", async () => {
  const { medium, ...world } = headerWorld();
  await createHeader({ ...world, medium, mode: "user", secret: RIGHT, kdf: FAST_KDF });
  await medium.write(HEADER_AREA_BYTES, new Uint8Array(HEADER_AREA_BYTES).fill(1));
  assert.deepEqual((await readAreas(medium))[1], [null, null]);
  // Noise behind the fixed cells of one copy is enough: nobody loses a hidden vault by a bad sector in the other.
  const noise = crypto.getRandomValues(new Uint8Array(SPARSE_SAMPLE.bytes));
  await medium.write(headerOffset(1) + SPARSE_SAMPLE.offset, noise);
  const [, [first, second]] = await readAreas(medium);
  assert.ok(first !== null && second !== null);
});
