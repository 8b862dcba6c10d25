/** The WASM kernel against the reference and against independent implementations. */
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { blake3 } from "@noble/hashes/blake3.js";
import fc from "fast-check";
import assert from "node:assert/strict";
import { concat } from "../../core/bytes.ts";
import { DESCRIPTOR_BYTES, type Kernel } from "../../core/crypto/kernel.ts";
import { open, seal } from "../../core/crypto/reference/aead.ts";
import { siphash } from "../../core/crypto/reference/permutation.ts";
import { poly1305 } from "../../core/crypto/reference/poly1305.ts";
import { createReferenceKernel } from "../../core/crypto/reference_kernel.ts";
import { createKernel } from "../../wasm/kernel.ts";
import {
  aeadPlaintext,
  chachaPoly,
  poly1305Carries,
  siphashOfEight,
} from "../contract/kernel_vectors.ts";
import {
  copyOf,
  fromHex,
  patternBytes,
  tagAt,
  toHex,
  writeDescriptor,
} from "../support/kernel_memory.ts";

const MEMORY_BYTES = 4 * 1024 * 1024;

/** The same reserves in a kernel: a key, a descriptor and two areas for data. */
function laidOut(kernel: Kernel) {
  const key = kernel.reserve(32), descriptor = kernel.reserve(DESCRIPTOR_BYTES);
  return { kernel, key, descriptor, data: kernel.reserve(1 << 20), out: kernel.reserve(1 << 18) };
}

const wasmKernel = createKernel({ memoryBytes: MEMORY_BYTES });
const wasm = laidOut(wasmKernel);
const reference = laidOut(createReferenceKernel({ memoryBytes: MEMORY_BYTES }));

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const seals = fc.record({
  key: bytes(32),
  nonce: bytes(24),
  aad: fc.uint8Array({ maxLength: 64 }),
  plaintext: fc.uint8Array({ maxLength: 1500, size: "max" }),
});

Deno.test("kernel: RFC 8439 2.8.2, and Poly1305's carry vectors, in both kernels", () => {
  const key = fromHex(chachaPoly.key), nonce = fromHex(chachaPoly.nonce);
  const aad = fromHex(chachaPoly.aad), length = aeadPlaintext.length;
  wasmKernel.bytes.set(key, wasm.key);
  wasmKernel.bytes.set(aeadPlaintext, wasm.data);
  const sealCase = { at: wasm.data, length, key: wasm.key, nonce, aad };
  writeDescriptor(wasmKernel, wasm.descriptor, sealCase);
  wasmKernel.sealIetf(wasm.descriptor);
  assert.equal(toHex(copyOf(wasmKernel, wasm.data, length)), chachaPoly.ciphertext);
  assert.equal(toHex(tagAt(wasmKernel, wasm.descriptor)), chachaPoly.tag);
  const sealed = seal({ key, nonce }, aad, aeadPlaintext);
  assert.equal(toHex(sealed.ciphertext), chachaPoly.ciphertext);
  assert.equal(toHex(sealed.tag), chachaPoly.tag);
  assert.deepEqual(open({ key, nonce }, aad, sealed), aeadPlaintext);
  for (const vector of poly1305Carries) {
    const message = fromHex(vector.message);
    wasmKernel.bytes.set(fromHex(vector.key), wasm.key);
    wasmKernel.bytes.set(message, wasm.data);
    wasmKernel.poly1305(wasm.out, wasm.key, wasm.data, message.length);
    assert.equal(toHex(copyOf(wasmKernel, wasm.out, 16)), vector.tag);
    assert.equal(toHex(poly1305(fromHex(vector.key), message)), vector.tag);
  }
});

Deno.test("reference: SipHash-2-4 is the published one", () => {
  const key = Uint8Array.from({ length: 16 }, (_, i) => i);
  assert.equal(siphash(key, 0x0706050403020100n), siphashOfEight);
});

Deno.test("kernel: seals what the reference and noble seal, opens it, refuses a flipped bit", () => {
  fc.assert(fc.property(seals, fc.nat(), ({ key, nonce, aad, plaintext }, where) => {
    const expected = xchacha20poly1305(key, nonce, aad).encrypt(plaintext);
    const length = plaintext.length;
    for (const { kernel, ...at } of [wasm, reference]) {
      kernel.bytes.set(key, at.key);
      kernel.bytes.set(plaintext, at.data);
      const sealCase = { at: at.data, to: at.out, length, key: at.key, nonce, aad };
      writeDescriptor(kernel, at.descriptor, sealCase);
      kernel.sealMany(at.descriptor, 1);
      const sealed = concat(copyOf(kernel, at.out, length), tagAt(kernel, at.descriptor));
      assert.deepEqual(sealed, expected);
      kernel.words[at.descriptor / 4] = at.out;
      assert.equal(kernel.openMany(at.descriptor, 1), 0);
      assert.deepEqual(copyOf(kernel, at.out, length), plaintext);
      kernel.sealMany(at.descriptor, 1);
      const bit = where % (8 * (length + 16)), byte = bit >> 3;
      const place = byte < length ? at.out + byte : at.descriptor + 48 + byte - length;
      kernel.bytes[place] ^= 1 << (bit & 7);
      assert.equal(kernel.openMany(at.descriptor, 1), 1);
      assert.ok(copyOf(kernel, at.out, length).every((value) => value === 0));
    }
  }));
});

Deno.test("kernel: long seals are noble's, with the carries that all-ones provoke", () => {
  const key = patternBytes(32, 1), nonce = patternBytes(24, 2), aad = patternBytes(64, 3);
  for (const length of [4096, 16384, 65536, 65537, 200_001]) {
    for (const plaintext of [patternBytes(length, length), new Uint8Array(length).fill(255)]) {
      wasmKernel.bytes.set(key, wasm.key);
      wasmKernel.bytes.set(plaintext, wasm.data);
      const sealCase = { at: wasm.data, length, key: wasm.key, nonce, aad };
      writeDescriptor(wasmKernel, wasm.descriptor, sealCase);
      wasmKernel.sealMany(wasm.descriptor, 1);
      const sealed = concat(
        copyOf(wasmKernel, wasm.data, length),
        tagAt(wasmKernel, wasm.descriptor),
      );
      const expected = xchacha20poly1305(key, nonce, aad).encrypt(plaintext);
      assert.equal(Buffer.compare(sealed, expected), 0, `length ${length}`);
      assert.equal(wasmKernel.openMany(wasm.descriptor, 1), 0);
      assert.equal(Buffer.compare(copyOf(wasmKernel, wasm.data, length), plaintext), 0);
    }
  }
});

Deno.test("kernel: BLAKE3 is noble's and the reference's around every step of the tree", () => {
  const key = patternBytes(32, 5), data = patternBytes(1 << 20, 6);
  wasmKernel.bytes.set(key, wasm.key);
  wasmKernel.bytes.set(data, wasm.data);
  const subtree = 65536;
  const steps = [1, 2, 3, 4, 5, 7, 8, 15, 16].map((n) => n * subtree);
  const lengths = [31, 64, 65, 9999, 16384, 31744].concat(steps, steps.map((n) => n - 1));
  lengths.push(...steps.slice(0, -1).flatMap((n) => [n + 1, n + 1024, n + 5000]));
  for (const length of lengths) {
    wasmKernel.blake3(wasm.out, wasm.data, length, wasm.key);
    const expected = blake3(data.subarray(0, length), { key });
    assert.equal(toHex(copyOf(wasmKernel, wasm.out, 32)), toHex(expected), `length ${length}`);
  }
  reference.kernel.bytes.set(key, reference.key);
  reference.kernel.bytes.set(data.subarray(0, 70000), reference.data);
  for (const length of [0, 65, 1025, 5000, 65537, 70000]) {
    reference.kernel.blake3(reference.out, reference.data, length, reference.key);
    const expected = blake3(data.subarray(0, length), { key });
    assert.equal(toHex(copyOf(reference.kernel, reference.out, 32)), toHex(expected));
  }
});

Deno.test("kernel: BLAKE3 has no length limit short of the memory", () => {
  const length = 5 * 1024 * 1024 + 77, kernel = createKernel({ memoryBytes: 8 * 1024 * 1024 });
  const key = kernel.reserve(32), out = kernel.reserve(32), data = kernel.reserve(length);
  kernel.fillRandom(data, length, key);
  kernel.blake3(out, data, length, key);
  const expected = blake3(copyOf(kernel, data, length), { key: new Uint8Array(32) });
  assert.equal(toHex(copyOf(kernel, out, 32)), toHex(expected));
});

const codes = fc.record({
  k: fc.integer({ min: 1, max: 31 }),
  m: fc.integer({ min: 1, max: 31 }),
  length: fc.constantFrom(32, 64, 160),
  seed: fc.integer({ min: 1, max: 1 << 20 }),
  losses: fc.uint8Array({ maxLength: 8 }),
}).filter(({ k, m }) => k + m <= 32);

Deno.test("kernel: Reed-Solomon is the reference's, encoding and repairing", () => {
  fc.assert(fc.property(codes, ({ k, m, length, seed, losses }) => {
    let missing = 0;
    const lost = new Set(losses.map((loss) => loss % (k + m)).slice(0, m));
    for (const shard of lost) missing = (missing | (1 << shard)) >>> 0;
    const results = [wasm, reference].map(({ kernel, data, out }) => {
      const at = Array.from({ length: k + m }, (_, i) => data + i * length);
      kernel.bytes.set(patternBytes(k * length, seed), data);
      at.forEach((address, i) => kernel.words[out / 4 + i] = address);
      kernel.rsEncode(out, k, m, length);
      const encoded = copyOf(kernel, data, (k + m) * length);
      for (const shard of lost) kernel.bytes.fill(0, at[shard], at[shard] + length);
      kernel.rsReconstruct(out, { k, m, length }, missing);
      assert.deepEqual(copyOf(kernel, data, (k + m) * length), encoded);
      return encoded;
    });
    assert.deepEqual(results[0], results[1]);
  }));
});

Deno.test("kernel: the permutation is the reference's up to 2^32, and the inverse undoes it", () => {
  const domain = fc.integer({ min: 1, max: 2 ** 32 }).chain((n) =>
    fc.record({ n: fc.constant(n), x: fc.integer({ min: 0, max: n - 1 }), key: bytes(16) })
  );
  fc.assert(fc.property(domain, ({ n, x, key }) => {
    const images = [wasm, reference].map(({ kernel, key: at }) => {
      kernel.bytes.set(key, at);
      const image = kernel.permute(x, n, at);
      assert.equal(kernel.unpermute(image, n, at), x);
      return image;
    });
    assert.equal(images[0], images[1]);
  }));
});

Deno.test("kernel: random fill and HChaCha20 are the reference's", () => {
  fc.assert(fc.property(bytes(32), bytes(16), fc.nat({ max: 2000 }), (key, nonce, length) => {
    const results = [wasm, reference].map(({ kernel, ...at }) => {
      kernel.bytes.set(key, at.key);
      kernel.bytes.set(nonce, at.data);
      kernel.hchacha(at.out, at.key, at.data);
      kernel.fillRandom(at.data, length, at.key);
      return concat(copyOf(kernel, at.out, 32), copyOf(kernel, at.data, length));
    });
    assert.deepEqual(results[0], results[1]);
  }));
});

Deno.test("kernel: scratch memory keeps no key after a call", () => {
  const kernel = createKernel({ memoryBytes: 1 << 20 }), at = laidOutSmall(kernel);
  const key = patternBytes(32, 77);
  kernel.bytes.set(key, at.key);
  const nonce = patternBytes(24, 1), aad = patternBytes(10, 2);
  writeDescriptor(kernel, at.descriptor, { at: at.data, length: 1000, key: at.key, nonce, aad });
  kernel.sealMany(at.descriptor, 1);
  kernel.openMany(at.descriptor, 1);
  kernel.hchacha(at.data, at.key, at.descriptor);
  kernel.wipe(at.data, 4096);
  kernel.wipe(at.descriptor, DESCRIPTOR_BYTES);
  kernel.wipe(at.key, 32);
  assert.ok(kernel.bytes.every((byte) => byte === 0));
});

function laidOutSmall(kernel: Kernel) {
  const key = kernel.reserve(32), descriptor = kernel.reserve(DESCRIPTOR_BYTES);
  return { key, descriptor, data: kernel.reserve(4096) };
}
