/**
 * Poly1305 (RFC 8439 §2.5) on big integers. Not constant in time: the reference checks the kernel,
 * it guards no vault.
 *
 * @module
 */

const PRIME = (1n << 130n) - 5n;
const CLAMP = 0x0ffffffc0ffffffc0ffffffc0fffffffn;
const TAG_BITS = 128n;

function littleEndian(bytes: Uint8Array): bigint {
  let number = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) number = (number << 8n) | BigInt(bytes[i]);
  return number;
}

/** The 16-byte tag of `message` under a 32-byte one-time key. */
export function poly1305(key: Uint8Array, message: Uint8Array): Uint8Array<ArrayBuffer> {
  const r = littleEndian(key.subarray(0, 16)) & CLAMP;
  let sum = 0n;
  for (let at = 0; at < message.length; at += 16) {
    const block = message.subarray(at, at + 16);
    sum = (sum + littleEndian(block) + (1n << BigInt(8 * block.length))) * r % PRIME;
  }
  let rest = (sum + littleEndian(key.subarray(16, 32))) & ((1n << TAG_BITS) - 1n);
  const tag = new Uint8Array(16);
  for (let i = 0; i < 16; i++, rest >>= 8n) tag[i] = Number(rest & 255n);
  return tag;
}
