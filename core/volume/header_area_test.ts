import assert from "node:assert/strict";
import { MemoryStorage } from "../../backends/memory/store.ts";
import {
  FAST_KDF,
  headerWorld,
  mediumOf,
  memoryPlatform,
  snapshot,
  text,
} from "../../tests/support/header_world.ts";
import type { KdfInput, Stretch } from "../crypto/argon2.ts";
import { stretchUnder, takingAhead } from "../crypto/stretched.ts";
import {
  FIXED_BYTES,
  HEADER_COPIES,
  headerOffset,
  SALT_BYTES,
  slotOffset,
} from "../format/header.ts";
import { CELL_BYTES, SEGMENT_BYTES } from "../limits.ts";
import { createHeader, openHeader } from "./header_area.ts";
import type { HeaderContext } from "./header_cells.ts";
import { createHeaders } from "./member_headers.ts";

const SECRET = { passphrase: text("correct horse") };
const FAST = { kdf: FAST_KDF } as const;
const FAST_OPEN = { profiles: [FAST_KDF] } as const;
const DENIED = /^VaultError: Cannot open vault "[^"]+": wrong passphrase or not a vault$/;

async function created() {
  const world = headerWorld();
  const { keys } = await createHeader({ ...world, ...FAST, secret: SECRET, mode: "user" });
  return { world, keys };
}

function open(context: HeaderContext, secret = SECRET) {
  return openHeader({ ...context, ...FAST_OPEN, secret });
}

Deno.test("header: what was created opens with the same keys", async () => {
  const { world, keys } = await created();
  const opened = await open(world);
  assert.deepEqual(opened.keys.vaultId, keys.vaultId);
  assert.deepEqual(opened.keys.layoutKey, keys.layoutKey);
  assert.deepEqual(opened.keys.epochs, keys.epochs);
  assert.equal(opened.keys.epochs[0].epoch, 1);
  assert.equal(opened.slotIndex, 0);
  assert.equal(opened.movedFrom, null);
});

Deno.test("header: opening an intact one writes nothing", async () => {
  const { world } = await created();
  const before = world.medium.events.length;
  await open(world);
  assert.equal(world.medium.events.length, before);
});

Deno.test("header: wrong passphrase, noise, emptiness and shortness give one and the same error", async () => {
  const { world } = await created();
  await assert.rejects(open(world, { passphrase: text("wrong") }), DENIED);
  const noise = new Uint8Array(2 * SEGMENT_BYTES);
  world.runtime.random(noise);
  const mediums = [
    await mediumOf(noise),
    await mediumOf(new Uint8Array(2 * SEGMENT_BYTES)),
    await mediumOf(new Uint8Array(100)),
    new MemoryStorage(),
  ];
  for (const medium of mediums) {
    await assert.rejects(open({ ...world, medium }), (error: Error & { kind?: string }) => {
      assert.match(String(error), DENIED);
      assert.equal(error.kind, "denied");
      return true;
    });
  }
});

Deno.test("header: either copy alone opens, and a writable opening heals the other", async () => {
  for (const lost of [0, 1] as const) {
    const { world, keys } = await created();
    const whole = await snapshot(world.medium);
    const noise = new Uint8Array(FIXED_BYTES);
    world.runtime.random(noise);
    await world.medium.write(headerOffset(lost), noise);
    assert.deepEqual((await open(world)).keys.vaultId, keys.vaultId);
    const healed = await snapshot(world.medium);
    for (let cell = 0; cell < 2; cell++) {
      const at = headerOffset(lost) + cell * CELL_BYTES;
      assert.deepEqual(healed.slice(at, at + 32), whole.slice(at, at + 32));
    }
    await world.medium.write(headerOffset(lost === 0 ? 1 : 0), noise);
    assert.deepEqual((await open(world)).keys.vaultId, keys.vaultId);
  }
});

Deno.test("header: a read-only medium opens and is not written", async () => {
  const { world } = await created();
  await world.medium.write(0, new Uint8Array(CELL_BYTES));
  const medium = new MemoryStorage({ content: world.medium.content, readOnly: true });
  const before = await snapshot(medium);
  await open({ ...world, medium });
  assert.deepEqual(await snapshot(medium), before);
});

Deno.test("header: a truncated medium opens from its first copy", async () => {
  const { world, keys } = await created();
  await world.medium.truncate(SEGMENT_BYTES + 5000);
  assert.deepEqual((await open(world)).keys.vaultId, keys.vaultId);
  assert.equal(await world.medium.size(), SEGMENT_BYTES + 5000);
});

Deno.test("header: any flipped bit of a slot closes it", async () => {
  const { world } = await created();
  const bytes = await snapshot(world.medium);
  const places = [0, 23, 24, 500, 1559, 1560, 1575, 1576, 1607];
  for (const place of places) {
    const tampered = bytes.slice();
    for (const copy of [0, 1] as const) {
      tampered[headerOffset(copy) + slotOffset(0) + place] ^= 1;
    }
    await assert.rejects(open({ ...world, medium: await mediumOf(tampered) }), DENIED, `${place}`);
  }
});

Deno.test("header: a slot moved to another place or copy does not open", async () => {
  const { world } = await created();
  const bytes = await snapshot(world.medium);
  const cell = bytes.slice(slotOffset(0), slotOffset(0) + CELL_BYTES);
  const moved = new Uint8Array(bytes.length);
  moved.set(bytes.subarray(0, CELL_BYTES));
  moved.set(cell, slotOffset(1));
  await assert.rejects(open({ ...world, medium: await mediumOf(moved) }), DENIED);
  moved.set(bytes.subarray(0, CELL_BYTES), SEGMENT_BYTES);
  moved.set(cell, SEGMENT_BYTES + slotOffset(0));
  await assert.rejects(open({ ...world, medium: await mediumOf(moved) }), DENIED);
});

Deno.test("header: the two copies share no 8 bytes at the same place", async () => {
  const { world } = await created();
  const bytes = await snapshot(world.medium);
  for (let at = 0; at < FIXED_BYTES; at += 8) {
    const a = bytes.subarray(at, at + 8);
    const b = bytes.subarray(SEGMENT_BYTES + at, SEGMENT_BYTES + at + 8);
    assert.notDeepEqual(a, b);
  }
});

Deno.test("header: device and hybrid slots open on their device only", async () => {
  for (const mode of ["device", "hybrid"] as const) {
    const world = headerWorld();
    const secret = mode === "device" ? { device: true } as const : SECRET;
    const { keys } = await createHeader({ ...world, ...FAST, mode, secret });
    const opened = await openHeader({ ...world, ...FAST_OPEN, secret });
    assert.deepEqual(opened.keys.vaultId, keys.vaultId);
    assert.equal(opened.mode, mode);
    const elsewhere = { ...world, platform: memoryPlatform("desktop") };
    await assert.rejects(openHeader({ ...elsewhere, ...FAST_OPEN, secret }), DENIED);
    const secrets = world.platform as ReturnType<typeof memoryPlatform>;
    secrets.secrets.forEach((value, label) => elsewhere.platform.secrets.set(label, value));
    const moved = await openHeader({ ...elsewhere, ...FAST_OPEN, secret });
    assert.equal(moved.movedFrom, "laptop");
  }
});

Deno.test("header: what makes no sense is refused before anything is written", async () => {
  const world = headerWorld();
  const { platform: _none, ...bare } = world;
  const orders = [
    { ...world, mode: "user", secret: { device: true } },
    { ...world, mode: "user", secret: { passphrase: new Uint8Array(0) } },
    { ...world, mode: "user", secret: SECRET, label: "x".repeat(65) },
    { ...bare, mode: "device", secret: { device: true } },
  ] as const;
  for (const order of orders) {
    await assert.rejects(createHeader({ ...order, ...FAST }), { kind: "invalid" });
  }
  assert.deepEqual(world.medium.events, []);
});

Deno.test("header: the interactive profile opens by default", async () => {
  const world = headerWorld();
  const { keys } = await createHeader({ ...world, secret: SECRET, mode: "user" });
  const opened = await openHeader({ ...world, secret: SECRET });
  assert.deepEqual(opened.keys.vaultId, keys.vaultId);
});

Deno.test("header: its cells are noise (chi-square of bytes, 255 degrees of freedom)", async () => {
  const { world } = await created();
  const bytes = await snapshot(world.medium);
  const counts = new Array<number>(256).fill(0);
  for (const copy of [0, 1] as const) {
    const at = headerOffset(copy);
    for (const byte of bytes.subarray(at, at + FIXED_BYTES)) counts[byte]++;
  }
  const expected = 2 * FIXED_BYTES / 256;
  const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  // Mean 255, deviation 22.6: eight deviations away by chance once in 10^12 runs.
  assert.ok(chiSquare > 75 && chiSquare < 440, `chi-square ${chiSquare}`);
});

Deno.test("header: salts that were drawn before are used, and what was derived under them", async () => {
  const world = headerWorld();
  const salts = [new Uint8Array(SALT_BYTES).fill(1), new Uint8Array(SALT_BYTES).fill(2)] as const;
  const stretched = stretchUnder(salts, SECRET.passphrase, FAST_KDF);
  const asked: KdfInput[] = [];
  const stretch: Stretch = (input, kdf) => {
    asked.push(input);
    return takingAhead(stretched)(input, kdf);
  };
  await createHeader({ ...world, ...FAST, secret: SECRET, mode: "user", salts, stretch });
  assert.deepEqual(asked.map(({ salt }) => salt), salts);
  for (const copy of HEADER_COPIES) {
    assert.deepEqual(await world.medium.read(headerOffset(copy), SALT_BYTES), salts[copy]);
  }
  await open(world);
});

Deno.test("header: of several media only the first has the salts that were drawn before", async () => {
  const worlds = [headerWorld(), headerWorld()];
  const salts = [new Uint8Array(SALT_BYTES).fill(1), new Uint8Array(SALT_BYTES).fill(2)] as const;
  const order = { ...worlds[0], ...FAST, secret: SECRET, mode: "user", salts } as const;
  await createHeaders(order, worlds.map(({ medium }) => medium));
  const found: string[] = [];
  for (const { medium } of worlds) {
    for (const copy of HEADER_COPIES) {
      found.push((await medium.read(headerOffset(copy), SALT_BYTES)).toHex());
    }
  }
  assert.deepEqual(found.slice(0, 2), salts.map((salt) => salt.toHex()));
  assert.equal(new Set(found).size, 4);
});
