import assert from "node:assert/strict";
import { FAST_KDF, headerWorld, memoryPlatform, text } from "../../tests/support/header_world.ts";
import type { KdfChoice, Stretch } from "../crypto/argon2.ts";
import { createHeader } from "./header_area.ts";
import { readHeaderBytes } from "./header_cells.ts";
import { findInAreas, findSlot, readAreas } from "./slot_search.ts";
import type { Secret } from "../crypto/key_encryption.ts";
import { VaultError } from "../errors.ts";
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

Deno.test("slot search: what lies behind a sparse vault's header is tried only when that does not open", async () => {
  const { medium, ...world } = headerWorld();
  const { stretch, tries } = watched();
  await createHeader({ ...world, medium, mode: "user", secret: RIGHT, kdf: FAST_KDF, stretch });
  await medium.write(HEADER_AREA_BYTES, new Uint8Array(HEADER_AREA_BYTES).fill(1));
  const derived = async (secret: Secret) => {
    tries.length = 0;
    const search = { ...world, secret, stretch, profiles: [FAST_KDF] };
    const found = await findInAreas(search, medium, await readAreas(medium));
    return [found?.area, tries.length];
  };
  assert.deepEqual(await derived(RIGHT), [0, 1]);
  // It may be a dense one whose start was wiped, with a hidden one that is whole.
  assert.deepEqual(await derived({ passphrase: text("wrong") }), [undefined, 4]);
  // A bad sector says nothing of what is there.
  const read = medium.read.bind(medium);
  medium.read = (offset, bytes) => {
    if (offset === headerOffset(1) + SPARSE_SAMPLE.offset) {
      return Promise.reject(new VaultError("unavailable", "Cannot read: a bad sector"));
    }
    return read(offset, bytes);
  };
  assert.deepEqual(await derived(RIGHT), [0, 2]);
});

Deno.test("slot search: nothing is derived for a hole", async () => {
  const { medium, ...world } = headerWorld();
  const { stretch, tries } = watched();
  await createHeader({ ...world, medium, mode: "user", secret: RIGHT, kdf: FAST_KDF, stretch });
  medium.direct!.truncate(2 * HEADER_AREA_BYTES);
  tries.length = 0;
  const search = { ...world, secret: { passphrase: text("wrong") }, stretch, profiles: [FAST_KDF] };
  assert.equal(await findInAreas(search, medium, await readAreas(medium)), null);
  assert.equal(tries.length, 2);
});
