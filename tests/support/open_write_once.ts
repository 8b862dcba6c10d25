import { ObjectSeal } from "../../core/crypto/object_seal.ts";
import type { MediumSeal } from "../../core/storage/medium_seal.ts";
import type { ObjectAccess } from "../../core/storage/object_access.ts";
import {
  WriteOnceMedium,
  type WriteOnceOptions,
} from "../../core/storage/write_once/write_once_medium.ts";
import { createKernel } from "../../wasm/kernel.ts";
import { systemRuntime } from "../../core/runtime.ts";

const kernel = createKernel({ memoryBytes: 1024 * 1024 });
const seal = new ObjectSeal(kernel, systemRuntime, new Uint8Array(32).fill(5));
/** One for all, always with the same key: kernel memory is set aside for good. */
export const fixedSeal: MediumSeal = {
  seal: (plaintext, aad) => seal.seal(plaintext, aad),
  open: (cell, aad) => seal.open(cell, aad),
  name: (input) => seal.name(input),
  random: (bytes) => seal.random(bytes),
  wipe: () => {},
};

/** A write-once medium that is unlocked, always with the same key. */
export function openWriteOnce(objects: ObjectAccess, options?: WriteOnceOptions): WriteOnceMedium {
  const medium = new WriteOnceMedium(objects, options);
  medium.unlock(fixedSeal, "open");
  return medium;
}
