/** Serves a memory filesystem in a worker: gets a {@linkcode DriverOrder}, answers with {@linkcode DriverNews}. */

import { assert } from "../../core/assert.ts";
import {
  type Attributes,
  type Caller,
  type NewNode,
  type Place,
  PosixError,
  type ReadSpans,
  type WriteRequest,
} from "../../core/fs/file_system.ts";
import { MIB } from "../../core/limits.ts";
import { systemRuntime } from "../../core/runtime.ts";
import { emptyAttributes } from "../../core/fs/file_system.ts";
import { ERRNO } from "../../ffi/libc/errno.ts";
import type { KernelMemory } from "../../ffi/libfuse3/request_buffers.ts";
import { serveSession } from "../../ffi/libfuse3/loop.ts";
import type { ServedSession } from "../../ffi/libfuse3/served_session.ts";
import { MemoryFileSystem } from "./memory_file_system.ts";
import { sharedKernelMemory } from "./shared_kernel_memory.ts";

/** What the worker is told. */
export interface DriverOrder extends ServedSession {
  readonly writebackCache: boolean;
  readonly readOnly: boolean;
  /** How long an fsync takes; `"until go"`: until somebody makes a node named `go`. */
  readonly fsync: "at once" | "until go" | "200 ms";
  readonly interruptGraceMs: number;
  /** Leave the data of WRITEs in the driver's buffers until the driver is idle or somebody reads. */
  readonly lazyWrites: boolean;
  /** See `ServeOptions`. */
  readonly idlePolling?: boolean;
  /** Makes `getxattr` of `user.broken` break an invariant, and of `user.failed` fail otherwise. */
  readonly faulty: boolean;
}

/** What it tells. */
export type DriverNews =
  | { readonly kind: "ready" }
  | { readonly kind: "echo" }
  | {
    readonly kind: "ended";
    /** The sum of all bytes of the file `big`, -1 without one. */
    readonly sum: number;
    readonly ticks: number;
    readonly keptWrites: number;
    readonly nodes: number;
    readonly error: string;
    readonly reports: number;
  };

class TestFileSystem extends MemoryFileSystem {
  order: DriverOrder | null = null;
  readonly memory: KernelMemory;
  /** Writes that were put off and are done. */
  keptWrites = 0;
  readonly #kept: { ino: number; write: WriteRequest }[] = [];
  readonly #go = Promise.withResolvers<void>();
  /** Names that were made. */
  readonly #marks = new Set<string>();

  constructor(memory: KernelMemory, readOnly: boolean) {
    super(memory, systemRuntime, readOnly);
    this.memory = memory;
  }

  override fsync(ino: number): void | Promise<void> {
    this.#mayFail("fsync");
    super.fsync(ino);
    if (this.order?.fsync === "until go") return this.#go.promise;
    if (this.order?.fsync === "200 ms") return new Promise((resolve) => setTimeout(resolve, 200));
  }

  override mknod(caller: Caller, place: Place, node: NewNode, out: Attributes) {
    super.mknod(caller, place, node, out);
    const name = new TextDecoder().decode(place.name);
    this.#marks.add(name);
    if (name === "go") this.#go.resolve();
  }

  override rmdir(parent: number, name: Uint8Array): void {
    super.rmdir(parent, name);
    this.#marks.delete(new TextDecoder().decode(name));
  }

  /** EIO while there is a directory of this name: how a test makes a bad medium of this one. */
  #mayFail(what: "read" | "write" | "fsync"): void {
    if (this.#marks.has(`fail ${what}`)) throw new PosixError(ERRNO.EIO, `tests fail this ${what}`);
  }

  override write(ino: number, write: WriteRequest): void {
    this.#mayFail("write");
    if (this.order?.lazyWrites !== true || write.buffer === null) {
      // Written in order: what is put off must not overwrite this.
      while (this.writeOne());
      return super.write(ino, write);
    }
    super.fallocate(ino, write.offset, write.length, 0);
    write.buffer.references++;
    this.#kept.push({ ino, write });
  }

  override read(ino: number, offset: number, size: number, out: ReadSpans): void {
    this.#mayFail("read");
    while (this.writeOne());
    super.read(ino, offset, size, out);
  }

  /** Does the oldest write that was put off; false where there is none. */
  writeOne(): boolean {
    const next = this.#kept.shift();
    if (next === undefined) return false;
    super.write(next.ino, next.write);
    if (next.write.buffer !== null) next.write.buffer.references--;
    this.keptWrites++;
    return true;
  }

  /** The sum of all bytes of a file in the root; -1 where there is none of that name. */
  sumOf(name: string): number {
    const found = emptyAttributes();
    try {
      this.lookup(1, new TextEncoder().encode(name), found);
    } catch {
      return -1;
    }
    const spans: ReadSpans = { total: 0, count: 0, addresses: [], lengths: [] };
    let sum = 0;
    for (let at = 0; at < found.size; at += spans.total) {
      this.read(found.ino, at, MIB, spans);
      const [address] = spans.addresses;
      for (const byte of this.memory.bytes.subarray(address, address + spans.total)) sum += byte;
    }
    return sum;
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
  const fileSystem = new TestFileSystem(kernel, order.readOnly);
  fileSystem.order = order;
  let reports = 0;
  let ticks = 0;
  let error = "";
  try {
    await serveSession(order, fileSystem, {
      kernel,
      writebackCache: order.writebackCache,
      idlePolling: order.idlePolling,
      interruptGraceMs: order.interruptGraceMs,
      idle: () => fileSystem.writeOne(),
      tick: () => ticks++,
      ready: () => tell({ kind: "ready" }),
      report: (failure) => {
        assert(!(failure instanceof PosixError), "POSIX answers are not reported");
        reports++;
      },
    });
  } catch (failure) {
    error = failure instanceof Error ? failure.name : String(failure);
  }
  const sum = fileSystem.sumOf("big");
  tell({
    kind: "ended",
    sum,
    ticks,
    keptWrites: fileSystem.keptWrites,
    nodes: fileSystem.nodeCount,
    error,
    reports,
  });
}

self.onmessage = (event: MessageEvent<DriverOrder | "echo">) => {
  if (event.data === "echo") tell({ kind: "echo" });
  else void serve(event.data);
};
