/**
 * What a medium that keeps records of its own seals them with. Handed over when the keys are known, so that media know
 * of sealing without knowing keys.
 */
export interface MediumSeal {
  /** Seals 4,056 bytes to one cell of 4,096 under a fresh nonce. */
  seal(plaintext: Uint8Array, aad: Uint8Array): Uint8Array<ArrayBuffer>;
  /** Opens such a cell; null where it is not what was sealed. */
  open(cell: Uint8Array, aad: Uint8Array): Uint8Array<ArrayBuffer> | null;
  /** A keyed pseudo-random function: 32 bytes that say nothing about `input`. */
  name(input: Uint8Array): Uint8Array<ArrayBuffer>;
  /** Fills `bytes` from a cryptographic generator. */
  random(bytes: Uint8Array<ArrayBuffer>): void;
  /** Overwrites the keys. */
  wipe(): void;
}
