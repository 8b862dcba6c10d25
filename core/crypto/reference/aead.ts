/**
 * ChaCha20-Poly1305 (RFC 8439 §2.8) and XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) with
 * detached tags.
 *
 * @module
 */
import { concat, equalConstantTime, viewOf } from "../../bytes.ts";
import { chachaBlock, chachaXor, hchacha20 } from "./chacha20.ts";
import { poly1305 } from "./poly1305.ts";

/** A key with its 12-byte (ChaCha) or 24-byte (XChaCha) nonce. */
export interface SealKey {
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
}

/** What sealing makes. */
export interface Sealed {
  readonly ciphertext: Uint8Array<ArrayBuffer>;
  readonly tag: Uint8Array<ArrayBuffer>;
}

/** A 24-byte nonce becomes a subkey and a 12-byte nonce. */
function narrow({ key, nonce }: SealKey): SealKey {
  if (nonce.length === 12) return { key, nonce };
  return {
    key: hchacha20(key, nonce.subarray(0, 16)),
    nonce: concat(new Uint8Array(4), nonce.subarray(16)),
  };
}

function tagOf(sealKey: SealKey, aad: Uint8Array, ciphertext: Uint8Array): Uint8Array<ArrayBuffer> {
  const padding = (bytes: Uint8Array) => new Uint8Array((16 - bytes.length % 16) % 16);
  const lengths = new Uint8Array(16);
  viewOf(lengths).setUint32(0, aad.length, true);
  viewOf(lengths).setUint32(8, ciphertext.length, true);
  const message = concat(aad, padding(aad), ciphertext, padding(ciphertext), lengths);
  return poly1305(chachaBlock(sealKey.key, 0, sealKey.nonce).subarray(0, 32), message);
}

/** Encrypts and authenticates. */
export function seal(sealKey: SealKey, aad: Uint8Array, plaintext: Uint8Array): Sealed {
  const narrowed = narrow(sealKey);
  const ciphertext = chachaXor(narrowed.key, 1, narrowed.nonce, plaintext);
  return { ciphertext, tag: tagOf(narrowed, aad, ciphertext) };
}

/** The plaintext, or `null` where the tag does not fit. */
export function open(
  sealKey: SealKey,
  aad: Uint8Array,
  sealed: { readonly ciphertext: Uint8Array; readonly tag: Uint8Array },
): Uint8Array<ArrayBuffer> | null {
  const narrowed = narrow(sealKey);
  const expected = tagOf(narrowed, aad, sealed.ciphertext);
  if (!equalConstantTime(expected, sealed.tag)) return null;
  return chachaXor(narrowed.key, 1, narrowed.nonce, sealed.ciphertext);
}
