import { DESCRIPTOR, DESCRIPTOR_BYTES, type Kernel } from "../crypto/kernel.ts";
import type { KeyRing } from "../crypto/key_ring.ts";
import { AAD_BYTES, KIND, type Kind, writeAad } from "../format/seal_aad.ts";
import { NONCE_BYTES, TAG_BYTES } from "../limits.ts";
import type { Runtime } from "../runtime.ts";
import type { Lane } from "./lane.ts";
import { Nonces } from "./nonces.ts";

/** What one seal is about; the rest of its AAD follows from the vault. */
export interface SealSubject {
  readonly kind: Kind;
  /** Block id, or 0. */
  readonly id: number;
  readonly level: number;
  /** 0: sealed whole; else 1 + number of the shard. */
  readonly shard?: number;
  readonly epoch: number;
  /** How a data block's bytes are stored: raw unless said. */
  readonly codec?: number;
  /** Bytes of the content, before compression and padding. */
  readonly length: number;
  /** Of a compressed block its compressed bytes. */
  readonly compressed?: number;
  /** Where the bytes lie: sealed and opened in place. */
  readonly address: number;
  /** Bytes to seal, padding included. */
  readonly sealedBytes: number;
}

/** Everything that sealing and opening blocks of one vault takes. */
export class SealContext {
  readonly kernel: Kernel;
  readonly keys: KeyRing;
  readonly lane: Lane;
  readonly runtime: Runtime;
  readonly vaultId: Uint8Array;
  readonly nonces: Nonces;
  /** Epoch of new writes: the newest root's. `Engine.useEpoch` changes it. */
  epoch: number;
  /** True where a cell lies on a member that is missing: what cannot be read there is not damaged. */
  readonly isAway: (cell: number) => boolean;
  private readonly view: DataView<SharedArrayBuffer>;

  constructor(
    parts:
      & Omit<
        SealContext,
        | "nonces"
        | "describe"
        | "openFrom"
        | "nonceOf"
        | "tagOf"
        | "keyFor"
        | "sealedLength"
        | "isAway"
      >
      & Partial<Pick<SealContext, "isAway">>,
  ) {
    this.kernel = parts.kernel;
    this.keys = parts.keys;
    this.lane = parts.lane;
    this.runtime = parts.runtime;
    this.vaultId = parts.vaultId;
    this.epoch = parts.epoch;
    this.isAway = parts.isAway ?? (() => false);
    this.nonces = new Nonces(parts.runtime);
    this.view = new DataView(this.kernel.bytes.buffer);
  }

  /** Address of the key that seals this kind in this epoch. */
  keyFor(kind: Kind, epoch: number): number {
    if (kind === KIND.data) return this.keys.blockKey(epoch);
    if (kind === KIND.root) return this.keys.rootKey(epoch);
    if (kind === KIND.superblock) return this.keys.superblockKey(epoch);
    if (kind === KIND.log) return this.keys.logKey(epoch);
    return this.keys.nodeKey(epoch);
  }

  /**
   * Fills the descriptor at `at` for sealing or opening in place. Nonce and, for opening, tag are set by the
   * caller: {@linkcode Nonces.take} into `nonceOf(at)`, or copies of what was stored.
   */
  describe(at: number, subject: SealSubject): void {
    const { view } = this;
    view.setUint32(at + DESCRIPTOR.source, subject.address, true);
    view.setUint32(at + DESCRIPTOR.destination, subject.address, true);
    view.setUint32(at + DESCRIPTOR.length, subject.sealedBytes, true);
    view.setUint32(at + DESCRIPTOR.key, this.keyFor(subject.kind, subject.epoch), true);
    view.setUint32(at + DESCRIPTOR.aadLength, AAD_BYTES, true);
    const aad = at + DESCRIPTOR.aad;
    this.kernel.bytes.set(this.vaultId, aad);
    view.setUint32(aad + 16, subject.id >>> 0, true);
    view.setUint32(aad + 20, Math.floor(subject.id / 4294967296), true);
    const { kind, level, codec = 0, shard = 0 } = subject;
    view.setUint32(aad + 24, kind | level << 8 | codec << 16 | shard << 24, true);
    view.setUint32(aad + 28, subject.epoch, true);
    view.setUint32(aad + 32, subject.length, true);
    view.setUint32(aad + 36, subject.compressed ?? 0, true);
  }

  /** What is opened lies somewhere else than where it is to be. */
  openFrom(at: number, source: number): void {
    this.view.setUint32(at + DESCRIPTOR.source, source, true);
  }

  /** A view of a descriptor's nonce. */
  nonceOf(at: number): Uint8Array {
    return this.kernel.bytes.subarray(at + DESCRIPTOR.nonce, at + DESCRIPTOR.nonce + NONCE_BYTES);
  }

  /** Plaintext bytes before padding, from a descriptor's AAD. */
  sealedLength(at: number): number {
    return this.view.getUint32(at + DESCRIPTOR.aad + 32, true);
  }

  /** A view of a descriptor's tag. */
  tagOf(at: number): Uint8Array {
    return this.kernel.bytes.subarray(at + DESCRIPTOR.tag, at + DESCRIPTOR.tag + TAG_BYTES);
  }
}

/** Sets memory aside for `count` descriptors. */
export function reserveDescriptors(kernel: Kernel, count: number): number {
  return kernel.reserve(count * DESCRIPTOR_BYTES);
}

/** Writes the same AAD as {@linkcode SealContext.describe}, byte by byte from the codec: for tests. */
export function referenceAad(vaultId: Uint8Array, subject: SealSubject): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(AAD_BYTES);
  const { codec = 0, shard = 0, compressed = 0 } = subject;
  writeAad(bytes, 0, { ...subject, vaultId, codec, shard, compressed });
  return bytes;
}
