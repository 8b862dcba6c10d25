import { DESCRIPTOR, DESCRIPTOR_BYTES, type Kernel } from "../../core/crypto/kernel.ts";

/** Bytes from hexadecimal digits. */
export function fromHex(hex: string): Uint8Array<ArrayBuffer> {
  const digits = hex.match(/../g) ?? [];
  return Uint8Array.from(digits, (pair) => parseInt(pair, 16));
}

/** Hexadecimal digits of bytes, shared ones too. */
export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A copy of kernel memory that no kernel call changes. */
export function copyOf(kernel: Kernel, at: number, length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(kernel.bytes.subarray(at, at + length));
}

/** One thing to seal. `at` is where the data lie, and go to unless `to` says otherwise. */
export interface SealCase {
  readonly at: number;
  readonly to?: number;
  readonly length: number;
  readonly key: number;
  readonly nonce: Uint8Array;
  readonly aad: Uint8Array;
}

/** Writes a descriptor; its tag is zeroed. */
export function writeDescriptor(kernel: Kernel, descriptor: number, seal: SealCase): void {
  const view = new DataView(kernel.bytes.buffer, descriptor, DESCRIPTOR_BYTES);
  kernel.bytes.fill(0, descriptor, descriptor + DESCRIPTOR_BYTES);
  view.setUint32(DESCRIPTOR.source, seal.at, true);
  view.setUint32(DESCRIPTOR.destination, seal.to ?? seal.at, true);
  view.setUint32(DESCRIPTOR.length, seal.length, true);
  view.setUint32(DESCRIPTOR.key, seal.key, true);
  view.setUint32(DESCRIPTOR.aadLength, seal.aad.length, true);
  kernel.bytes.set(seal.nonce, descriptor + DESCRIPTOR.nonce);
  kernel.bytes.set(seal.aad, descriptor + DESCRIPTOR.aad);
}

/** The tag of a descriptor. */
export function tagAt(kernel: Kernel, descriptor: number): Uint8Array<ArrayBuffer> {
  return copyOf(kernel, descriptor + DESCRIPTOR.tag, 16);
}

/** The status word that `openMany` left. */
export function statusAt(kernel: Kernel, descriptor: number): number {
  return kernel.words[(descriptor + DESCRIPTOR.status) / 4];
}

/** Bytes that look random and are the same every time. */
export function patternBytes(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  let x = (seed * 2654435761) >>> 0 || 1;
  return Uint8Array.from({ length }, () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x & 255;
  });
}
