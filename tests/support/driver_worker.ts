/** Serves a memory filesystem in a worker: gets a {@linkcode DriverOrder}, answers with {@linkcode DriverNews}. */

import { assert } from "../../core/assert.ts";
import { PosixError } from "../../core/fs/file_system.ts";
import { MIB } from "../../core/limits.ts";
import { systemRuntime } from "../../core/runtime.ts";
import { type ServedSession, serveSession } from "../../ffi/libfuse3/loop.ts";
import { MemoryFileSystem } from "./memory_file_system.ts";
import { sharedKernelMemory } from "./shared_kernel_memory.ts";

/** What the worker is told. */
export interface DriverOrder extends ServedSession {
  readonly writebackCache: boolean;
  readonly readOnly: boolean;
  /** An fsync takes this long; -1: none ever ends. */
  readonly fsyncMs: number;
  readonly interruptGraceMs: number;
  /** Makes `getxattr` of `user.broken` break an invariant, and of `user.failed` fail otherwise. */
  readonly faulty: boolean;
}

/** What it tells. */
export type DriverNews =
  | { readonly kind: "ready" }
  | { readonly kind: "echo" }
  | {
    readonly kind: "ended";
    readonly nodes: number;
    readonly error: string;
    readonly reports: number;
  };

class TestFileSystem extends MemoryFileSystem {
  order: DriverOrder | null = null;

  override fsync(ino: number): void | Promise<void> {
    super.fsync(ino);
    const milliseconds = this.order?.fsyncMs ?? 0;
    if (milliseconds === 0) return;
    return new Promise((resolve) => {
      if (milliseconds > 0) setTimeout(resolve, milliseconds);
    });
  }

  override getxattr(ino: number, name: Uint8Array): Uint8Array {
    const text = new TextDecoder().decode(name);
    if (this.order?.faulty === true && text === "user.broken") assert(false, "tests break this");
    if (this.order?.faulty === true && text === "user.failed") {
      throw new TypeError("tests fail this");
    }
    return super.getxattr(ino, name);
  }
}

function tell(news: DriverNews): void {
  self.postMessage(news);
}

async function serve(order: DriverOrder): Promise<void> {
  const kernel = sharedKernelMemory(32 * MIB);
  const fileSystem = new TestFileSystem(kernel, systemRuntime, order.readOnly);
  fileSystem.order = order;
  let reports = 0;
  let error = "";
  try {
    await serveSession(order, fileSystem, {
      kernel,
      writebackCache: order.writebackCache,
      interruptGraceMs: order.interruptGraceMs,
      ready: () => tell({ kind: "ready" }),
      report: (failure) => {
        assert(!(failure instanceof PosixError), "POSIX answers are not reported");
        reports++;
      },
    });
  } catch (failure) {
    error = failure instanceof Error ? failure.name : String(failure);
  }
  tell({ kind: "ended", nodes: fileSystem.nodeCount, error, reports });
}

self.onmessage = (event: MessageEvent<DriverOrder | "echo">) => {
  if (event.data === "echo") tell({ kind: "echo" });
  else void serve(event.data);
};
