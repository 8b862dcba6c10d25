import { encodeBegin, encodeEnd, type StreamBegin } from "../format/stream_head.ts";
import { encodePosition, type StreamPosition } from "../format/stream_position.ts";
import {
  encodeDataHead,
  encodeStreamRecord,
  type FileBlocks,
  type StreamRecord,
} from "../format/stream_record.ts";
import { MIB } from "../limits.ts";

/** An interrupted stream loses so much at most. */
const MARK_BYTES = MIB;

/** Blocks that one record frees: whoever receives does that at once, and others wait for it. */
export const FREED_BLOCKS_MAX = 16_384;

/** Records of a stream that is sent: encoded, and counted for its marks and its end. */
export class SentRecords {
  #contentBytes = 0;
  #records = 0;
  #unmarked = 0;

  /** Content sent. */
  get contentBytes(): number {
    return this.#contentBytes;
  }

  /** The first record. */
  begin(begin: StreamBegin): Uint8Array {
    return this.#counted(encodeBegin(begin));
  }

  /** Any record but those of data. */
  record(record: Exclude<StreamRecord, { kind: "data" }>): Uint8Array {
    if (record.kind === "lockedBlock") this.#contentBytes += record.content.length;
    return this.#counted(encodeStreamRecord(record));
  }

  /** A record of data without its content, which is what comes next. */
  dataHead(blocks: FileBlocks, sizes: Parameters<typeof encodeDataHead>[1]): Uint8Array {
    return this.#counted(encodeDataHead(blocks, sizes));
  }

  /** The content of a record of data. */
  content(bytes: Uint8Array): Uint8Array {
    this.#contentBytes += bytes.length;
    this.#unmarked += bytes.length;
    return bytes;
  }

  /** Where an interrupted stream goes on, if enough was sent since that was said last. */
  *mark(position: StreamPosition): Generator<Uint8Array> {
    if (this.#unmarked < MARK_BYTES) return;
    this.#unmarked = 0;
    yield this.record({ kind: "mark", position: encodePosition(position) });
  }

  /** The last record: what has to have arrived before it. */
  end(): Uint8Array {
    return encodeEnd({ records: this.#records, contentBytes: this.#contentBytes });
  }

  #counted(bytes: Uint8Array): Uint8Array {
    this.#records++;
    this.#unmarked += bytes.length;
    return bytes;
  }
}
