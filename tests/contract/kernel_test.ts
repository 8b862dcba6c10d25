/** One contract, held by the WASM kernel and by the reference. */
import assert from "node:assert/strict";
import { AssertionError } from "../../core/assert.ts";
import { DESCRIPTOR, DESCRIPTOR_BYTES, type Kernel } from "../../core/crypto/kernel.ts";
import { createReferenceKernel } from "../../core/crypto/reference_kernel.ts";
import { createKernel } from "../../wasm/kernel.ts";
import {
  copyOf,
  fromHex,
  patternBytes,
  statusAt,
  tagAt,
  toHex,
  writeDescriptor,
} from "../support/kernel_memory.ts";
import { aeadPlaintext, blake3Key, blake3Keyed, hchacha, xchachaPoly } from "./kernel_vectors.ts";

const MEMORY_BYTES = 2 * 1024 * 1024;
const kernels: Record<string, () => Kernel> = {
  wasm: () => createKernel({ memoryBytes: MEMORY_BYTES }),
  reference: () => createReferenceKernel({ memoryBytes: MEMORY_BYTES }),
};

/** Reserves memory for `bytes` and puts them there. */
function place(kernel: Kernel, bytes: Uint8Array): number {
  const at = kernel.reserve(Math.max(bytes.length, 1));
  kernel.bytes.set(bytes, at);
  return at;
}

/** A sealed case ready for tampering. */
function sealedCase(kernel: Kernel, length: number) {
  const plaintext = patternBytes(length, 7);
  const aad = patternBytes(20, 8);
  const at = place(kernel, plaintext), key = place(kernel, patternBytes(32, 9));
  const descriptor = kernel.reserve(DESCRIPTOR_BYTES);
  writeDescriptor(kernel, descriptor, { at, length, key, nonce: patternBytes(24, 10), aad });
  kernel.sealMany(descriptor, 1);
  return { plaintext, at, key, descriptor };
}

const contract: Record<string, (kernel: Kernel) => void> = {
  "memory: bytes and words are one shared memory, reserves are aligned, zeroed and apart"(kernel) {
    assert.equal(kernel.bytes.buffer, kernel.words.buffer);
    assert.ok(kernel.bytes.buffer instanceof SharedArrayBuffer);
    const first = kernel.reserve(10), second = kernel.reserve(10), page = kernel.reserve(4096);
    assert.equal(first % 64, 0);
    assert.ok(second >= first + 64 && second % 64 === 0);
    assert.ok(page >= second + 10 && page % 4096 === 0);
    assert.deepEqual(copyOf(kernel, page, 4096), new Uint8Array(4096));
    assert.throws(() => kernel.reserve(MEMORY_BYTES), AssertionError);
  },

  "seal: draft-irtf-cfrg-xchacha-03 A.3.1, and back"(kernel) {
    const at = place(kernel, aeadPlaintext), key = place(kernel, fromHex(xchachaPoly.key));
    const descriptor = kernel.reserve(DESCRIPTOR_BYTES), length = aeadPlaintext.length;
    const nonce = fromHex(xchachaPoly.nonce), aad = fromHex(xchachaPoly.aad);
    writeDescriptor(kernel, descriptor, { at, length, key, nonce, aad });
    kernel.sealMany(descriptor, 1);
    assert.equal(toHex(copyOf(kernel, at, length)), xchachaPoly.ciphertext);
    assert.equal(toHex(tagAt(kernel, descriptor)), xchachaPoly.tag);
    assert.equal(kernel.openMany(descriptor, 1), 0);
    assert.equal(statusAt(kernel, descriptor), 0);
    assert.deepEqual(copyOf(kernel, at, length), aeadPlaintext);
  },

  "hchacha: draft-irtf-cfrg-xchacha-03 2.2.1"(kernel) {
    const key = place(kernel, fromHex(hchacha.key)), nonce = place(kernel, fromHex(hchacha.nonce));
    const out = kernel.reserve(32);
    kernel.hchacha(out, key, nonce);
    assert.equal(toHex(copyOf(kernel, out, 32)), hchacha.subkey);
  },

  "blake3: the published keyed vectors"(kernel) {
    const key = place(kernel, blake3Key), out = kernel.reserve(32);
    const data = place(kernel, Uint8Array.from({ length: 8192 }, (_, i) => i % 251));
    for (const [length, hash] of blake3Keyed) {
      kernel.blake3(out, data, length, key);
      assert.equal(toHex(copyOf(kernel, out, 32)), hash, `length ${length}`);
    }
  },

  "seal: every length around the 16, 64 and 256 byte steps goes there and back"(kernel) {
    const key = place(kernel, patternBytes(32, 3)), descriptor = kernel.reserve(DESCRIPTOR_BYTES);
    const from = kernel.reserve(2048), to = kernel.reserve(2048);
    const lengths = [0, 1, 15, 16, 17, 63, 64, 65, 255, 256, 257, 271, 511, 512, 513, 800, 1025];
    for (const [index, length] of lengths.entries()) {
      const plaintext = patternBytes(length, index + 1), aad = patternBytes(index * 4, 2);
      kernel.bytes.fill(0xee, to, to + 2048);
      kernel.bytes.set(plaintext, from);
      const nonce = patternBytes(24, index + 50);
      writeDescriptor(kernel, descriptor, { at: from, to, length, key, nonce, aad });
      kernel.sealMany(descriptor, 1);
      assert.deepEqual(copyOf(kernel, from, length), plaintext, "the source stays");
      assert.equal(kernel.bytes[to + length], 0xee, "nothing behind the destination changes");
      const view = new DataView(kernel.bytes.buffer, descriptor);
      view.setUint32(DESCRIPTOR.source, to, true);
      view.setUint32(DESCRIPTOR.destination, from, true);
      kernel.bytes.fill(0, from, from + length);
      assert.equal(kernel.openMany(descriptor, 1), 0, `length ${length}`);
      assert.deepEqual(copyOf(kernel, from, length), plaintext, `length ${length}`);
    }
  },

  "open: a flipped bit in ciphertext, tag, nonce, AAD or length is a bad tag and zeros"(kernel) {
    const length = 600;
    const { at, key, descriptor } = sealedCase(kernel, length);
    const sealed = copyOf(kernel, at, length), head = copyOf(kernel, descriptor, DESCRIPTOR_BYTES);
    const places = {
      "first byte": at,
      "last whole group": at + 511,
      "last byte": at + length - 1,
      tag: descriptor + DESCRIPTOR.tag + 15,
      nonce: descriptor + DESCRIPTOR.nonce,
      "nonce end": descriptor + DESCRIPTOR.nonce + 23,
      aad: descriptor + DESCRIPTOR.aad + 19,
      length: descriptor + DESCRIPTOR.length,
      "aad length": descriptor + DESCRIPTOR.aadLength,
      key: key + 31,
    };
    for (const [name, place] of Object.entries(places)) {
      kernel.bytes.set(sealed, at);
      kernel.bytes.set(head, descriptor);
      kernel.bytes[place] ^= 1;
      assert.equal(kernel.openMany(descriptor, 1), 1, name);
      assert.equal(statusAt(kernel, descriptor), 1, name);
      assert.deepEqual(copyOf(kernel, at, length), new Uint8Array(length), name);
      if (place === key + 31) kernel.bytes[place] ^= 1;
    }
    kernel.bytes.set(sealed, at);
    kernel.bytes.set(head, descriptor);
    assert.equal(kernel.openMany(descriptor, 1), 0, "the untouched one still opens");
  },

  "open a part: gives those bytes where all of it is good, and zeros where one bit is not"(kernel) {
    for (const length of [0, 256, 600, 4096, 16384, 16400]) {
      const { at, key, descriptor } = sealedCase(kernel, length);
      const sealed = copyOf(kernel, at, length);
      const tag = descriptor + DESCRIPTOR.tag;
      assert.equal(kernel.openMany(descriptor, 1), 0);
      const plaintext = copyOf(kernel, at, length);
      const whole = length & ~255;
      for (const [from, part] of [[0, 0], [0, whole], [whole >> 9 << 8, 256], [whole, 0]]) {
        if (from + part > length) continue;
        kernel.bytes.set(sealed, at);
        assert.equal(kernel.openPart(descriptor, from, part), 0, `${length}: ${from}+${part}`);
        assert.equal(statusAt(kernel, descriptor), 0);
        assert.deepEqual(copyOf(kernel, at + from, part), plaintext.subarray(from, from + part));
        for (const place of [tag, key, ...(length > 0 ? [at, at + length - 1] : [])]) {
          kernel.bytes.set(sealed, at);
          kernel.bytes[place] ^= 1;
          assert.equal(kernel.openPart(descriptor, from, part), 1);
          assert.equal(statusAt(kernel, descriptor), 1);
          assert.deepEqual(copyOf(kernel, at, length), new Uint8Array(length));
          kernel.bytes[place] ^= place === tag || place === key ? 1 : 0;
        }
      }
    }
  },

  "open: counts the bad ones of many and leaves the good ones"(kernel) {
    const count = 5, length = 300, key = place(kernel, patternBytes(32, 3));
    const list = kernel.reserve(count * DESCRIPTOR_BYTES), data = kernel.reserve(count * 512);
    const plain = Array.from({ length: count }, (_, i) => patternBytes(length, i + 1));
    for (let i = 0; i < count; i++) {
      const at = data + 512 * i, nonce = patternBytes(24, 90 + i);
      kernel.bytes.set(plain[i], at);
      const aad = new Uint8Array(i);
      writeDescriptor(kernel, list + i * DESCRIPTOR_BYTES, { at, length, key, nonce, aad });
    }
    kernel.sealMany(list, count);
    kernel.bytes[data + 512] ^= 128;
    kernel.bytes[data + 512 * 3 + 299] ^= 1;
    assert.equal(kernel.openMany(list, count), 2);
    const bad = plain.map((_, i) => statusAt(kernel, list + i * DESCRIPTOR_BYTES));
    assert.deepEqual(bad, [0, 1, 0, 1, 0]);
    for (let i = 0; i < count; i++) {
      const expected = bad[i] === 1 ? new Uint8Array(length) : plain[i];
      assert.deepEqual(copyOf(kernel, data + 512 * i, length), expected);
    }
  },

  "Reed-Solomon: every choice of lost shards of 4+2 and 3+3 comes back"(kernel) {
    for (const [k, m] of [[4, 2], [3, 3], [1, 1], [1, 5]]) {
      const length = 96, table = kernel.reserve(4 * (k + m));
      const at = Array.from({ length: k + m }, () => kernel.reserve(length));
      at.forEach((address, i) => kernel.words[table / 4 + i] = address);
      for (let i = 0; i < k; i++) kernel.bytes.set(patternBytes(length, i + 1), at[i]);
      kernel.rsEncode(table, k, m, length);
      const shards = at.map((address) => copyOf(kernel, address, length));
      for (let missing = 0; missing < 1 << (k + m); missing++) {
        const lost = at.filter((_, i) => missing >> i & 1);
        if (lost.length > m) continue;
        for (const address of lost) kernel.bytes.fill(0x55, address, address + length);
        kernel.rsReconstruct(table, { k, m, length }, missing);
        const rebuilt = at.map((address) => copyOf(kernel, address, length));
        assert.deepEqual(rebuilt, shards, `${k}+${m} without ${missing.toString(2)}`);
      }
    }
  },

  "permutation: a bijection of [0, n) with an inverse, another for another key"(kernel) {
    const key = place(kernel, patternBytes(16, 1)), other = place(kernel, patternBytes(16, 2));
    for (const n of [1, 2, 3, 10, 97, 256]) {
      const images = Array.from({ length: n }, (_, x) => kernel.permute(x, n, key));
      assert.equal(new Set(images).size, n);
      assert.ok(images.every((y) => y >= 0 && y < n));
      assert.deepEqual(images.map((y) => kernel.unpermute(y, n, key)), images.map((_, x) => x));
    }
    const pair = [key, other].map((k) =>
      Array.from({ length: 97 }, (_, x) => kernel.permute(x, 97, k))
    );
    assert.notDeepEqual(pair[0], pair[1]);
    const top = kernel.permute(2 ** 32 - 1, 2 ** 32, key);
    assert.equal(kernel.unpermute(top, 2 ** 32, key), 2 ** 32 - 1);
  },

  "fill and wipe: exactly the range, other bytes for another seed"(kernel) {
    const at = kernel.reserve(1024), seed = place(kernel, patternBytes(32, 4));
    for (const length of [0, 1, 63, 64, 255, 256, 257, 700]) {
      kernel.bytes.fill(7, at, at + 1024);
      kernel.fillRandom(at, length, seed);
      const stream = copyOf(kernel, at, length);
      assert.ok(copyOf(kernel, at + length, 1024 - length).every((byte) => byte === 7));
      if (length >= 63) assert.ok(new Set(stream).size > 20);
      kernel.wipe(at, length);
      assert.ok(copyOf(kernel, at, length).every((byte) => byte === 0));
      assert.ok(copyOf(kernel, at + length, 1024 - length).every((byte) => byte === 7));
    }
    const other = place(kernel, patternBytes(32, 5));
    kernel.fillRandom(at, 64, seed);
    kernel.fillRandom(at + 64, 64, other);
    assert.notDeepEqual(copyOf(kernel, at, 64), copyOf(kernel, at + 64, 64));
  },

  "bounds: every function refuses addresses outside, and changes nothing"(kernel) {
    const end = kernel.bytes.length, key = kernel.reserve(64), data = kernel.reserve(4096);
    const descriptor = kernel.reserve(DESCRIPTOR_BYTES);
    const nonce = new Uint8Array(24), aad = new Uint8Array(0);
    const sealOf = (change: object) => () => {
      const seal = { at: data, length: 64, key, nonce, aad, ...change };
      writeDescriptor(kernel, descriptor, seal);
      kernel.sealMany(descriptor, 1);
    };
    const shards = kernel.reserve(64);
    kernel.words.set([data, data + 64, end - 32], shards / 4);
    const calls: Record<string, () => void> = {
      "seal beyond": sealOf({ at: end - 63 }),
      "seal to beyond": sealOf({ to: end - 63 }),
      "seal wrapping": sealOf({ at: 0xffffffc0 }),
      "seal at zero": sealOf({ at: 0 }),
      "seal overlapping": sealOf({ to: data + 1 }),
      "seal with key beyond": sealOf({ key: end - 31 }),
      "seal list beyond": () => kernel.sealMany(end - 127, 1),
      "seal list too long": () => kernel.sealMany(descriptor, 0x2000000),
      "open list beyond": () => kernel.openMany(end - 127, 1),
      "open part beyond": () => kernel.openPart(end - 127, 0, 0),
      "open part not of groups": () => kernel.openPart(descriptor, 64, 0),
      "open part too long": () => kernel.openPart(descriptor, 0, 1 << 20),
      "open part from beyond": () => kernel.openPart(descriptor, 1 << 20, 0),
      hchacha: () => kernel.hchacha(end - 31, key, key),
      "blake3 out": () => kernel.blake3(end - 31, data, 1, key),
      "blake3 in": () => kernel.blake3(data, end - 1, 2, key),
      "blake3 key": () => kernel.blake3(data, data, 1, end - 31),
      "rs beyond": () => kernel.rsEncode(shards, 2, 1, 64),
      "rs odd length": () => kernel.rsEncode(shards, 2, 1, 31),
      "rs no parity": () => kernel.rsEncode(shards, 2, 0, 32),
      "rs too wide": () => kernel.rsEncode(shards, 31, 2, 0),
      "rs too many lost": () => kernel.rsReconstruct(shards, { k: 2, m: 1, length: 32 }, 3),
      "rs lost beyond": () => kernel.rsReconstruct(shards, { k: 2, m: 1, length: 32 }, 8),
      "permute outside": () => void kernel.permute(10, 10, key),
      "permute nothing": () => void kernel.permute(0, 0, key),
      "permute too much": () => void kernel.unpermute(0, 2 ** 32 + 1, key),
      "permute key": () => void kernel.permute(0, 10, end - 15),
      "fill beyond": () => kernel.fillRandom(end - 1, 2, key),
      "fill negative": () => kernel.fillRandom(data, -1, key),
      "wipe beyond": () => kernel.wipe(end - 1, 2),
      "wipe fraction": () => kernel.wipe(data + 0.5, 1),
    };
    const before = copyOf(kernel, data, 4096);
    for (const [name, call] of Object.entries(calls)) assert.throws(call, AssertionError, name);
    writeDescriptor(kernel, descriptor, { at: data, length: 1, key, nonce, aad });
    kernel.words[(descriptor + DESCRIPTOR.aadLength) / 4] = 65;
    assert.throws(() => kernel.sealMany(descriptor, 1), AssertionError, "AAD too long");
    assert.deepEqual(copyOf(kernel, data, 4096), before);
  },
};

for (const [name, create] of Object.entries(kernels)) {
  for (const [property, holds] of Object.entries(contract)) {
    Deno.test(`${name} kernel: ${property}`, () => holds(create()));
  }
}
