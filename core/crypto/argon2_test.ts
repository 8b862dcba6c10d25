import assert from "node:assert/strict";
import {
  argon2idByHashWasm,
  argon2idByWebCrypto,
  KDF_ORDER,
  KDF_PROFILES,
  parseKdfProfile,
} from "./argon2.ts";

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const lanes = { "WebCrypto": argon2idByWebCrypto, "hash-wasm": argon2idByHashWasm };

// phc-winner-argon2, src/test.c, "Argon2id test vectors" (version 0x13).
const REFERENCE = [
  [
    "password",
    "somesalt",
    { memoryKib: 65536, passes: 2, parallelism: 1 },
    "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7",
  ],
  [
    "password",
    "somesalt",
    { memoryKib: 256, passes: 2, parallelism: 1 },
    "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe",
  ],
  [
    "password",
    "somesalt",
    { memoryKib: 256, passes: 2, parallelism: 2 },
    "6d093c501fd5999645e0ea3bf620d7b8be7fd2db59c20d9fff9539da2bf57037",
  ],
  [
    "differentpassword",
    "somesalt",
    { memoryKib: 65536, passes: 2, parallelism: 1 },
    "0b84d652cf6b0c4beaef0dfe278ba6a80df6696281d7e0d2891b817d8c458fde",
  ],
  [
    "password",
    "diffsalt",
    { memoryKib: 65536, passes: 2, parallelism: 1 },
    "bdf32b05ccc42eb15d58fd19b1f856b113da1e9a5874fdcc544308565aa8141c",
  ],
] as const;

for (const [name, lane] of Object.entries(lanes)) {
  Deno.test(`argon2id: ${name} gives the reference implementation's vectors`, async () => {
    for (const [passphrase, salt, cost, expected] of REFERENCE) {
      const encode = (text: string) => new TextEncoder().encode(text);
      const input = { passphrase: encode(passphrase), salt: encode(salt) };
      assert.equal(hex(await lane(input, cost)), expected);
    }
  });
}

Deno.test("argon2id: both implementations agree, on the interactive profile and on odd passphrases", async () => {
  const salt = crypto.getRandomValues(new Uint8Array(32));
  const cheap = { memoryKib: 64, passes: 1, parallelism: 1 };
  const cases = [
    [crypto.getRandomValues(new Uint8Array(20)), KDF_PROFILES.interactive],
    [new Uint8Array([0]), cheap],
    [new Uint8Array(1000).fill(0xff), cheap],
  ] as const;
  for (const [passphrase, cost] of cases) {
    const input = { passphrase, salt };
    const kept = passphrase.slice();
    assert.deepEqual(await argon2idByWebCrypto(input, cost), await argon2idByHashWasm(input, cost));
    assert.deepEqual(passphrase, kept, "the caller's passphrase is not touched");
  }
});

Deno.test("argon2id: RFC 9106, section 5.3, by WebCrypto, which takes secret and associated data", async () => {
  const key = await crypto.subtle.importKey(
    "raw-secret",
    new Uint8Array(32).fill(1),
    { name: "Argon2id" },
    false,
    ["deriveBits"],
  );
  const parameters = {
    name: "Argon2id",
    nonce: new Uint8Array(16).fill(2),
    memory: 32,
    passes: 3,
    parallelism: 4,
    secretValue: new Uint8Array(8).fill(3),
    associatedData: new Uint8Array(12).fill(4),
  };
  const tag = new Uint8Array(await crypto.subtle.deriveBits(parameters, key, 256));
  assert.equal(hex(tag), "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659");
});

Deno.test("argon2id: people choose a profile by name, and none is cheap", () => {
  assert.deepEqual(KDF_ORDER.map(parseKdfProfile), Object.keys(KDF_PROFILES));
  for (const { memoryKib, passes } of Object.values(KDF_PROFILES)) {
    assert.ok(memoryKib >= 65536 && passes >= 3);
  }
  for (const name of ["", "fast", "toString", "Interactive"]) {
    assert.throws(() => parseKdfProfile(name), { kind: "invalid" });
  }
});
