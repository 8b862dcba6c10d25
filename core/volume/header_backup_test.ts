import assert from "node:assert/strict";
import { FAST_KDF, headerWorld, snapshot, text } from "../../tests/support/header_world.ts";
import { FIXED_BYTES, HEADER_AREA_BYTES } from "../format/header.ts";
import { createHeader, openHeader } from "./header_area.ts";
import { backupHeader, restoreHeader } from "./header_backup.ts";
import { addSlot, listSlots } from "./header_slots.ts";

const ANN = { passphrase: text("ann") };
const BEN = { passphrase: text("ben") };
const FAST = { mode: "user", kdf: FAST_KDF } as const;
const profiles = [FAST_KDF];
const yes = () => Promise.resolve(true);

async function backedUp() {
  const world = headerWorld();
  const { keys } = await createHeader({ ...world, ...FAST, secret: ANN });
  await addSlot({ ...world, keys }, { ...FAST, secret: BEN });
  const backup = await backupHeader({ ...world, keys });
  return { ...world, keys, backup };
}

Deno.test("backup: restores all slots after both copies are lost", async () => {
  const world = await backedUp();
  const noise = new Uint8Array(HEADER_AREA_BYTES);
  world.runtime.random(noise);
  await world.medium.write(0, noise);
  let asked: Uint8Array | undefined;
  const verifyRoot = (keys: { layoutKey: Uint8Array }) => {
    asked = keys.layoutKey.slice();
    return yes();
  };
  const { keys } = await restoreHeader({ ...world, secret: BEN, profiles, verifyRoot });
  assert.deepEqual(asked, world.keys.layoutKey);
  assert.deepEqual(keys.epochs, world.keys.epochs);
  for (const secret of [ANN, BEN]) await openHeader({ ...world, secret, profiles });
  assert.equal((await listSlots({ ...world, keys })).length, 2);
});

Deno.test("backup: is refused, with nothing written, unless secret, file and root all fit", async () => {
  const world = await backedUp();
  const before = await snapshot(world.medium);
  const good = { ...world, secret: ANN, profiles, verifyRoot: yes };
  const tampered = world.backup.map((byte, i) => i >= 17 * 4096 ? byte ^ 1 : byte);
  const cases = [
    [
      { ...good, secret: { passphrase: text("eve") } },
      "denied",
      /wrong passphrase or not a header/,
    ],
    [{ ...good, backup: world.backup.slice(1) }, "denied", /wrong passphrase or not a header/],
    [{ ...good, backup: new Uint8Array(FIXED_BYTES) }, "denied", /not a header backup/],
    [{ ...good, backup: tampered }, "corrupt", /damaged/],
    [{ ...good, verifyRoot: () => Promise.resolve(false) }, "denied", /newer backup/],
  ] as const;
  for (const [options, kind, message] of cases) {
    await assert.rejects(restoreHeader(options), { kind, message });
  }
  assert.deepEqual(await snapshot(world.medium), before);
});

Deno.test("backup: two backups of one header share no 8 bytes but salt and slots", async () => {
  const world = await backedUp();
  const other = await backupHeader(world);
  for (let at = 17 * 4096; at < FIXED_BYTES; at += 8) {
    assert.notDeepEqual(other.subarray(at, at + 8), world.backup.subarray(at, at + 8));
  }
});
