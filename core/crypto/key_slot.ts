/**
 * Sealing and opening of key slots. The commitment (keyed BLAKE3 under the key-encryption key over nonce, AAD,
 * ciphertext and tag) is compared in constant time before anything is opened: Poly1305 alone would let one
 * crafted slot open under many guessed keys at once.
 *
 * @module
 */
import { concat, equalConstantTime, wipe } from "../bytes.ts";
import { headerAad, type HeaderPlace, SALT_BYTES } from "../format/header.ts";
import {
  COMMITMENT_BYTES,
  decodeSlotPayload,
  encodeSlotPayload,
  SLOT_IMAGE_BYTES,
  type SlotPayload,
} from "../format/key_slot.ts";
import { assert } from "../assert.ts";
import { NONCE_BYTES } from "../limits.ts";
import type { Runtime } from "../runtime.ts";
import type { Kernel } from "./kernel.ts";
import { blake3Keyed, openBytes, sealBytes } from "./sealed_bytes.ts";

/** What seals need: an engine and fresh nonces. */
export interface SealTools {
  /** Seals and hashes. */
  readonly kernel: Kernel;
  /** Clock and randomness. */
  readonly runtime: Runtime;
}

/** Random bytes from the runtime. */
export function randomBytes(runtime: Runtime, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  runtime.random(bytes);
  return bytes;
}

/** The image of a slot: nonce, ciphertext, tag, commitment. */
export function sealKeySlot(
  { kernel, runtime }: SealTools,
  kek: Uint8Array,
  place: HeaderPlace,
  payload: SlotPayload,
): Uint8Array<ArrayBuffer> {
  assert(place.salt.length === SALT_BYTES, "a salt has 32 bytes");
  // 192 random bits: no two seals under one key-encryption key ever meet.
  const nonce = randomBytes(runtime, NONCE_BYTES);
  const aad = headerAad(place);
  const plaintext = encodeSlotPayload(payload);
  const sealed = sealBytes(kernel, { key: kek, nonce, aad }, plaintext);
  wipe(plaintext);
  return concat(nonce, sealed, blake3Keyed(kernel, kek, nonce, aad, sealed));
}

/** Opens the image of a slot, or null: another key, another place, a changed byte, or no slot at all. */
export function openKeySlot(
  kernel: Kernel,
  kek: Uint8Array,
  place: HeaderPlace,
  image: Uint8Array,
): SlotPayload | null {
  assert(image.length === SLOT_IMAGE_BYTES, "a slot image is whole");
  const nonce = image.subarray(0, NONCE_BYTES);
  const sealed = image.subarray(NONCE_BYTES, SLOT_IMAGE_BYTES - COMMITMENT_BYTES);
  const aad = headerAad(place);
  const commitment = blake3Keyed(kernel, kek, nonce, aad, sealed);
  if (!equalConstantTime(commitment, image.subarray(SLOT_IMAGE_BYTES - COMMITMENT_BYTES))) {
    return null;
  }
  const plaintext = openBytes(kernel, { key: kek, nonce, aad }, sealed);
  if (plaintext === null) return null;
  try {
    return decodeSlotPayload(plaintext);
  } finally {
    wipe(plaintext);
  }
}
