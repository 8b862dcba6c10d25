/** XChaCha20-Poly1305 over descriptors; their layout is in `core/crypto/kernel.ts`. */
import { chachaGroups, chachaPolyGroups } from "./generated/chacha";
import { polyBlocks } from "./generated/poly1305";
import { begin, beginExtended, encryptTail, nextBlock } from "./chacha20";
import { polyBegin, polyFinish, polyLengths, polyPadded } from "./poly1305";
import { inside, OUT_OF_BOUNDS, POLY, STATE, STREAM, wipeSecrets } from "./scratch";

const DESCRIPTOR_BYTES: u32 = 128;
const AAD_BYTES_MAX: u32 = 64;
const KEY_BYTES: u32 = 32;

// @ts-ignore: decorator
@inline
function source(d: usize): usize { return load<u32>(d); }
// @ts-ignore: decorator
@inline
function destination(d: usize): usize { return load<u32>(d, 4); }
// @ts-ignore: decorator
@inline
function lengthOf(d: usize): u32 { return load<u32>(d, 8); }
// @ts-ignore: decorator
@inline
function keyOf(d: usize): usize { return load<u32>(d, 12); }
// @ts-ignore: decorator
@inline
function aadLengthOf(d: usize): u32 { return load<u32>(d, 16); }
// @ts-ignore: decorator
@inline
function nonceOf(d: usize): usize { return d + 24; }
// @ts-ignore: decorator
@inline
function tagOf(d: usize): usize { return d + 48; }

/** Ranges lie in memory, and source and destination are the same or apart. */
function sound(d: usize): bool {
  const length = lengthOf(d), from = source(d), to = destination(d);
  if (aadLengthOf(d) > AAD_BYTES_MAX || !inside(keyOf(d), KEY_BYTES)) return false;
  if (!inside(from, length) || !inside(to, length)) return false;
  return from == to || from + (length as usize) <= to || to + (length as usize) <= from;
}

/** Block 0 of the key stream is the one-time key; the AAD goes first. */
function absorbAad(d: usize): void {
  nextBlock();
  polyBegin();
  polyPadded(d + 64, aadLengthOf(d));
}

function sealBody(d: usize): void {
  const dst = destination(d), src = source(d), length = lengthOf(d);
  absorbAad(d);
  const groups = length >> 8, body: usize = groups << 8, rest = length & 255;
  if (groups) {
    // Poly1305 runs one group behind, over ciphertext that is already there.
    chachaGroups(dst, src, 1, STATE);
    if (groups > 1) chachaPolyGroups(dst + 256, src + 256, dst, groups - 1, STATE, POLY);
    polyBlocks(dst + body - 256, 16, POLY);
  }
  if (rest) {
    encryptTail(dst + body, src + body, rest);
    polyPadded(dst + body, rest);
  }
  polyLengths(aadLengthOf(d), length);
  polyFinish(tagOf(d));
}

/** Returns 0 or 1 (bad tag: the destination is zeroed). Compares in constant time. */
function openBody(d: usize): u32 {
  const dst = destination(d), src = source(d), length = lengthOf(d);
  absorbAad(d);
  const groups = length >> 8, body: usize = groups << 8, rest = length & 255;
  if (groups) chachaPolyGroups(dst, src, src, groups, STATE, POLY);
  if (rest) {
    polyPadded(src + body, rest);
    encryptTail(dst + body, src + body, rest);
  }
  polyLengths(aadLengthOf(d), length);
  polyFinish(STREAM);
  const bad = v128.any_true(v128.xor(v128.load(STREAM), v128.load(tagOf(d)))) as u32;
  if (bad) memory.fill(dst, 0, length);
  return bad;
}

/** Whether `count` descriptors at `descriptors` lie in memory. */
function listed(descriptors: usize, count: u32): bool {
  return count < 0x2000000 && inside(descriptors, count * DESCRIPTOR_BYTES);
}

export function sealMany(descriptors: usize, count: u32): i32 {
  if (!listed(descriptors, count)) return OUT_OF_BOUNDS;
  for (let d = descriptors; count; count--, d += DESCRIPTOR_BYTES) {
    if (!sound(d)) { wipeSecrets(); return OUT_OF_BOUNDS; }
    beginExtended(keyOf(d), nonceOf(d));
    sealBody(d);
  }
  wipeSecrets();
  return 0;
}

/** Returns how many tags were bad. */
export function openMany(descriptors: usize, count: u32): i32 {
  if (!listed(descriptors, count)) return OUT_OF_BOUNDS;
  let bad: u32 = 0;
  for (let d = descriptors; count; count--, d += DESCRIPTOR_BYTES) {
    if (!sound(d)) { wipeSecrets(); return OUT_OF_BOUNDS; }
    beginExtended(keyOf(d), nonceOf(d));
    const status = openBody(d);
    store<u32>(d, status, 20);
    bad += status;
  }
  wipeSecrets();
  return bad;
}

/**
 * Checks the tag over all of one descriptor, and decrypts `length` bytes at `from` only, both multiples of 256: 0 or 1 (bad tag: the
 * destination is zeroed). What else the destination holds is unspecified.
 */
export function openPart(d: usize, from: u32, length: u32): i32 {
  if (!listed(d, 1) || !sound(d) || ((from | length) & 255)) return OUT_OF_BOUNDS;
  const all = lengthOf(d);
  if (from > all || length > all - from) return OUT_OF_BOUNDS;
  const dst = destination(d), src = source(d);
  beginExtended(keyOf(d), nonceOf(d));
  absorbAad(d);
  polyPadded(src, all);
  polyLengths(aadLengthOf(d), all);
  polyFinish(STREAM);
  const bad = v128.any_true(v128.xor(v128.load(STREAM), v128.load(tagOf(d)))) as u32;
  if (bad) memory.fill(dst, 0, all);
  else if (length) {
    // The counter stands at the first block of content; 64 bytes each.
    store<u32>(STATE, load<u32>(STATE, 48) + (from >> 6), 48);
    chachaGroups(dst + from, src + from, length >> 8, STATE);
  }
  store<u32>(d, bad, 20);
  wipeSecrets();
  return bad;
}

/** RFC 8439 as it stands: the first 12 bytes of the nonce field, no HChaCha20. For its vectors. */
export function sealIetf(d: usize): i32 {
  if (!listed(d, 1) || !sound(d)) return OUT_OF_BOUNDS;
  begin(keyOf(d), (load<u32>(d, 24) as u64) << 32, load<u64>(d, 28));
  sealBody(d);
  wipeSecrets();
  return 0;
}

/** Poly1305 alone over whole blocks: the vectors that provoke its carries cannot be had through a seal. */
export function poly1305(out: usize, key: usize, message: usize, length: u32): i32 {
  if (length & 15 || !inside(out, 16) || !inside(key, 32) || !inside(message, length)) return OUT_OF_BOUNDS;
  memory.copy(STREAM, key, 32);
  polyBegin();
  polyPadded(message, length);
  polyFinish(out);
  wipeSecrets();
  return 0;
}
