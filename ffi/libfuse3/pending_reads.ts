import type { PendingRead, ReadSpans } from "../../core/fs/file_system.ts";
import { OUT_HEADER } from "./protocol.ts";
import type { UniqueId } from "./pending.ts";
import type { Reply, ReplyChannel } from "./reply.ts";

/** Reads that other threads finish; more are answered at once. */
const READS_MAX = 6;

interface WaitingRead extends UniqueId {
  readonly read: PendingRead;
}

/**
 * READs whose data is on its way. They are answered in the order of asking, by this thread, between other
 * requests: what the crypto workers do and what the kernel copies then overlap.
 */
export class PendingReads {
  readonly #reply: Reply;
  readonly #channel: ReplyChannel;
  readonly #failed: (id: UniqueId, error: unknown) => void;
  readonly #waiting: WaitingRead[] = [];
  readonly #spans: ReadSpans = { total: 0, count: 1, addresses: [0], lengths: [0] };

  constructor(
    parts: { reply: Reply; channel: ReplyChannel },
    failed: (id: UniqueId, error: unknown) => void,
  ) {
    this.#reply = parts.reply;
    this.#channel = parts.channel;
    this.#failed = failed;
  }

  get size(): number {
    return this.#waiting.length;
  }

  /** True while another read may wait. */
  get hasRoom(): boolean {
    return this.#waiting.length < READS_MAX;
  }

  add({ uniqueLow, uniqueHigh }: UniqueId, read: PendingRead): void {
    this.#waiting.push({ uniqueLow, uniqueHigh, read });
  }

  /** Answers those whose data is there. */
  answerSettled(): void {
    while (this.#waiting.length > 0 && this.#waiting[0].read.settled()) this.answerOldest();
  }

  /** Answers the oldest one, waiting for its data; false where none waits. */
  answerOldest(): boolean {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) return false;
    const { read } = waiting;
    try {
      read.finish();
      this.#send(waiting, read);
    } catch (error) {
      this.#failed(waiting, error);
    } finally {
      read.release();
    }
    return true;
  }

  #send(id: UniqueId, { address, length }: PendingRead): void {
    const spans = this.#spans;
    spans.total = length;
    spans.addresses[0] = address;
    spans.lengths[0] = length;
    this.#reply.header(id, OUT_HEADER.bytes + length, 0);
    this.#channel.sendSpans(spans);
  }
}
