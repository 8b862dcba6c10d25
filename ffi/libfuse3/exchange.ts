import type { Attributes, FileSystem, ReadSpans } from "../../core/fs/file_system.ts";
import type { DirectoryReply } from "./directory_reply.ts";
import type { Agreement } from "./init.ts";
import type { OpenHandles } from "./open_handles.ts";
import type { PendingReads } from "./pending_reads.ts";
import type { PendingReplies } from "./pending.ts";
import type { Reply, ReplyChannel, Timeout } from "./reply.ts";
import type { Request } from "./request.ts";

/** How the driver was told to behave. */
export interface DriverSettings {
  readonly timeouts: {
    readonly entry: Timeout;
    readonly attr: Timeout;
    readonly negative: Timeout;
  };
  readonly writeBytesMax: number;
  readonly writebackCache: boolean;
}

/** Everything that an operation works with. */
export interface Exchange {
  readonly fileSystem: FileSystem;
  readonly settings: DriverSettings;
  readonly request: Request;
  readonly reply: Reply;
  readonly channel: ReplyChannel;
  readonly pending: PendingReplies;
  readonly reads: PendingReads;
  readonly handles: OpenHandles;
  readonly directory: DirectoryReply;
  /** Scratch for one inode's attributes. */
  readonly attributes: Attributes;
  /** Scratch for the spans of a read. */
  readonly spans: ReadSpans;
  /** Null until INIT was answered. */
  agreement: Agreement | null;
}

/** An operation's result when it answered by itself, or when the kernel wants no answer. */
export const NO_REPLY = -1;

/**
 * Answers one request: returns how many bytes of body it put into the reply, or {@linkcode NO_REPLY}, or a promise of an
 * empty answer. It throws PosixError for a failure.
 */
export type Operation = (exchange: Exchange) => number | Promise<void>;

/** An operation, and how long the fixed part of its body is: shorter requests are refused before it is called. */
export interface OperationEntry {
  readonly run: Operation;
  readonly bodyBytesMin: number;
}
