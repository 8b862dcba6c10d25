/**
 * The native lane: the same seals as the kernel's, byte for byte, by libcrypto's ChaCha20-Poly1305
 * with HChaCha20 done in the kernel. Opt-in: it trusts the system's library and needs `--allow-ffi`.
 *
 * @module
 */
import { assert } from "../../core/assert.ts";
import { DESCRIPTOR, DESCRIPTOR_BYTES, type Kernel } from "../../core/crypto/kernel.ts";
import { VaultError } from "../../core/errors.ts";
import { KEY_BYTES, TAG_BYTES } from "../../core/limits.ts";

const SYMBOLS = {
  EVP_CIPHER_CTX_new: { parameters: [], result: "pointer" },
  EVP_CIPHER_CTX_free: { parameters: ["pointer"], result: "void" },
  EVP_chacha20_poly1305: { parameters: [], result: "pointer" },
  EVP_CipherInit_ex: {
    parameters: ["pointer", "pointer", "pointer", "usize", "usize", "i32"],
    result: "i32",
  },
  EVP_CipherUpdate: { parameters: ["pointer", "usize", "usize", "usize", "i32"], result: "i32" },
  EVP_CipherFinal_ex: { parameters: ["pointer", "usize", "usize"], result: "i32" },
  EVP_CIPHER_CTX_ctrl: { parameters: ["pointer", "i32", "i32", "usize"], result: "i32" },
} as const;

/** Names to try: OpenSSL 3, then 1.1. */
const LIBRARIES = ["libcrypto.so.3", "libcrypto.so.1.1"];
const EVP_CTRL_AEAD_GET_TAG = 0x10;
const EVP_CTRL_AEAD_SET_TAG = 0x11;

const AAD_BYTES_MAX = 64;
/** libcrypto counts in C ints. */
const LENGTH_MAX = 0x7fffffff;

/** Kernel memory one native lane needs: subkey 32, nonce 12 at 32, output length i32 at 48. */
export const NATIVE_SCRATCH_BYTES = 64;
const SCRATCH_NONCE = 32;
const SCRATCH_LENGTH = 48;

/** What seals and opens descriptors: a kernel, or a native lane over its memory. */
export type Sealer = Pick<Kernel, "sealMany" | "openMany">;

/** A sealer that holds native memory. */
export interface NativeLane extends Sealer, Disposable {}

type Library = Deno.DynamicLibrary<typeof SYMBOLS>;

function openLibrary(): Library {
  let cause: unknown;
  for (const name of LIBRARIES) {
    try {
      return Deno.dlopen(name, SYMBOLS);
    } catch (error) {
      cause = error;
    }
  }
  const hint = "install OpenSSL's libcrypto, or use the wasm crypto lane";
  throw new VaultError("unavailable", `Cannot load ${LIBRARIES.join(" or ")}: ${hint}`, { cause });
}

interface Descriptor {
  readonly at: number;
  readonly source: number;
  readonly destination: number;
  readonly length: number;
  readonly aadLength: number;
}

class LibcryptoLane implements NativeLane {
  readonly #kernel: Kernel;
  readonly #scratch: number;
  readonly #library: Library;
  readonly #context: Deno.PointerObject;
  readonly #base: bigint;
  readonly #view: DataView;

  constructor(kernel: Kernel, scratch: number) {
    this.#kernel = kernel;
    this.#scratch = scratch;
    this.#view = new DataView(kernel.bytes.buffer);
    // Shared memory does not move; the kernel keeps it alive as long as this lane lives.
    const memory = kernel.bytes as Uint8Array as Uint8Array<ArrayBuffer>;
    this.#base = Deno.UnsafePointer.value(Deno.UnsafePointer.of(memory));
    this.#library = openLibrary();
    const { symbols } = this.#library;
    const context = symbols.EVP_CIPHER_CTX_new();
    assert(context !== null, "libcrypto gives a cipher context");
    this.#context = context;
    const started = symbols.EVP_CipherInit_ex(
      context,
      symbols.EVP_chacha20_poly1305(),
      null,
      0n,
      0n,
      1,
    );
    assert(started === 1, "libcrypto knows ChaCha20-Poly1305");
  }

  sealMany(descriptors: number, count: number): void {
    const { symbols } = this.#library;
    this.#inside(descriptors, count * DESCRIPTOR_BYTES);
    for (let i = 0; i < count; i++) {
      const seal = this.#read(descriptors + i * DESCRIPTOR_BYTES);
      this.#run(seal, 1);
      assert(this.#finish() === 1, "libcrypto finishes a seal");
      const tag = this.#address(seal.at + DESCRIPTOR.tag);
      symbols.EVP_CIPHER_CTX_ctrl(this.#context, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, tag);
    }
    this.#kernel.wipe(this.#scratch, NATIVE_SCRATCH_BYTES);
  }

  openMany(descriptors: number, count: number): number {
    const { symbols } = this.#library;
    this.#inside(descriptors, count * DESCRIPTOR_BYTES);
    let bad = 0;
    for (let i = 0; i < count; i++) {
      const seal = this.#read(descriptors + i * DESCRIPTOR_BYTES);
      this.#run(seal, 0);
      const tag = this.#address(seal.at + DESCRIPTOR.tag);
      symbols.EVP_CIPHER_CTX_ctrl(this.#context, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, tag);
      const status = this.#finish() === 1 ? 0 : 1;
      if (status === 1) this.#kernel.wipe(seal.destination, seal.length);
      this.#view.setUint32(seal.at + DESCRIPTOR.status, status, true);
      bad += status;
    }
    this.#kernel.wipe(this.#scratch, NATIVE_SCRATCH_BYTES);
    return bad;
  }

  /** Frees the context, which wipes its key. */
  [Symbol.dispose](): void {
    this.#library.symbols.EVP_CIPHER_CTX_free(this.#context);
    this.#library.close();
  }

  #address(at: number): bigint {
    return this.#base + BigInt(at);
  }

  #inside(at: number, length: number): void {
    const { bytes } = this.#kernel;
    const inside = length === 0 || (at > 0 && at + length <= bytes.length);
    assert(inside, "native lane arguments lie in kernel memory");
  }

  /** Checks what the kernel's own functions would: libcrypto checks nothing. */
  #read(at: number): Descriptor {
    const word = (offset: number) => this.#view.getUint32(at + offset, true);
    const source = word(DESCRIPTOR.source), destination = word(DESCRIPTOR.destination);
    const length = word(DESCRIPTOR.length), aadLength = word(DESCRIPTOR.aadLength);
    this.#inside(source, length);
    this.#inside(destination, length);
    this.#inside(word(DESCRIPTOR.key), KEY_BYTES);
    assert(aadLength <= AAD_BYTES_MAX && length <= LENGTH_MAX, "lengths fit a descriptor");
    const apart = source + length <= destination || destination + length <= source;
    assert(source === destination || apart, "source and destination are the same or apart");
    this.#kernel.hchacha(this.#scratch, word(DESCRIPTOR.key), at + DESCRIPTOR.nonce);
    return { at, source, destination, length, aadLength };
  }

  /** Key, nonce, AAD and data; `encrypt` is 1 or 0. */
  #run({ at, source, destination, length, aadLength }: Descriptor, encrypt: 0 | 1): void {
    const { EVP_CipherInit_ex, EVP_CipherUpdate } = this.#library.symbols;
    const context = this.#context, scratch = this.#scratch, { bytes } = this.#kernel;
    const outLength = this.#address(scratch + SCRATCH_LENGTH);
    const nonce = scratch + SCRATCH_NONCE;
    // draft-irtf-cfrg-xchacha-03 §2.3: four zero bytes, then the last eight of the nonce.
    bytes.fill(0, nonce, nonce + 4);
    bytes.copyWithin(nonce + 4, at + DESCRIPTOR.nonce + 16, at + DESCRIPTOR.nonce + 24);
    const key = this.#address(scratch);
    let good = EVP_CipherInit_ex(context, null, null, key, this.#address(nonce), encrypt);
    if (aadLength > 0) {
      const aad = this.#address(at + DESCRIPTOR.aad);
      good &= EVP_CipherUpdate(context, 0n, outLength, aad, aadLength);
    }
    if (length > 0) {
      const from = this.#address(source), to = this.#address(destination);
      good &= EVP_CipherUpdate(context, to, outLength, from, length);
    }
    assert(good === 1, "libcrypto takes key, AAD and data");
  }

  #finish(): number {
    const scratch = this.#address(this.#scratch);
    return this.#library.symbols.EVP_CipherFinal_ex(
      this.#context,
      scratch,
      scratch + BigInt(SCRATCH_LENGTH),
    );
  }
}

/**
 * Opens the native lane of the calling thread over a kernel's memory. `scratch` addresses
 * {@linkcode NATIVE_SCRATCH_BYTES} reserved bytes that no other thread uses.
 */
export function openNativeLane(kernel: Kernel, scratch: number): NativeLane {
  return new LibcryptoLane(kernel, scratch);
}
