import { AssertionError } from "../../core/assert.ts";
import { emptyAttributes, type FileSystem, PosixError } from "../../core/fs/file_system.ts";
import type { LeftWork } from "../../core/fs/left_work.ts";
import { ERRNO, ERRNO_MAX } from "../libc/errno.ts";
import { DirectoryReply } from "./directory_reply.ts";
import {
  type DriverSettings,
  type Exchange,
  type KernelCopies,
  type LaterBody,
  NO_REPLY,
  type OperationEntry,
} from "./exchange.ts";
import type { OpenHandles } from "./open_handles.ts";
import { LEAVING, OPERATIONS, UNANSWERED, WITH_HANDLE } from "./operations.ts";
import { PendingReads } from "./pending_reads.ts";
import { PendingReplies, type UniqueId } from "./pending.ts";
import { IN_HEADER, OPCODE, OUT_HEADER, WRITE_CACHE, WRITE_IN } from "./protocol.ts";
import type { Reply, ReplyChannel } from "./reply.ts";
import { Request } from "./request.ts";
import type { DriverBuffer } from "./request_buffers.ts";

/** What a dispatcher is made of. */
export interface DispatchParts {
  readonly fileSystem: FileSystem;
  readonly settings: DriverSettings;
  readonly handles: OpenHandles;
  /** What the kernel has of files, where somebody can ask it. */
  readonly copies?: KernelCopies;
  readonly reply: Reply;
  readonly channel: ReplyChannel;
  /** Any buffer: it only gives the request object its first memory. */
  readonly buffer: DriverBuffer;
  /** How long an interrupted fsync may still finish. */
  readonly interruptGraceMs: number;
  /** Told of failures that are not a POSIX answer; the caller of the filesystem saw EIO. */
  readonly report: (error: unknown) => void;
}

/** Answers requests one by one. */
export class Dispatcher {
  /** Requests whose answer waits for a promise. */
  readonly pending: PendingReplies;
  /** READs whose data is on its way. */
  readonly reads: PendingReads;
  /** The first broken invariant: the session must end with it. */
  broken: AssertionError | null = null;
  readonly #exchange: Exchange;
  readonly #report: (error: unknown) => void;

  constructor(parts: DispatchParts) {
    this.pending = new PendingReplies({
      kept: (id, body) => this.#sendLater(id, body),
      failed: (id, error) => this.#fail(id, error),
      interrupted: (id) => this.#sendError(id, ERRNO.EINTR),
    }, parts.interruptGraceMs);
    this.reads = new PendingReads(parts, (id, error) => this.#fail(id, error));
    this.#report = parts.report;
    parts.fileSystem.holdRemoved?.();
    this.#exchange = {
      fileSystem: parts.fileSystem,
      settings: parts.settings,
      request: new Request(parts.buffer),
      reply: parts.reply,
      channel: parts.channel,
      pending: this.pending,
      reads: this.reads,
      handles: parts.handles,
      copies: parts.copies ?? null,
      directory: new DirectoryReply(parts.reply),
      attributes: emptyAttributes(),
      spans: { total: 0, count: 0, addresses: [], lengths: [] },
      agreement: null,
    };
  }

  /** True once INIT was answered. */
  get agreed(): boolean {
    return this.#exchange.agreement !== null;
  }

  /** Answers the request of `length` bytes in `buffer`, now or when its promise settles. */
  answer(buffer: DriverBuffer, length: number): void {
    const request = this.#exchange.request;
    if (!request.load(buffer, length)) {
      // Without a whole header there is nobody to answer to.
      if (length >= IN_HEADER.bytes) this.#refuse(ERRNO.EIO);
      return;
    }
    const operation = OPERATIONS[request.opcode];
    if (operation === undefined) return this.#refuse(ERRNO.ENOSYS);
    if (length < IN_HEADER.bytes + operation.bodyBytesMin) return this.#refuse(ERRNO.EINVAL);
    if (Number.isNaN(request.nodeId) || this.#hasStaleHandle(request)) {
      return this.#refuse(ERRNO.ESTALE);
    }
    if (!LEAVING.has(request.opcode)) return this.#run(request, operation);
    const { left } = this.#exchange.fileSystem;
    left?.open();
    try {
      this.#run(request, operation);
    } finally {
      this.#finish(left);
    }
  }

  #run(request: Request, operation: OperationEntry): void {
    try {
      const outcome = operation.run(this.#exchange);
      if (typeof outcome !== "number") this.pending.add(request, outcome);
      else if (outcome !== NO_REPLY) this.#send(request, outcome);
    } catch (error) {
      this.#fail(request, error);
    }
  }

  /** Whoever asked has been answered: what goes wrong now, others are told. */
  #finish(left: LeftWork | undefined): void {
    try {
      left?.finish();
    } catch (error) {
      this.#tell(error);
    }
  }

  #hasStaleHandle(request: Request): boolean {
    const { handles } = this.#exchange;
    if (!handles.anyStale || !WITH_HANDLE.has(request.opcode)) return false;
    // Pages that were mapped and changed come with any handle of their file, whoever changed them.
    const isOfMap = request.opcode === OPCODE.WRITE &&
      (request.u32(WRITE_IN.flags) & WRITE_CACHE) !== 0;
    return !isOfMap && handles.isStale(request.nodeId, request.u64(0));
  }

  #refuse(errno: number): void {
    if (!UNANSWERED.has(this.#exchange.request.opcode)) {
      this.#sendError(this.#exchange.request, errno);
    }
  }

  #fail(id: UniqueId, error: unknown): void {
    if (error instanceof PosixError && error.errno > 0 && error.errno <= ERRNO_MAX) {
      return this.#reject(id, error.errno);
    }
    this.#tell(error);
    this.#reject(id, ERRNO.EIO);
  }

  /** Of a failure that is no POSIX answer. */
  #tell(error: unknown): void {
    if (error instanceof AssertionError) this.broken ??= error;
    this.#report(error);
  }

  #reject(id: UniqueId, errno: number): void {
    const { request } = this.#exchange;
    if (id === request && UNANSWERED.has(request.opcode)) return;
    this.#sendError(id, errno);
  }

  #sendError(id: UniqueId, errno: number): void {
    const { reply, channel } = this.#exchange;
    reply.header(id, OUT_HEADER.bytes, errno);
    channel.send(OUT_HEADER.bytes);
  }

  #sendLater(id: UniqueId, body: LaterBody | void): void {
    let bodyBytes = 0;
    try {
      if (body !== undefined) bodyBytes = body();
    } catch (error) {
      return this.#fail(id, error);
    }
    this.#send(id, bodyBytes);
  }

  #send(id: UniqueId, bodyBytes: number): void {
    const { reply, channel } = this.#exchange;
    const length = OUT_HEADER.bytes + bodyBytes;
    reply.header(id, length, 0);
    // EINVAL means that the kernel could not make sense of the reply: the caller must not wait for ever.
    if (channel.send(length) !== ERRNO.EINVAL) return;
    this.broken ??= new AssertionError("Broken invariant: the kernel understands every reply");
    this.#sendError(id, ERRNO.EIO);
  }
}
