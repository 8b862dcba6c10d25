import { createKernel } from "../../wasm/kernel.ts";
import { FakeRuntime } from "../support/fake_runtime.ts";
import { MemoryFileSystem } from "../support/memory_file_system.ts";
import { openMemoryVolume } from "../support/open_memory_volume.ts";
import { createRealVolume } from "../support/open_real_volume.ts";
import { fileSystemContract } from "./file_system.ts";
import type { Subject } from "./posix_calls.ts";

const MEMORY_BYTES = 16 * 1024 * 1024;

const subjects: Record<string, () => Subject | Promise<Subject>> = {
  "the vault's filesystem": () => {
    const kernel = createKernel({ memoryBytes: MEMORY_BYTES });
    const { fs, runtime } = openMemoryVolume({ volume: { kernel, blockBytes: 16384 } });
    return { fs, memory: kernel, advance: (milliseconds) => runtime.advance(milliseconds) };
  },
  "the vault's filesystem on a sealed volume": async () => {
    const { fs, volume, runtime } = await createRealVolume();
    const advance = (milliseconds: number) => runtime.advance(milliseconds);
    return { fs, memory: volume.kernel, advance };
  },
  "the model": () => {
    const kernel = createKernel({ memoryBytes: MEMORY_BYTES });
    const runtime = new FakeRuntime();
    const fs = new MemoryFileSystem(kernel, runtime);
    return { fs, memory: kernel, advance: (milliseconds) => runtime.advance(milliseconds) };
  },
};

for (const [name, open] of Object.entries(subjects)) {
  for (const [property, holds] of Object.entries(fileSystemContract)) {
    Deno.test(`${name}: ${property}`, async () => holds(await open()));
  }
}
