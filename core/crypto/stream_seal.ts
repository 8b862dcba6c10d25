import { assert } from "../assert.ts";
import { equalConstantTime, viewOf, wipe } from "../bytes.ts";
import {
  CHECK_BYTES,
  FRAME_OVERHEAD,
  FRAME_PLAIN_BYTES,
  frameNonce,
  STREAM_SALT_BYTES,
} from "../format/stream_frame.ts";
import { KEY_BYTES, TAG_BYTES } from "../limits.ts";
import { stretchPassphrase } from "./argon2.ts";
import { expandKey, subkey } from "./hkdf.ts";
import { DESCRIPTOR, DESCRIPTOR_BYTES, type Kernel, type KernelMemory } from "./kernel.ts";

// The kernel memory of a seal: descriptor, key, the salt as a key, a hash; then what is hashed: the check before, the place
// of the frame, and on a page of its own the frame.
const KEY_AT = DESCRIPTOR_BYTES;
const SALT_AT = KEY_AT + KEY_BYTES;
const HASH_AT = SALT_AT + KEY_BYTES;
const FRAME_AT = 4096;
const PLACE_BYTES = 16;
const HASHED_AT = FRAME_AT - PLACE_BYTES - CHECK_BYTES;
const SEAL_BYTES = FRAME_AT + FRAME_PLAIN_BYTES + TAG_BYTES;

/** The key of one stream under the vault's key of an epoch. The caller wipes it. */
export function vaultStreamKey(masterKey: Uint8Array, salt: Uint8Array): Uint8Array<ArrayBuffer> {
  const key = subkey(masterKey, "stream");
  try {
    return expandKey(key, "stream vault", salt);
  } finally {
    wipe(key);
  }
}

/** The key of a stream whose content is sealed already: everybody has it. The caller wipes it. */
export function openStreamKey(salt: Uint8Array): Uint8Array<ArrayBuffer> {
  return expandKey(new Uint8Array(KEY_BYTES), "stream open", salt);
}

/** The key of one stream under a passphrase. The caller wipes it. */
export async function passphraseStreamKey(
  passphrase: Uint8Array,
  salt: Uint8Array,
): Promise<Uint8Array<ArrayBuffer>> {
  const stretched = await stretchPassphrase({ passphrase, salt }, "interactive");
  try {
    return expandKey(stretched, "stream passphrase", salt);
  } finally {
    wipe(stretched);
  }
}

/** Seals or opens the frames of one stream, one after the other (FORMAT.md §18). */
export class StreamSeal {
  /** Where the plaintext of a frame is put before it is sealed, and lies when it was opened. */
  readonly plaintext: Uint8Array;
  readonly #kernel: Kernel;
  readonly #base: number;
  #frames = 0;

  /** Sets memory aside, which whoever gave it wipes. */
  constructor(kernel: Kernel, memory: KernelMemory, salt: Uint8Array) {
    assert(salt.length === STREAM_SALT_BYTES, "a stream's salt has its length");
    this.#kernel = kernel;
    this.#base = memory.reserve(SEAL_BYTES);
    const at = this.#base + FRAME_AT;
    this.plaintext = kernel.bytes.subarray(at, at + FRAME_PLAIN_BYTES);
    kernel.bytes.set(salt, this.#base + SALT_AT);
  }

  /** Seals and opens under this key from now on. */
  useKey(key: Uint8Array): void {
    assert(key.length === KEY_BYTES, "a key has 32 bytes");
    this.#kernel.bytes.set(key, this.#base + KEY_AT);
  }

  /** The frame of so many bytes of `plaintext`. */
  seal(length: number, last: boolean): Uint8Array<ArrayBuffer> {
    const base = this.#base;
    this.#describe(length, last);
    this.#kernel.sealMany(base, 1);
    const tagAt = base + FRAME_AT + length;
    this.#kernel.bytes.copyWithin(tagAt, base + DESCRIPTOR.tag, base + DESCRIPTOR.tag + TAG_BYTES);
    const frame = new Uint8Array(length + FRAME_OVERHEAD);
    frame.set(this.#kernel.bytes.subarray(base + FRAME_AT, tagAt + TAG_BYTES));
    frame.set(this.#hash(length, last), length + TAG_BYTES);
    this.#next();
    return frame;
  }

  /** True where this is the next frame as it was sent: for whoever has no key as well. */
  check(frame: Uint8Array, last: boolean): boolean {
    const length = frame.length - FRAME_OVERHEAD;
    if (length < 1 || length > FRAME_PLAIN_BYTES) return false;
    this.#kernel.bytes.set(frame.subarray(0, length + TAG_BYTES), this.#base + FRAME_AT);
    return equalConstantTime(this.#hash(length, last), frame.subarray(length + TAG_BYTES));
  }

  /** Passes over a frame that was checked. */
  pass(): void {
    this.#next();
  }

  /** Opens a frame that was checked: `plaintext` begins with so many bytes of it. False: it is under another key. */
  open(frame: Uint8Array, last: boolean): boolean {
    const length = frame.length - FRAME_OVERHEAD;
    this.#describe(length, last);
    const tag = frame.subarray(length, length + TAG_BYTES);
    this.#kernel.bytes.set(frame.subarray(0, length), this.#base + FRAME_AT);
    this.#kernel.bytes.set(tag, this.#base + DESCRIPTOR.tag);
    return this.#kernel.openMany(this.#base, 1) === 0;
  }

  #next(): void {
    const { bytes } = this.#kernel;
    bytes.copyWithin(this.#base + HASHED_AT, this.#base + HASH_AT, this.#base + HASH_AT + 32);
    this.#frames++;
  }

  /** Of the check before, the frame's place, and the ciphertext and tag that lie at `FRAME_AT`. */
  #hash(length: number, last: boolean): Uint8Array {
    const { bytes } = this.#kernel;
    const base = this.#base;
    const place = frameNonce({ number: this.#frames, last }).subarray(0, PLACE_BYTES);
    bytes.set(place, base + HASHED_AT + CHECK_BYTES);
    const hashed = CHECK_BYTES + PLACE_BYTES + length + TAG_BYTES;
    this.#kernel.blake3(base + HASH_AT, base + HASHED_AT, hashed, base + SALT_AT);
    return bytes.subarray(base + HASH_AT, base + HASH_AT + CHECK_BYTES);
  }

  #describe(length: number, last: boolean): void {
    const base = this.#base;
    const bytes = this.#kernel.bytes.subarray(base, base + DESCRIPTOR_BYTES);
    const descriptor = viewOf(bytes);
    descriptor.setUint32(DESCRIPTOR.source, base + FRAME_AT, true);
    descriptor.setUint32(DESCRIPTOR.destination, base + FRAME_AT, true);
    descriptor.setUint32(DESCRIPTOR.length, length, true);
    descriptor.setUint32(DESCRIPTOR.key, base + KEY_AT, true);
    descriptor.setUint32(DESCRIPTOR.aadLength, 0, true);
    bytes.set(frameNonce({ number: this.#frames, last }), DESCRIPTOR.nonce);
  }
}
