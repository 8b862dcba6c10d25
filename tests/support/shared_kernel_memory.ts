import { assert } from "../../core/assert.ts";
import type { KernelMemory } from "../../ffi/libfuse3/request_buffers.ts";

const PAGE_BYTES = 4096;

/** Kernel memory without a kernel, for tests of code that only moves bytes about. */
export function sharedKernelMemory(size: number): KernelMemory {
  const bytes = new Uint8Array(new SharedArrayBuffer(size));
  let next = 0;
  return {
    bytes,
    reserve(wanted) {
      const alignment = wanted >= PAGE_BYTES ? PAGE_BYTES : 64;
      const address = Math.ceil(next / alignment) * alignment;
      assert(address + wanted <= size, "the kernel memory of this test is large enough");
      next = address + wanted;
      return address;
    },
  };
}
