import assert from "node:assert/strict";
import fc from "fast-check";
import * as zlib from "node:zlib";
import { compress, decompress } from "./compression.ts";

Deno.test("compression: what was compressed comes back, and under no other length", () => {
  const pattern = fc.uint8Array({ minLength: 1, maxLength: 300 });
  fc.assert(fc.property(pattern, fc.integer({ min: 1, max: 70_000 }), (part, length) => {
    const bytes = Uint8Array.from({ length }, (_, i) => part[i % part.length]);
    const frame = compress(bytes);
    assert.deepEqual(new Uint8Array(decompress(frame, length)!), bytes);
    assert.equal(decompress(frame, length + 1), null);
    assert.equal(decompress(frame, length - 1), null);
    assert.equal(decompress(frame.subarray(0, frame.length - 1), length), null);
  }));
});

Deno.test("compression: the largest block, of every kind, comes back", () => {
  const zeros = new Uint8Array(1 << 20);
  const noise = new Uint8Array(1 << 20);
  for (let at = 0; at < noise.length; at += 65536) {
    crypto.getRandomValues(noise.subarray(at, at + 65536));
  }
  for (const bytes of [zeros, noise]) {
    assert.deepEqual(new Uint8Array(decompress(compress(bytes), bytes.length)!), bytes);
  }
});

Deno.test("compression: a frame that grows without bound, or wants too much memory, is refused", () => {
  const bomb = zlib.zstdCompressSync(new Uint8Array(64 << 20));
  assert.ok(bomb.length < 4096);
  assert.equal(decompress(bomb, 16384), null);
  const noise = crypto.getRandomValues(new Uint8Array(65536));
  const params = { [zlib.constants.ZSTD_c_windowLog]: 27 };
  assert.equal(decompress(zlib.zstdCompressSync(noise, { params }), noise.length), null);
});

Deno.test("compression: damaged frames and random bytes give null or bytes of the right length", () => {
  const bytes = new TextEncoder().encode("the same words again ".repeat(500));
  const frame = new Uint8Array(compress(bytes));
  const place = fc.record({ at: fc.nat(frame.length - 1), xor: fc.integer({ min: 1, max: 255 }) });
  fc.assert(fc.property(place, ({ at, xor }) => {
    const damaged = frame.slice();
    damaged[at] ^= xor;
    const found = decompress(damaged, bytes.length);
    assert.ok(found === null || found.length === bytes.length);
  }));
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (random) => {
    assert.equal(decompress(random, 4096), null);
  }));
});
