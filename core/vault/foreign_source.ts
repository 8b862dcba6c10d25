import { Tree } from "../btree/tree.ts";
import type { KernelMemory } from "../crypto/kernel.ts";
import type { ForeignForm, ForeignSeal } from "../crypto/foreign_seal.ts";
import { viewOf } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import {
  ABOUT_INO,
  BLOCKS_INO,
  BLOCKS_PER_FILE,
  encodeAbout,
  encodeForeign,
  FOREIGN_ID_MAX,
  foreignKey,
  foreignPlace,
} from "../format/foreign_block.ts";
import { emptyInode, encodeInode, INODE_BYTES, INODE_FLAG } from "../format/inode.ts";
import { CODEC } from "../format/map_entry.ts";
import { KIND } from "../format/seal_aad.ts";
import type { StreamBegin } from "../format/stream_head.ts";
import type { StreamPosition } from "../format/stream_position.ts";
import { CONTENT_BYTES_MAX } from "../format/stream_record.ts";
import { KEY_TYPE, keyIno, NODE_KEY_BYTES, nodeKey, ROOT_INO } from "../format/volume_key.ts";
import { directoryType, S_IFDIR, S_IFREG } from "../fs/mode.ts";
import type { PlacedSnapshot } from "../tree/catalog.ts";
import type { Engine } from "../volume/engine.ts";
import { PAUSE } from "./stream_frames.ts";
import { type BlockDifference, blockDifference, type IdSpan } from "./foreign_ids.ts";
import { FREED_BLOCKS_MAX, SentRecords } from "./stream_sent.ts";

/** Bytes of a full block, of content and of a file's block. */
type Sizes = Pick<StreamBegin, "blockBytes">;

/** What is sent as foreign blocks. */
export interface ForeignSourceParts {
  readonly engine: Engine;
  readonly snapshot: PlacedSnapshot;
  readonly base: PlacedSnapshot | null;
  readonly begin: StreamBegin;
  /** Of the volume that is sent. */
  readonly volume: Sizes & Pick<StreamBegin, "compression">;
  readonly seal: ForeignSeal;
  readonly memory: KernelMemory;
}

/**
 * A snapshot as a volume of another kind: its blocks and nodes, each sealed anew and under its id, in the words of any
 * stream. Whoever receives it needs no key, shares what snapshots have in common, and frees what one had alone.
 */
export class ForeignSource {
  readonly #parts: ForeignSourceParts;
  readonly #address: number;
  readonly #sent = new SentRecords();
  /** What was done to locks when the snapshot was found to have none. */
  #lockChanges = -1;

  constructor(parts: ForeignSourceParts) {
    this.#parts = parts;
    this.#address = parts.memory.reserve(CONTENT_BYTES_MAX);
    this.#refuseLocked();
  }

  /**
   * What trees have of a locked file changes under its id; and its content could not be told from what was there before. Files may
   * be locked at any time between two blocks.
   */
  #refuseLocked(): void {
    const { engine: { store, locks }, snapshot } = this.#parts;
    const { changes, records } = locks.lineOfBranch(snapshot.branch);
    if (changes === this.#lockChanges) return;
    const pages = store.readPages();
    const tree = new Tree(pages, pages.page(snapshot.root));
    for (const ino of records.keys()) {
      const key = nodeKey(KEY_TYPE.inode, ino);
      if (tree.get(key) === null) continue;
      throw new VaultError(
        "denied",
        `Cannot send the snapshot raw: it has the file with inode number ${ino}, which is locked or shredded; send it without --raw`,
        { operation: "send" },
      );
    }
    this.#lockChanges = changes;
  }

  /** Content sent. */
  get contentBytes(): number {
    return this.#sent.contentBytes;
  }

  /** All of it from a position on, in pieces that are valid until the next is asked for. */
  *pieces(from: StreamPosition): Generator<Uint8Array> {
    const { begin, engine: { store }, snapshot, base } = this.#parts;
    yield this.#sent.begin(begin);
    const walk = blockDifference(store, snapshot, base);
    let step = walk.next();
    for (; !step.done; step = walk.next()) yield PAUSE;
    const difference = step.value;
    yield* this.#shape();
    yield* this.#gone(difference.gone);
    const start = from.key.length === NODE_KEY_BYTES ? keyIno(from.key) : 0;
    for (const id of idsOf(difference, start)) {
      yield* this.#sent.mark({ key: foreignKey(id), block: 0 });
      this.#refuseLocked();
      yield* this.#block(id);
    }
    yield this.#sent.end();
  }

  /** The files that the blocks lie in, and what says what they are. */
  *#shape(): Generator<Uint8Array> {
    const { snapshot, begin, seal, engine: { runtime }, volume } = this.#parts;
    if (snapshot.nextBlockId > FOREIGN_ID_MAX) throw tooMany();
    const files = Math.ceil(snapshot.nextBlockId / BLOCKS_PER_FILE);
    const { guid, root, time, name } = snapshot;
    const { referencedBytes } = begin;
    const about = seal.sealAbout(
      encodeAbout({ guid, root, time, name, referencedBytes, ...volume }),
      runtime,
    );
    yield this.#inode(ROOT_INO, { mode: S_IFDIR | 0o700, nlink: 2, size: files + 1, flags: 0 });
    const file = { mode: S_IFREG | 0o400, nlink: 1 };
    yield this.#inode(ABOUT_INO, { ...file, size: about.length, flags: INODE_FLAG.inline });
    yield this.#named("about", ABOUT_INO);
    const key = nodeKey(KEY_TYPE.inline, ABOUT_INO);
    yield this.#sent.record({ kind: "put", key, value: about });
    const size = BLOCKS_PER_FILE * begin.blockBytes;
    for (let i = 0; i < files; i++) {
      yield this.#inode(BLOCKS_INO + i, { ...file, size, flags: 0 });
      yield this.#named(`blocks ${i}`, BLOCKS_INO + i);
    }
  }

  #inode(
    ino: number,
    of: { readonly mode: number; readonly nlink: number; size: number; readonly flags: number },
  ): Uint8Array {
    const seconds = Math.floor(this.#parts.snapshot.time / 1000);
    const times = { atime: seconds, mtime: seconds, ctime: seconds, crtime: seconds };
    const value = new Uint8Array(INODE_BYTES);
    encodeInode({ ...emptyInode(), ...of, ...times, parent: ROOT_INO }, viewOf(value));
    const key = nodeKey(KEY_TYPE.inode, ino);
    return this.#sent.record({ kind: "put", key, value });
  }

  #named(name: string, ino: number): Uint8Array {
    const type = directoryType(S_IFREG);
    const bytes = new TextEncoder().encode(name);
    return this.#sent.record({ kind: "name", directory: ROOT_INO, ino, type, name: bytes });
  }

  *#gone(spans: readonly IdSpan[]): Generator<Uint8Array> {
    for (const { first, end } of spans) {
      for (let id = first; id < end; id++) {
        yield this.#sent.record({ kind: "delete", key: foreignKey(id) });
      }
      for (let id = first; id < end;) {
        const { ino, block } = foreignPlace(id);
        const count = Math.min(end - id, BLOCKS_PER_FILE - block, FREED_BLOCKS_MAX);
        yield this.#sent.record({ kind: "free", ino, first: block, count });
        id += count;
      }
    }
  }

  *#block(id: number): Generator<Uint8Array> {
    const { begin: { blockBytes }, seal, engine: { kernel, runtime } } = this.#parts;
    const form = this.#read(id);
    const block = seal.seal(id, form, this.#address, runtime);
    const { ino, block: first } = foreignPlace(id);
    const lastLength = form.stored;
    yield this.#sent.dataHead({ ino, first, count: 1 }, { blockBytes, lastLength });
    yield this.#sent.content(kernel.bytes.subarray(this.#address, this.#address + lastLength));
    yield this.#sent.record({ kind: "put", key: foreignKey(id), value: encodeForeign(block) });
  }

  /** Reads a block or node to the address, as it is stored. */
  #read(id: number): ForeignForm {
    const { engine: { kernel, store }, volume: { blockBytes } } = this.#parts;
    const { blocks } = store;
    const entry = blocks.entry(id);
    if (entry === null) throw missing(id);
    const { level, length } = entry;
    if (entry.kind === KIND.volumeNode) {
      kernel.bytes.set(blocks.readNode(id), this.#address);
      return { kind: KIND.volumeNode, level, codec: CODEC.raw, length, stored: length };
    }
    const area = { address: this.#address, bytes: CONTENT_BYTES_MAX };
    if (entry.inner === null) {
      const { codec, stored } = blocks.getStored(id, area);
      return { kind: KIND.data, level: 0, codec, length, stored };
    }
    // The secret of the file stays here.
    blocks.get(id, 1, { ...area, bytes: blockBytes });
    return { kind: KIND.data, level: 0, codec: CODEC.raw, length, stored: length };
  }
}

function* idsOf({ added }: BlockDifference, start: number): Generator<number> {
  for (const { first, end } of added) {
    for (let id = Math.max(first, start); id < end; id++) yield id;
  }
}

function missing(id: number): VaultError {
  return new VaultError("corrupt", `Cannot find block ${id} in the block map; run "check"`);
}

function tooMany(): VaultError {
  return new VaultError(
    "unavailable",
    "Cannot send the snapshot raw: its vault has had too many blocks",
  );
}
