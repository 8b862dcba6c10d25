import assert from "node:assert/strict";
import fc from "fast-check";
import { FAST_KDF, testKernel, text } from "../../tests/support/header_world.ts";
import { FIXED_CELLS, headerOffset } from "../format/header.ts";
import { CELL_BYTES, RING_CELLS, SEGMENT_CELLS } from "../limits.ts";
import { systemRuntime } from "../runtime.ts";
import { expandKey, subkey } from "./hkdf.ts";
import { exportKeys, importKeys } from "./key_export.ts";
import { EPOCHS_MAX, KeyRing } from "./key_ring.ts";
import { openKeySlot, randomBytes, sealKeySlot } from "./key_slot.ts";
import { parseRecoveryCode, printRecoveryCode } from "./recovery_code.ts";
import { superblockOffset, superblockOffsets } from "./ring_cells.ts";
import { blake3Keyed, openBytes, sealBytes } from "./sealed_bytes.ts";
import { vaultKeys } from "./vault_keys.ts";

const kernel = testKernel;
const tools = { kernel, runtime: systemRuntime };
const bytes = (length: number) => randomBytes(systemRuntime, length);
const fixed = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

function hex(data: Uint8Array): string {
  return Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

Deno.test("sealed bytes: draft-irtf-cfrg-xchacha-03, section A.3.1", () => {
  const key = Uint8Array.from({ length: 32 }, (_, i) => 0x80 + i);
  const nonce = Uint8Array.from({ length: 24 }, (_, i) => 0x40 + i);
  const aad = new Uint8Array([
    0x50,
    0x51,
    0x52,
    0x53,
    0xc0,
    0xc1,
    0xc2,
    0xc3,
    0xc4,
    0xc5,
    0xc6,
    0xc7,
  ]);
  const message = text(
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
  );
  const sealed = sealBytes(kernel, { key, nonce, aad }, message);
  assert.equal(hex(sealed.slice(0, 16)), "bd6d179d3e83d43b9576579493c0e939");
  assert.equal(hex(sealed.slice(-16)), "c0875924c1c7987947deafd8780acf49");
  assert.deepEqual(openBytes(kernel, { key, nonce, aad }, sealed), message);
});

Deno.test("sealed bytes: any flipped bit of key, nonce, AAD or sealed bytes closes them", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(), fc.nat(3), (data, at, which) => {
      const binding = { key: bytes(32), nonce: bytes(24), aad: bytes(40) };
      const sealed = sealBytes(kernel, binding, data);
      assert.deepEqual(openBytes(kernel, binding, sealed), data);
      const target = [binding.key, binding.nonce, binding.aad, sealed][which];
      target[at % target.length] ^= 1 << (at % 8);
      assert.equal(openBytes(kernel, binding, sealed), null);
    }),
  );
});

Deno.test("sealed bytes: keyed BLAKE3 of parts is that of the whole, and too short a seal is none", () => {
  const [key, data] = [bytes(32), bytes(5000)];
  const whole = blake3Keyed(kernel, key, data);
  assert.deepEqual(blake3Keyed(kernel, key, data.slice(0, 7), data.slice(7)), whole);
  assert.notDeepEqual(blake3Keyed(kernel, bytes(32), data), whole);
  assert.equal(
    openBytes(kernel, { key, nonce: bytes(24), aad: data.slice(0, 0) }, bytes(15)),
    null,
  );
});

Deno.test("hkdf: RFC 5869 as the labels use it, and every label apart", () => {
  // Computed by another implementation (HMAC-SHA-256, extract and expand).
  const key = new Uint8Array(32).fill(7);
  const labels = ["block", "node", "log", "root", "superblock", "directory"] as const;
  const layout = ["layout", "ring", "segment-order", "slot-shuffle", "name-hash"] as const;
  const all = [...labels, ...layout].map((label) => hex(subkey(key, label)));
  assert.equal(new Set(all).size, 11);
  assert.equal(
    hex(subkey(key, "block")),
    "af8e84a294dcc1c13da4e0a741b37b29d449f106b9062782719e89cc507c6ed0",
  );
  assert.equal(
    hex(expandKey(key, "kek user", new Uint8Array(32).fill(9))),
    "4dce5050a9daa788cb4f64b5339b476408949caf522ccf1f4173063d32641476",
  );
});

Deno.test("recovery code: prints as six groups of six and reads back", () => {
  fc.assert(fc.property(fixed(20), (secret) => {
    const printed = printRecoveryCode(secret);
    assert.match(
      new TextDecoder().decode(printed),
      /^([0-9A-HJKMNP-TV-Z]{6}-){5}[0-9A-HJKMNP-TV-Z]{6}$/,
    );
    assert.deepEqual(parseRecoveryCode(printed), secret);
    const sloppy = new TextDecoder().decode(printed).toLowerCase().replaceAll("-", "  ")
      .replaceAll("0", "O").replaceAll("1", "l");
    assert.deepEqual(parseRecoveryCode(text(` ${sloppy}\n`)), secret);
  }));
});

Deno.test("recovery code: one wrong symbol is noticed", () => {
  const printed = printRecoveryCode(Uint8Array.from({ length: 20 }, (_, i) => i * 11));
  for (let at = 0; at < printed.length; at++) {
    if (printed[at] === 0x2d) continue;
    const typed = printed.slice();
    typed[at] = typed[at] === 0x5a ? 0x59 : 0x5a;
    assert.throws(() => parseRecoveryCode(typed), { kind: "invalid", message: /mistyped/ });
  }
  for (const typed of ["", "ABC", "U".repeat(36), "0".repeat(37), "é".repeat(18)]) {
    assert.throws(() => parseRecoveryCode(text(typed)), { kind: "invalid", message: /36 letters/ });
  }
});

const payload = {
  mode: "user",
  label: "l",
  created: 1.5e12,
  device: null,
  vaultId: bytes(16),
  layoutKey: bytes(32),
  featureBits: 0,
  epochs: [{ epoch: 1, masterKey: bytes(32) }],
} as const;

Deno.test("key slot: opens under its key at its place only", () => {
  const [kek, salt] = [bytes(32), bytes(32)];
  const place = { purpose: 1, copy: 0, index: 3, salt } as const;
  const image = sealKeySlot(tools, kek, place, payload);
  assert.deepEqual(openKeySlot(kernel, kek, place, image), payload);
  const others = [{ ...place, purpose: 3 }, { ...place, copy: 1 }, { ...place, index: 4 }, {
    ...place,
    salt: bytes(32),
  }] as const;
  for (const other of others) assert.equal(openKeySlot(kernel, kek, other, image), null);
  assert.equal(openKeySlot(kernel, bytes(32), place, image), null);
  fc.assert(fc.property(fc.nat(image.length * 8 - 1), (bit) => {
    const tampered = image.slice();
    tampered[bit >> 3] ^= 1 << (bit & 7);
    assert.equal(openKeySlot(kernel, kek, place, tampered), null);
  }));
});

Deno.test("key ring: 32 epochs, each with its own subkeys, dropped and wiped", () => {
  const ring = new KeyRing(kernel);
  const read = (address: number) => kernel.bytes.slice(address, address + 32);
  const masters = Array.from({ length: EPOCHS_MAX }, () => bytes(32));
  masters.forEach((master, i) => ring.addEpoch(i + 1, master));
  masters.forEach((master, i) => {
    const epoch = i + 1;
    assert.deepEqual(read(ring.blockKey(epoch)), subkey(master, "block"));
    assert.deepEqual(read(ring.nodeKey(epoch)), subkey(master, "node"));
    assert.deepEqual(read(ring.logKey(epoch)), subkey(master, "log"));
    assert.deepEqual(read(ring.rootKey(epoch)), subkey(master, "root"));
    assert.deepEqual(read(ring.superblockKey(epoch)), subkey(master, "superblock"));
  });
  assert.throws(() => ring.addEpoch(33, bytes(32)), /at most 32/);
  const place = ring.blockKey(5);
  ring.dropEpoch(5);
  assert.equal(ring.has(5), false);
  assert.deepEqual(read(place), new Uint8Array(32));
  ring.addEpoch(33, masters[0]);
  assert.equal(ring.blockKey(33), place);
  ring.wipe();
  assert.deepEqual(read(place), new Uint8Array(32));
  assert.throws(() => ring.blockKey(1), /was added/);
});

Deno.test("ring cells: 16 distinct cells of each copy behind the fixed ones, by key", () => {
  fc.assert(fc.property(fixed(32), (key) => {
    for (const copy of [0, 1] as const) {
      const offsets = superblockOffsets(key, copy);
      assert.equal(new Set(offsets).size, RING_CELLS);
      for (const offset of offsets) {
        const cell = (offset - headerOffset(copy)) / CELL_BYTES;
        assert.ok(Number.isInteger(cell) && cell >= FIXED_CELLS && cell < SEGMENT_CELLS);
      }
      assert.equal(superblockOffset(key, copy, 7), offsets[7]);
    }
  }));
  const key = bytes(32);
  const within = superblockOffsets(key, 1).map((offset) => offset - headerOffset(1));
  assert.notDeepEqual(within, superblockOffsets(key, 0));
  assert.notDeepEqual(superblockOffsets(bytes(32), 0), superblockOffsets(key, 0));
});

Deno.test("key export: opens with its passphrase only, and two are unlike", async () => {
  const keys = vaultKeys({
    ...payload,
    epochs: [1, 4].map((epoch) => ({ epoch, masterKey: bytes(32) })),
  });
  const secret = { passphrase: text("paper"), kdf: FAST_KDF };
  const file = await exportKeys(tools, keys, secret);
  const profiles = [FAST_KDF];
  const opened = await importKeys(tools, file, { passphrase: text("paper"), profiles });
  assert.deepEqual(opened.epochs, keys.epochs);
  assert.deepEqual(opened.layoutKey, keys.layoutKey);
  assert.notDeepEqual(await exportKeys(tools, keys, secret), file);
  const wrong = [[file, "pen"], [file.slice(1), "paper"], [bytes(4096), "paper"]] as const;
  for (const [data, passphrase] of wrong) {
    const options = { passphrase: text(passphrase), profiles };
    await assert.rejects(importKeys(tools, data, options), { kind: "denied" });
  }
  opened.wipe();
  assert.deepEqual(opened.epochs[1].masterKey, new Uint8Array(32));
});
