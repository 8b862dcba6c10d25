import { StreamSeal } from "../crypto/stream_seal.ts";
import { compare } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { FRAME_OVERHEAD, STREAM_SALT_BYTES } from "../format/stream_frame.ts";
import {
  decodeBegin,
  decodeEnd,
  printToken,
  type ResumePoint,
  type StreamBegin,
} from "../format/stream_head.ts";
import { badRecord, decodeStreamRecord, STREAM_TYPE } from "../format/stream_record.ts";
import type { MemoryLease } from "../fs/memory_lease.ts";
import { MIB } from "../limits.ts";
import type { PlacedReceive } from "../tree/catalog.ts";
import { nextTurn } from "../turn.ts";
import { checkRedundancy } from "../volume/block_size.ts";
import type { Receiving } from "../volume/receiving.ts";
import type { Volume } from "../volume/volume.ts";
import { changed, FrameReader, type ReceivedFrame, StreamInput } from "./stream_frames.ts";
import type { StreamBytes } from "./stream_frames.ts";
import { type RawRecord, RecordQueue } from "./stream_records.ts";
import { receivingKeys, type StreamParts, type StreamSecret } from "./stream_send.ts";
import { StreamTarget } from "./stream_target.ts";
import { type Enter, whenFree } from "./transactions.ts";

/** A crash loses so much of a stream at most, and of one that comes slowly what came in so long. */
export const NOTE_BYTES: number = 64 * MIB;
const NOTE_MS = 10_000;
/** Blocks that are freed before others get their turn. */
const FREED_BLOCKS_MAX = 16_384;

/** How to receive. */
export interface ReceiveOptions {
  /** It was sent raw: its blocks are kept as they are, sealed under a key that is not known here. */
  readonly raw?: boolean;
  /** Told how much content has arrived, of how much where all is sent; else of 0. */
  readonly progress?: (doneBytes: number, totalBytes: number) => void;
}

/** What was received. */
export interface ReceiveReport {
  /** The volume that has the snapshot now. */
  readonly volume: string;
  /** Its name. */
  readonly snapshot: string;
  /** False where it came as a difference to one that was there. */
  readonly whole: boolean;
  /** Bytes of files' content, in this stream and in those that it goes on from. */
  readonly contentBytes: number;
  /** Bytes of this stream. */
  readonly streamBytes: number;
}

/** What a receive works with. */
export interface ReceiveParts extends StreamParts {
  readonly receiving: Receiving;
  /** Waits while a transaction is open. */
  readonly enter: Enter;
  /** Puts what filesystems hold in memory only. */
  readonly flush: () => void;
  /** What has arrived is made durable after so many bytes. */
  readonly noteBytes: number;
}

/** One stream on its way into a volume. */
export class StreamReceive {
  readonly #parts: ReceiveParts;
  readonly #name: string;
  readonly #input: StreamInput;
  readonly #options: ReceiveOptions & StreamSecret;
  readonly #lease: MemoryLease;
  readonly #queue = new RecordQueue();
  #begin: StreamBegin | null = null;
  /** What the catalog knows of it. */
  #receive: PlacedReceive | null = null;
  #volume: Volume | null = null;
  #target: StreamTarget | null = null;
  #records = 0;
  /** Content in this stream, and of it what came before the last mark. */
  #contentBytes = 0;
  #markedBytes = 0;
  /** Bytes of the stream when the catalog was told last, and when that was. */
  #noted = 0;
  #notedAt: number;
  /** Blocks that were freed since others had their turn. */
  #freed = 0;
  #ended = false;

  /** `name` is of the volume that gets the snapshot. */
  constructor(
    parts: ReceiveParts,
    name: string,
    bytes: StreamBytes,
    options: ReceiveOptions & StreamSecret,
  ) {
    this.#parts = parts;
    this.#name = name;
    this.#input = new StreamInput(bytes);
    this.#options = options;
    this.#lease = parts.lease();
    this.#notedAt = parts.engine.runtime.now();
  }

  /** Receives all of it. Where that fails, what has arrived stays for a stream that goes on from there. */
  async run(): Promise<ReceiveReport> {
    try {
      await this.#receiveAll();
      return this.#report();
    } catch (error) {
      await this.#input.cancel().catch(() => {}); // who writes may be gone already
      await this.#leave();
      throw error;
    } finally {
      this.#queue.wipe();
      this.#parts.giveBack(this.#lease);
    }
  }

  async #receiveAll(): Promise<void> {
    const salt = new Uint8Array(STREAM_SALT_BYTES);
    if (await this.#input.read(salt) < salt.length) {
      throw new VaultError("corrupt", "Cannot receive the stream: it is not one");
    }
    const seal = new StreamSeal(this.#parts.engine.kernel, this.#lease, salt);
    const reader = new FrameReader(this.#input, seal);
    let frame = await reader.next();
    await this.#findKey(seal, salt, frame);
    for (;; frame = await this.#nextFrame(reader, seal)) {
      seal.pass();
      this.#queue.add(seal.plaintext.subarray(0, frame.bytes.length - FRAME_OVERHEAD));
      while (await whenFree(this.#parts.enter, () => this.#takeSome())) await nextTurn();
      if (frame.last) break;
      if (this.#isNoteDue) await whenFree(this.#parts.enter, () => this.#note());
    }
    if (!this.#ended) throw badRecord("the stream has no end");
    await whenFree(this.#parts.enter, () => this.#finish());
  }

  async #findKey(seal: StreamSeal, salt: Uint8Array, frame: ReceivedFrame): Promise<void> {
    const { passphrase, raw } = this.#options;
    for await (const key of receivingKeys(this.#parts, salt, { passphrase, raw })) {
      seal.useKey(key);
      if (seal.open(frame.bytes, frame.last)) return;
    }
    throw new VaultError(
      "denied",
      passphrase === undefined && raw === true
        ? "Cannot open the stream: it is not raw; receive it without --raw"
        : passphrase === undefined
        ? "Cannot open the stream: it is not sealed under a key of this vault; give its passphrase, or say --raw if it was sent so"
        : "Cannot open the stream: wrong passphrase, or it is sealed under a vault's key",
    );
  }

  async #nextFrame(reader: FrameReader, seal: StreamSeal): Promise<ReceivedFrame> {
    const frame = await reader.next();
    if (!seal.open(frame.bytes, frame.last)) throw changed();
    return frame;
  }

  /** Takes records that have arrived; true where there may be more, and others shall have their turn first. */
  #takeSome(): boolean {
    let record = this.#queue.take();
    for (; record !== null; record = this.#queue.take()) {
      if (this.#ended) throw badRecord("it comes after the end of the stream");
      this.#take(record);
      if (this.#freed >= FREED_BLOCKS_MAX) break;
    }
    this.#freed = 0;
    if (this.#ended) this.#queue.checkEmpty();
    this.#volume?.endGroup();
    const { progress } = this.#options;
    const total = this.#begin?.position.length === 0 && this.#isWhole
      ? this.#begin.referencedBytes
      : 0;
    progress?.(this.#contentBytes, total);
    return record !== null;
  }

  #take({ type, payload }: RawRecord): void {
    if (this.#target === null || this.#receive === null) {
      if (type !== STREAM_TYPE.begin) throw badRecord("the stream does not begin with what it is");
      this.#start(decodeBegin(payload));
    } else if (type === STREAM_TYPE.end) this.#checkEnd(payload);
    else {
      const record = decodeStreamRecord(type, payload, this.#begin!.blockBytes);
      if (record.kind === "mark") this.#mark(this.#receive, record.position);
      else this.#target.apply(record);
      if (record.kind === "data" || record.kind === "lockedBlock") {
        this.#contentBytes += record.content.length;
      }
      if (record.kind === "free") this.#freed += record.count;
    }
    this.#records++;
  }

  #mark(receive: PlacedReceive, position: Uint8Array): void {
    const contentBytes = receive.contentBytes + this.#contentBytes - this.#markedBytes;
    this.#receive = { ...receive, position: position.slice(), contentBytes };
    this.#markedBytes = this.#contentBytes;
  }

  #start(begin: StreamBegin): void {
    const { engine, receiving, flush } = this.#parts;
    if (begin.raw !== (this.#options.raw === true)) throw unlikeAsked(begin);
    checkRedundancy(engine.store.redundancy, begin.blockBytes);
    flush();
    const begun = receiving.find(this.#name);
    const goesOn = begun !== null && isSamePoint(begun, begin);
    if (!goesOn && begin.position.length > 0) throw cannotGoOn(this.#name, begun);
    if (!goesOn) receiving.check(this.#name, begin);
    if (!goesOn && begun !== null) receiving.abandon(begun);
    const receive = goesOn ? begun : receiving.begin(this.#name, begin);
    this.#begin = begin;
    this.#receive = receive;
    this.#volume = receiving.open(receive, begin);
    this.#target = new StreamTarget(this.#volume, this.#lease);
  }

  get #isWhole(): boolean {
    return this.#begin?.base.every((byte) => byte === 0) ?? true;
  }

  #checkEnd(payload: Uint8Array): void {
    this.#ended = true;
    const { records, contentBytes } = decodeEnd(payload);
    if (records !== this.#records || contentBytes !== this.#contentBytes) {
      throw badRecord("records are missing before the end");
    }
  }

  get #isNoteDue(): boolean {
    const { noteBytes, engine: { runtime } } = this.#parts;
    return this.#input.bytes - this.#noted >= noteBytes ||
      runtime.now() - this.#notedAt >= NOTE_MS;
  }

  /** Makes durable what has arrived, and how far that is. */
  #note(): void {
    this.#noted = this.#input.bytes;
    this.#notedAt = this.#parts.engine.runtime.now();
    if (this.#receive === null) return;
    this.#target?.settle();
    this.#parts.receiving.note(this.#receive);
  }

  #finish(): void {
    const { receiving, flush } = this.#parts;
    const [begin, receive] = [this.#begin!, this.#receive!];
    this.#note();
    this.#closeTree();
    flush();
    receiving.finish(receive, this.#name, begin);
    this.#mark(receive, receive.position);
  }

  #closeTree(): void {
    this.#target?.settle();
    if (this.#volume !== null) this.#parts.receiving.close(this.#volume);
    this.#volume = null;
    this.#target = null;
  }

  /** Keeps what has arrived, where the vault still takes changes. */
  async #leave(): Promise<void> {
    if (this.#volume === null) return;
    try {
      // Whatever comes: nothing may be sealed out of memory that is somebody else's by then.
      this.#target?.settle();
      await whenFree(this.#parts.enter, () => {
        this.#note();
        this.#closeTree();
      });
    } catch (error) {
      if (!(error instanceof VaultError)) throw error; // why it was left says more
    }
  }

  #report(): ReceiveReport {
    return {
      volume: this.#name,
      snapshot: this.#begin!.name,
      whole: this.#isWhole,
      contentBytes: this.#receive!.contentBytes,
      streamBytes: this.#input.bytes,
    };
  }
}

function isSamePoint(one: ResumePoint, other: ResumePoint): boolean {
  return compare(one.guid, other.guid) === 0 && compare(one.base, other.base) === 0 &&
    compare(one.position, other.position) === 0;
}

function unlikeAsked({ raw }: StreamBegin): VaultError {
  return new VaultError(
    "invalid",
    raw
      ? "Cannot receive the stream: it was sent raw; receive it with --raw"
      : "Cannot receive the stream: it is not raw; receive it without --raw",
  );
}

function cannotGoOn(name: string, begun: ResumePoint | null): VaultError {
  if (begun === null) {
    return new VaultError(
      "missing",
      `Cannot resume into volume "${name}": nothing was interrupted; send from the start`,
    );
  }
  return new VaultError(
    "conflict",
    `Cannot resume into volume "${name}": the stream goes on elsewhere; send with --resume ${
      printToken(begun)
    }`,
  );
}
