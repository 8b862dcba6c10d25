import { KIB, MIB } from "../../core/limits.ts";
import { systemRuntime } from "../../core/runtime.ts";
import { Dispatcher } from "../../ffi/libfuse3/dispatch.ts";
import { OpenHandles } from "../../ffi/libfuse3/open_handles.ts";
import { OPCODE } from "../../ffi/libfuse3/protocol.ts";
import { Reply, timeoutOf } from "../../ffi/libfuse3/reply.ts";
import { RequestBuffers } from "../../ffi/libfuse3/request_buffers.ts";
import { MemoryFileSystem } from "./memory_file_system.ts";
import { fillRequest, type Part, RecordingChannel, type SentReply } from "./request_maker.ts";
import { sharedKernelMemory } from "./shared_kernel_memory.ts";

/** A dispatcher over a memory filesystem, without a kernel: requests go in, replies come out. */
export class Dispatched {
  readonly fileSystem: MemoryFileSystem;
  readonly dispatcher: Dispatcher;
  readonly channel: RecordingChannel;
  readonly buffers: RequestBuffers;
  readonly reports: unknown[] = [];
  readonly handles = new OpenHandles();

  constructor(wrap: (fileSystem: MemoryFileSystem) => MemoryFileSystem = (same) => same) {
    const kernel = sharedKernelMemory(4 * MIB);
    this.fileSystem = wrap(new MemoryFileSystem(kernel, systemRuntime));
    const reply = new Reply();
    this.channel = new RecordingChannel(reply, kernel);
    this.buffers = new RequestBuffers(kernel, 2, 128 * KIB);
    const second = timeoutOf(1.5);
    this.dispatcher = new Dispatcher({
      fileSystem: this.fileSystem,
      settings: {
        timeouts: { entry: second, attr: second, negative: second },
        writeBytesMax: 128 * KIB,
        writebackCache: true,
      },
      handles: this.handles,
      reply,
      channel: this.channel,
      buffer: this.buffers.take(),
      interruptGraceMs: 0,
      report: (error) => this.reports.push(error),
    });
  }

  /** Sends a request; the reply, or null where there was none. */
  ask(
    header: { opcode: number; node?: number; unique?: number },
    ...parts: Part[]
  ): SentReply | null {
    const before = this.channel.sent.length;
    const buffer = this.buffers.take();
    this.dispatcher.answer(buffer, fillRequest(buffer, header, parts));
    return this.channel.sent[before] ?? null;
  }

  /** Sends INIT as Linux 6 does; its reply. */
  init(flags = 0xffffffff): SentReply | null {
    return this.ask({ opcode: OPCODE.INIT, node: 0 }, 7, 40, 131072, flags, 0, new Uint8Array(44));
  }
}
