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

/** A part of a file. */
export interface PageRange {
  readonly ino: number;
  /** In bytes. */
  readonly offset: number;
  /** Infinity: all of the rest. */
  readonly length: number;
}

/** What the kernel has of files. */
export interface KernelCopies {
  /** Resolves when it has given us what programs wrote through memory maps into a part of a file. */
  takeIn(range: PageRange): Promise<void>;
  /** Makes it ask for an inode's attributes again; for an inode that whoever waits for an answer has open. */
  forgetAttributes(ino: number): void;
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
  /** Null where nobody can ask the kernel. */
  readonly copies: KernelCopies | null;
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

/** Puts the body into the reply when it is to be sent; returns how many bytes it has. */
export type LaterBody = () => number;

/**
 * Answers one request: returns how many bytes of body it put into the reply, or {@linkcode NO_REPLY}, or a promise: of an
 * empty answer, or of one that is put into the reply then. It throws PosixError for a failure.
 */
export type Operation = (exchange: Exchange) => number | Promise<void | LaterBody>;

/** An operation, and how long the fixed part of its body is: shorter requests are refused before it is called. */
export interface OperationEntry {
  readonly run: Operation;
  readonly bodyBytesMin: number;
}
