import assert from "node:assert/strict";
import { FAST_KDF, text } from "../../tests/support/header_world.ts";
import { stretchPassphrase } from "./argon2.ts";
import { type Stretched, stretchUnder, takingAhead, wipeAhead } from "./stretched.ts";

const SALT = new Uint8Array(32).fill(7);
const INPUT = { passphrase: text("secret"), salt: SALT };

/** Bytes that no derivation gives, so that it shows who made the answer. */
function begun(changes: Partial<Stretched> = {}): Stretched {
  return { salt: SALT, kdf: FAST_KDF, bytes: new Uint8Array(32).fill(1), ...changes };
}

Deno.test("stretched: what was begun for this salt and cost is taken", async () => {
  const ahead = begun({ kdf: { ...FAST_KDF }, salt: SALT.slice() });
  const taken = await takingAhead(Promise.resolve([begun({ salt: SALT.with(0, 1) }), ahead]))(
    INPUT,
    FAST_KDF,
  );
  assert.deepEqual(taken, ahead.bytes);
  taken.fill(0);
  assert.equal(ahead.bytes[0], 1, "the taker wipes a copy");
});

Deno.test("stretched: another salt, another cost or nothing begun is derived", async () => {
  const right = await stretchPassphrase(INPUT, FAST_KDF);
  const others = [
    begun({ salt: SALT.with(31, 8) }),
    begun({ kdf: { ...FAST_KDF, passes: FAST_KDF.passes + 1 } }),
    begun({ kdf: { ...FAST_KDF, memoryKib: FAST_KDF.memoryKib * 2 } }),
  ];
  for (const ahead of [[], others]) {
    assert.deepEqual(await takingAhead(Promise.resolve(ahead))(INPUT, FAST_KDF), right);
  }
});

Deno.test("stretched: it is wiped when it has come", async () => {
  const ahead = [begun(), begun()];
  await wipeAhead(Promise.resolve(ahead));
  for (const { bytes } of ahead) assert.deepEqual(bytes, new Uint8Array(32));
  await wipeAhead(Promise.resolve([]));
});

Deno.test("stretched: what was moved to another thread stays with it, and the rest is wiped", async () => {
  const [moved, kept] = [begun(), begun()];
  structuredClone(moved.bytes, { transfer: [moved.bytes.buffer] });
  await wipeAhead(Promise.resolve([moved, kept]));
  assert.deepEqual(kept.bytes, new Uint8Array(32));
});

Deno.test("stretched: a passphrase under several salts, and none where it does not work", async () => {
  const salts = [SALT, SALT.with(0, 1)];
  const each = await Promise.all(
    salts.map((salt) => stretchPassphrase({ ...INPUT, salt }, FAST_KDF)),
  );
  const begun = await stretchUnder(salts, INPUT.passphrase, FAST_KDF);
  assert.deepEqual(begun, salts.map((salt, i) => ({ salt, kdf: FAST_KDF, bytes: each[i] })));
  const impossible = { ...FAST_KDF, passes: 0 };
  assert.deepEqual(await stretchUnder(salts, INPUT.passphrase, impossible), []);
});
