/** Poly1305 around its block function: key set-up, padding, the final reduction. */
import { polyBlocks } from "./generated/poly1305";
import { LAST, PAD, POLY, STREAM } from "./scratch";

/** Takes the one-time key from the first 32 bytes of `STREAM` (RFC 8439 §2.6). */
export function polyBegin(): void {
  memory.fill(POLY, 0, 40);
  const r0 = (load<u32>(STREAM) & 0x0fffffff) as u64, r1 = (load<u32>(STREAM, 4) & 0x0ffffffc) as u64;
  const r2 = (load<u32>(STREAM, 8) & 0x0ffffffc) as u64, r3 = (load<u32>(STREAM, 12) & 0x0ffffffc) as u64;
  store<u64>(POLY, r0, 40); store<u64>(POLY, r1, 48); store<u64>(POLY, r2, 56); store<u64>(POLY, r3, 64);
  store<u64>(POLY, r1 + (r1 >> 2), 72); store<u64>(POLY, r2 + (r2 >> 2), 80); store<u64>(POLY, r3 + (r3 >> 2), 88);
  v128.store(PAD, v128.load(STREAM, 16));
}

/** Absorbs bytes, padded with zeros to a whole block as RFC 8439 §2.8 wants. */
export function polyPadded(message: usize, length: u32): void {
  if (length >= 16) polyBlocks(message, length >> 4, POLY);
  const rest = length & 15;
  if (rest) {
    v128.store(LAST, i32x4.splat(0));
    memory.copy(LAST, message + (length & ~15), rest);
    polyBlocks(LAST, 1, POLY);
  }
}

/** Absorbs the two lengths that close the AEAD's message. */
export function polyLengths(aadLength: u32, length: u32): void {
  store<u64>(LAST, aadLength as u64);
  store<u64>(LAST, length as u64, 8);
  polyBlocks(LAST, 1, POLY);
}

/** Full reduction modulo 2^130 - 5 without branches, plus the pad: the 16-byte tag. */
export function polyFinish(out: usize): void {
  let h0 = load<u64>(POLY), h1 = load<u64>(POLY, 8), h2 = load<u64>(POLY, 16), h3 = load<u64>(POLY, 24), h4 = load<u64>(POLY, 32);
  h1 += h0 >> 32; h0 &= 0xffffffff; h2 += h1 >> 32; h1 &= 0xffffffff;
  h3 += h2 >> 32; h2 &= 0xffffffff; h4 += h3 >> 32; h3 &= 0xffffffff;
  h0 += (h4 >> 2) * 5; h4 &= 3;
  h1 += h0 >> 32; h0 &= 0xffffffff; h2 += h1 >> 32; h1 &= 0xffffffff;
  h3 += h2 >> 32; h2 &= 0xffffffff; h4 += h3 >> 32; h3 &= 0xffffffff;
  // g = h + 5; bit 130 of g is set exactly when h >= 2^130 - 5, and then g is the answer.
  const g0 = h0 + 5, g1 = h1 + (g0 >> 32), g2 = h2 + (g1 >> 32), g3 = h3 + (g2 >> 32), g4 = h4 + (g3 >> 32);
  const reduce: u64 = 0 - (g4 >> 2);
  h0 = (h0 & ~reduce) | (g0 & reduce); h1 = (h1 & ~reduce) | (g1 & reduce);
  h2 = (h2 & ~reduce) | (g2 & reduce); h3 = (h3 & ~reduce) | (g3 & reduce);
  h0 = (h0 & 0xffffffff) + (load<u32>(PAD) as u64);
  h1 = (h1 & 0xffffffff) + (load<u32>(PAD, 4) as u64) + (h0 >> 32);
  h2 = (h2 & 0xffffffff) + (load<u32>(PAD, 8) as u64) + (h1 >> 32);
  h3 = (h3 & 0xffffffff) + (load<u32>(PAD, 12) as u64) + (h2 >> 32);
  store<u32>(out, h0 as u32); store<u32>(out, h1 as u32, 4); store<u32>(out, h2 as u32, 8); store<u32>(out, h3 as u32, 12);
}
