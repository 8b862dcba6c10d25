import assert from "node:assert/strict";
import fc from "fast-check";
import { VaultError } from "../errors.ts";
import { decodeHiddenPlace, encodeHiddenPlace } from "./hidden_place.ts";
import { DIRECTORY_BYTES, directoryOffset, FIXED_BYTES, headerAad, slotOffset } from "./header.ts";
import {
  cutLabel,
  decodeDescription,
  decodeSlotPayload,
  DESCRIPTION_BYTES,
  encodeDescription,
  encodeSlotPayload,
  SLOT_IMAGE_BYTES,
  SLOT_PAYLOAD_BYTES,
} from "./key_slot.ts";
import {
  decodeSlotDirectory,
  DIRECTORY_PAYLOAD_BYTES,
  encodeSlotDirectory,
  noOlderEpochs,
  OLDER_SEAL_BYTES,
} from "./key_slot_directory.ts";

const fixed = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const label = fc.string({ unit: "binary", maxLength: 80 }).map(cutLabel);
const PLAIN = { noNullPrototype: true };
const device = fc.record({ name: label, id: fixed(16) }, PLAIN);
const description = fc.oneof(
  fc.record({
    mode: fc.constantFrom("user", "recovery", "export" as const),
    label,
    created: fc.nat(),
    device: fc.constant(null),
  }, PLAIN),
  fc.record({
    mode: fc.constantFrom("device", "hybrid" as const),
    label,
    created: fc.nat(),
    device,
  }, PLAIN),
);
const hidden = fc.record({
  orderKey: fixed(16),
  first: fc.nat(),
  more: fc.integer({ min: 1, max: 2 ** 24 }),
})
  .filter(({ first, more }) => first + more <= 2 ** 30)
  .map(({ orderKey, first, more }) => ({ hidden: { orderKey, segments: first + more, first } }));
const payload = fc.tuple(
  description,
  fc.record({ vaultId: fixed(16), layoutKey: fixed(32), featureBits: fc.nat() }),
  fc.uniqueArray(fc.nat(), { minLength: 1, maxLength: 32 }),
  fc.option(hidden, { nil: {} }),
).map(([said, keys, epochs, place]) => ({
  ...said,
  ...keys,
  ...place,
  epochs: epochs.sort((a, b) => a - b)
    .map((epoch) => ({ epoch, masterKey: new Uint8Array(32).fill(epoch) })),
}));

function checkDecoder(decode: (bytes: Uint8Array) => unknown, good: Uint8Array): void {
  const bytes = good.slice();
  fc.assert(
    fc.property(fc.nat(300), fc.nat(255), (at, value) => {
      bytes.set(good);
      bytes[at % bytes.length] = value;
      try {
        decode(bytes);
      } catch (error) {
        assert.ok(error instanceof VaultError && error.kind === "corrupt", String(error));
      }
    }),
    { numRuns: 500 },
  );
  assert.throws(() => decode(good.subarray(1)), { kind: "corrupt" });
  assert.throws(() => decode(new Uint8Array(good.length).fill(0xff)), { kind: "corrupt" });
}

Deno.test("key slot payload: reads back, padded to one size", () => {
  fc.assert(fc.property(payload, (value) => {
    const bytes = encodeSlotPayload(value);
    assert.equal(bytes.length, SLOT_PAYLOAD_BYTES);
    assert.deepEqual(decodeSlotPayload(bytes), value);
  }));
});

Deno.test("key slot payload: bad bytes are corrupt, never a crash", () => {
  const epochs = [1, 2].map((epoch) => ({ epoch, masterKey: new Uint8Array(32) }));
  const keys = {
    vaultId: new Uint8Array(16),
    layoutKey: new Uint8Array(32),
    featureBits: 0,
    epochs,
  };
  const said = { mode: "user", label: "x", created: 1, device: null } as const;
  checkDecoder(decodeSlotPayload, encodeSlotPayload({ ...said, ...keys }));
});

Deno.test("directory entry: reads back; a free slot is null; bad bytes are corrupt", () => {
  fc.assert(fc.property(fc.option(description), (value) => {
    const bytes = encodeDescription(value);
    assert.equal(bytes.length, DESCRIPTION_BYTES);
    assert.deepEqual(decodeDescription(bytes), value);
  }));
  const device = { name: "d", id: new Uint8Array(16) };
  const said = { mode: "hybrid", label: "x", created: 1, device } as const;
  checkDecoder(decodeDescription, encodeDescription(said));
});

Deno.test("slot directory: reads back; bad bytes are corrupt", () => {
  const copy = (seed: number) => ({
    salt: new Uint8Array(32).fill(seed),
    slots: Array.from({ length: 16 }, (_, i) => new Uint8Array(SLOT_IMAGE_BYTES).fill(seed + i)),
  });
  fc.assert(
    fc.property(
      fc.array(fc.option(description), { minLength: 16, maxLength: 16 }),
      fc.maxSafeNat(),
      (entries, counter) => {
        const older = new Uint8Array(OLDER_SEAL_BYTES).fill(counter);
        const value = { counter, entries, copies: [copy(1), copy(100)] as const, older };
        const bytes = encodeSlotDirectory(value as Parameters<typeof encodeSlotDirectory>[0]);
        assert.equal(bytes.length, DIRECTORY_PAYLOAD_BYTES);
        assert.deepEqual(decodeSlotDirectory(bytes), value);
      },
    ),
    { numRuns: 20 },
  );
  const entries = Array(16).fill(null);
  checkDecoder(
    decodeSlotDirectory,
    encodeSlotDirectory({
      counter: 1,
      entries,
      copies: [copy(1), copy(2)],
      older: noOlderEpochs(),
    }),
  );
});

Deno.test("labels: cut at whole characters to 64 bytes", () => {
  assert.equal(cutLabel("short"), "short");
  assert.equal(cutLabel("β".repeat(40)), "β".repeat(32));
  assert.equal(cutLabel("🔑".repeat(17)), "🔑".repeat(16));
});

Deno.test("header: the fixed cells follow each other as FORMAT.md says", () => {
  assert.equal(slotOffset(0), 4096);
  assert.equal(slotOffset(15), 16 * 4096);
  assert.equal(directoryOffset(2), 17 * 4096);
  assert.equal(directoryOffset(1), 31 * 4096);
  assert.equal(directoryOffset(1) + DIRECTORY_BYTES, FIXED_BYTES);
  assert.equal(FIXED_BYTES, 45 * 4096);
  const aad = headerAad({ purpose: 2, copy: 1, index: 9, salt: new Uint8Array(32).fill(5) });
  assert.deepEqual([...aad], [1, 0, 0, 0, 2, 1, 9, 0, ...Array(32).fill(5)]);
});

Deno.test("hidden place: one outside of its medium is corrupt", () => {
  const orderKey = new Uint8Array(16).fill(1);
  const good = encodeHiddenPlace({ orderKey, segments: 2 ** 24 + 5, first: 5 });
  assert.deepEqual(decodeHiddenPlace(good)?.first, 5);
  assert.equal(decodeHiddenPlace(new Uint8Array(good.length)), undefined);
  const bad: readonly [at: number, value: number][] = [[24, 4], [19, 0], [20, 1], [31, 255]];
  for (const [at, value] of bad) {
    assert.throws(() => decodeHiddenPlace(good.with(at, value)), { kind: "corrupt" });
  }
});
