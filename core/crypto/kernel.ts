/**
 * The kernel: all bulk work on bytes, over one shared memory. Addresses are byte offsets into
 * {@linkcode Kernel.bytes}. Two implementations hold the same contract: the WASM kernel
 * (`wasm/kernel.ts`) and the plain-TypeScript reference (`core/crypto/reference_kernel.ts`).
 *
 * Every function checks its bounds and throws an assertion error when an address lies outside the memory.
 */
export interface Kernel {
  /** The whole memory. Its length never changes. */
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  /** The same memory as words. */
  readonly words: Int32Array<SharedArrayBuffer>;

  /** Sets aside `size` bytes for good, aligned to 64 (page-aligned when `size` >= 4096), zeroed. */
  reserve(size: number): number;

  /** Seals `count` descriptors (see {@linkcode DESCRIPTOR_BYTES}) that lie one behind another. */
  sealMany(descriptors: number, count: number): void;
  /**
   * Opens `count` descriptors. Sets each one's status word to 0 (good) or 1 (bad tag; its
   * destination is zeroed) and returns how many were bad.
   */
  openMany(descriptors: number, count: number): number;
  /**
   * Checks the tag of one descriptor and decrypts `length` bytes at `from` only, both multiples of 256. Returns 0, or 1 (bad
   * tag: its destination is zeroed). The rest of the destination is unspecified.
   */
  openPart(descriptor: number, from: number, length: number): number;

  /** HChaCha20: 32-byte subkey at `out` from the key and a 16-byte nonce. For the native lane. */
  hchacha(out: number, key: number, nonce: number): void;
  /** Keyed BLAKE3 of `length` bytes at `from`: 32 bytes at `out`. */
  blake3(out: number, from: number, length: number, key: number): void;
  /**
   * Reed-Solomon over GF(2^8), polynomial 0x11d, systematic Cauchy: from `k` data shards computes
   * `m` parity shards. `shards` addresses k + m u32 addresses; each shard has `length` bytes
   * (a multiple of 32). 1 <= k, 1 <= m, k + m <= 32.
   */
  rsEncode(shards: number, k: number, m: number, length: number): void;
  /**
   * Rebuilds the shards whose bit in `missing` is set (bit i: shard i, data first) in place.
   * At most m bits may be set.
   */
  rsReconstruct(shards: number, code: ReedSolomonCode, missing: number): void;
  /** A keyed permutation of [0, n), n <= 2^32: the image of `x`. `key` addresses 16 bytes. */
  permute(x: number, n: number, key: number): number;
  /** The inverse of {@linkcode permute}. */
  unpermute(x: number, n: number, key: number): number;
  /** Fills with the ChaCha20 key stream of a fresh 32-byte `seed`: random bytes in bulk. */
  fillRandom(at: number, length: number, seed: number): void;
  /** Overwrites with zeros; the optimiser cannot drop it. */
  wipe(at: number, length: number): void;
}

/** The memory alone: for those who set some of it aside and read and write it themselves. */
export type KernelMemory = Pick<Kernel, "bytes" | "reserve">;

/** Shape of a Reed-Solomon code and the length of its shards in bytes. */
export interface ReedSolomonCode {
  /** Data shards. */
  readonly k: number;
  /** Parity shards. */
  readonly m: number;
  /** Bytes of each shard. */
  readonly length: number;
}

/**
 * A seal descriptor, 128 bytes, all integers u32 little-endian:
 *
 * | offset | size | meaning |
 * |---|---|---|
 * | 0 | 4 | source address |
 * | 4 | 4 | destination address (may equal the source) |
 * | 8 | 4 | length in bytes of plaintext and ciphertext alike |
 * | 12 | 4 | address of the 32-byte key |
 * | 16 | 4 | length of the AAD, 0 to 64 |
 * | 20 | 4 | status, written by `openMany` |
 * | 24 | 24 | nonce |
 * | 48 | 16 | tag: written by `sealMany`, read by `openMany` |
 * | 64 | 64 | AAD |
 */
export const DESCRIPTOR_BYTES = 128;
export const DESCRIPTOR = {
  source: 0,
  destination: 4,
  length: 8,
  key: 12,
  aadLength: 16,
  status: 20,
  nonce: 24,
  tag: 48,
  aad: 64,
} as const;
