import type { BlockAreas } from "../block/block_reader.ts";
import type { PageSource } from "../btree/page_source.ts";
import { Tree } from "../btree/tree.ts";
import type { KernelMemory } from "../crypto/kernel.ts";
import { Page } from "../btree/page.ts";
import { compare, viewOf } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { decodeInode, emptyInode, encodeInode, INODE_BYTES } from "../format/inode.ts";
import type { LockRecord } from "../format/lock_record.ts";
import type { StreamBegin } from "../format/stream_head.ts";
import type { StreamPosition } from "../format/stream_position.ts";
import { CONTENT_BYTES_MAX, type StreamRecord } from "../format/stream_record.ts";
import { KEY_TYPE, keyIno } from "../format/volume_key.ts";
import type { PlacedSnapshot } from "../tree/catalog.ts";
import { type KeyDifference, type NodePages, treeDifferences } from "../tree/tree_difference.ts";
import type { Engine } from "../volume/engine.ts";
import {
  type BlockSpan,
  type PlacedExtent,
  placedExtent,
  StreamExtents,
} from "./stream_extents.ts";
import { LockedSource } from "./stream_locked_source.ts";
import { StreamNames } from "./stream_names.ts";
import { FREED_BLOCKS_MAX, SentRecords } from "./stream_sent.ts";

/** Root of a tree without records: what a snapshot is compared with that is sent whole. */
const NOTHING = -2;

/** An extent, and the lock of its file. */
interface LockableExtent extends PlacedExtent {
  readonly key: Uint8Array;
  readonly lock: LockRecord | null;
}

/** Trees and blocks by id: of the vault, or such that it keeps for their owner. */
export interface StreamOrigin {
  readonly pages: NodePages & PageSource;
  /** Files that are locked; null where none can be. */
  readonly locked: LockedSource | null;
  /** Bytes of a block; undefined where there is none. */
  lengthOf(id: number): number | undefined;
  get(firstId: number, count: number, areas: BlockAreas): void;
  /** Lets nodes go that are not needed. */
  trim(): void;
}

/** The blocks of a vault. */
export function ownOrigin({ engine, snapshot, address }: OwnOriginParts): StreamOrigin {
  const { store, store: { blocks } } = engine;
  const locks = engine.locks.lineOfBranch(snapshot.branch);
  return {
    pages: store.readPages(),
    locked: new LockedSource(engine, locks, { address, bytes: CONTENT_BYTES_MAX }),
    lengthOf: (id) => blocks.entry(id)?.length,
    get: (firstId, count, areas) => blocks.get(firstId, count, areas),
    trim: () => store.trim(),
  };
}

/** A snapshot of a volume, and kernel memory for blocks. */
export interface OwnOriginParts {
  readonly engine: Engine;
  readonly snapshot: PlacedSnapshot;
  readonly address: number;
}

/** What is sent. */
export interface StreamSourceParts {
  readonly kernel: KernelMemory;
  readonly origin: StreamOrigin;
  /** Block id of the root node. */
  readonly root: number;
  /** Of what the receiver has; null: nothing. */
  readonly baseRoot: number | null;
  readonly begin: StreamBegin;
  /** Kernel memory of {@linkcode CONTENT_BYTES_MAX} bytes. */
  readonly address: number;
}

/** The plaintext of a stream: the records that differ between two snapshots, and the blocks. */
export class StreamSource {
  readonly #parts: StreamSourceParts;
  readonly #before: Tree;
  readonly #after: Tree;
  readonly #names: StreamNames;
  readonly #old: StreamExtents;
  readonly #now: StreamExtents;
  readonly #sent = new SentRecords();
  readonly #inode = emptyInode();

  constructor(parts: StreamSourceParts) {
    this.#parts = parts;
    const { origin: { pages }, root, baseRoot } = parts;
    this.#after = new Tree(pages, pages.page(root));
    const before = baseRoot === null ? Page.empty(NOTHING, 0) : pages.page(baseRoot);
    this.#before = new Tree(pages, before);
    this.#names = new StreamNames(this.#after);
    this.#old = new StreamExtents(this.#before);
    this.#now = new StreamExtents(this.#after);
  }

  /** Content sent. */
  get contentBytes(): number {
    return this.#sent.contentBytes;
  }

  /** All of it from a position on, in pieces that are valid until the next is asked for. */
  *pieces(from: StreamPosition): Generator<Uint8Array> {
    const { begin, origin } = this.#parts;
    yield this.#sent.begin(begin);
    const roots = { before: this.#before.root, after: this.#after.root };
    for (const difference of treeDifferences(origin.pages, roots, from.key)) {
      const { key, after } = difference;
      const isBegun = compare(key, from.key) === 0;
      const lock = after === null ? null : this.#lockOf(key);
      yield* this.#sent.mark({ key, block: isBegun ? from.block : 0 });
      if (after !== null) this.#requireSame(key, lock);
      yield* this.#changes(difference, lock, isBegun ? from.block : 0);
      origin.trim();
    }
    yield this.#sent.end();
  }

  #lockOf(key: Uint8Array): LockRecord | null {
    return this.#parts.origin.locked?.of(key) ?? null;
  }

  /** What was read of a file is content, or stands for it, as its lock was: others may change that while a stream waits. */
  #requireSame(key: Uint8Array, lock: LockRecord | null): void {
    if (this.#lockOf(key)?.secretId === lock?.secretId) return;
    throw new VaultError(
      "conflict",
      `Cannot send the snapshot: the file with inode number ${
        keyIno(key)
      } was locked, unlocked or shredded meanwhile; send it again`,
      { operation: "send" },
    );
  }

  *#changes(
    { key, before, after }: KeyDifference,
    lock: LockRecord | null,
    fromBlock: number,
  ): Generator<Uint8Array> {
    const { locked } = this.#parts.origin;
    if (locked !== null && lock !== null) yield* this.#all(locked.lock(key, lock));
    switch (key[0]) {
      case KEY_TYPE.entry:
        return yield* this.#all(this.#names.entry(key, before, after));
      case KEY_TYPE.attribute:
        return yield* this.#all(this.#names.attribute(key, this.#before));
      case KEY_TYPE.extent:
        if (after !== null) {
          yield* this.#blocks(key, { ...placedExtent(key, after), key, lock }, fromBlock);
        }
        if (before !== null) yield* this.#freed(key, placedExtent(key, before));
        return;
      case KEY_TYPE.inode:
        if (after === null) return yield this.#sent.record({ kind: "delete", key });
        return yield this.#sent.record({ kind: "put", key, value: this.#inodeOf(after) });
      case KEY_TYPE.inline:
        if (after !== null && locked !== null && lock !== null) {
          yield* this.#all(locked.inline(key, lock, after));
        }
        return yield this.#plain(key, after);
      case KEY_TYPE.target:
      case KEY_TYPE.orphan:
      case KEY_TYPE.pending:
      case KEY_TYPE.foreign:
        return yield this.#plain(key, after);
      default:
        throw new VaultError("invalid", `Cannot send a record of type ${key[0]}: not known here`);
    }
  }

  #plain(key: Uint8Array, after: Uint8Array | null): Uint8Array {
    return this.#sent.record(
      after === null ? { kind: "delete", key } : { kind: "put", key, value: after },
    );
  }

  *#all(records: Iterable<Exclude<StreamRecord, { kind: "data" }>>): Generator<Uint8Array> {
    for (const record of records) yield this.#sent.record(record);
  }

  /** What its blocks take is the receiver's affair, and what secret it has, if it has one. */
  #inodeOf(value: Uint8Array): Uint8Array {
    decodeInode(value, this.#inode);
    const bytes = new Uint8Array(INODE_BYTES);
    encodeInode(
      { ...this.#inode, cells: 0, secret: Math.min(1, this.#inode.secret) },
      viewOf(bytes),
    );
    return bytes;
  }

  *#freed(key: Uint8Array, extent: PlacedExtent): Generator<Uint8Array> {
    const ino = keyIno(key);
    const span = { first: extent.first, end: extent.first + extent.count };
    for (const hole of this.#now.holes(ino, span)) {
      for (let { first } = hole; first < hole.end; first += FREED_BLOCKS_MAX) {
        const count = Math.min(FREED_BLOCKS_MAX, hole.end - first);
        yield this.#sent.record({ kind: "free", ino, first, count });
      }
    }
  }

  *#blocks(key: Uint8Array, extent: LockableExtent, fromBlock: number): Generator<Uint8Array> {
    const ino = keyIno(key);
    for (const { first, end } of this.#old.unlike(ino, extent)) {
      if (end <= fromBlock) continue;
      const span = { first: Math.max(first, fromBlock), end };
      if (extent.unwritten || extent.lock?.state === "shredded") {
        const count = span.end - span.first;
        yield this.#sent.record({ kind: "reserve", ino, first: span.first, count });
      } else if (extent.lock !== null) {
        yield* this.#sealed(this.#parts.origin.locked!, extent, span);
      } else yield* this.#content(key, extent, span);
    }
  }

  /** As they are sealed under the file's secret, one by one. */
  *#sealed(locked: LockedSource, extent: LockableExtent, span: BlockSpan): Generator<Uint8Array> {
    const { key } = extent;
    for (let block = span.first; block < span.end; block++) {
      yield* this.#sent.mark({ key, block });
      this.#requireSame(key, extent.lock);
      yield this.#sent.record(locked.block(key, block, extent.firstId + block - extent.first));
    }
  }

  *#content(key: Uint8Array, extent: PlacedExtent, span: BlockSpan): Generator<Uint8Array> {
    const { begin: { blockBytes }, origin, address, kernel: { bytes } } = this.#parts;
    const most = CONTENT_BYTES_MAX / blockBytes;
    for (let first = span.first; first < span.end;) {
      yield* this.#sent.mark({ key, block: first });
      this.#requireSame(key, null);
      const count = Math.min(most, span.end - first);
      const firstId = extent.firstId + first - extent.first;
      const lastLength = origin.lengthOf(firstId + count - 1) ?? blockBytes;
      origin.get(firstId, count, { address, bytes: blockBytes });
      const length = (count - 1) * blockBytes + lastLength;
      const blocks = { ino: keyIno(key), first, count };
      yield this.#sent.dataHead(blocks, { blockBytes, lastLength });
      yield this.#sent.content(bytes.subarray(address, address + length));
      first += count;
    }
  }
}
