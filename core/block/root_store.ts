import { assert } from "../assert.ts";
import { subkey } from "../crypto/hkdf.ts";
import { superblockOffsets } from "../crypto/ring_cells.ts";
import { wipe } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { HEADER_COPIES } from "../format/header.ts";
import { cellsFor } from "../format/map_entry.ts";
import { NODE_SEAL_BYTES } from "../format/node.ts";
import {
  type PhysicalPointer,
  pointerBytes,
  readPointer,
  writePointer,
} from "../format/pointer.ts";
import {
  decodeRootRecord,
  encodeRootRecord,
  ROOT_BYTES_MAX,
  type RootRecord,
  rootRecordBytes,
} from "../format/root_record.ts";
import { memberOf, type SealedPlace } from "../format/place.ts";
import { KIND } from "../format/seal_aad.ts";
import { packRun } from "../format/space_record.ts";
import {
  decodeSuperblock,
  encodeSuperblock,
  type Superblock,
  SUPERBLOCK_BYTES,
} from "../format/superblock.ts";
import { CELL_BYTES, MEMBER_BYTES, NONCE_BYTES, RING_CELLS, TAG_BYTES } from "../limits.ts";
import type { JoinedMedia } from "../storage/joined_media.ts";
import type { DirectAccess } from "../storage/storage_backend.ts";
import { storedSeal } from "./node_io.ts";
import { isContradicted, rankRoots, type Ring, ringOf, standing } from "./root_choice.ts";
import { reserveDescriptors, type SealContext } from "./seal_context.ts";

/** The newest root that opens, and what was seen on the way to it. */
export interface OpenedRoot {
  readonly superblock: NamedRoot;
  readonly record: RootRecord;
  readonly hash: Uint8Array;
  /** The next root's sequence: above everything seen. */
  readonly nextSequence: number;
  /** Packed runs of the copies of the root record. */
  readonly runs: readonly number[];
  /** Copies that do not open. */
  readonly badCopies: number;
  /** Sequences of newer superblocks whose root does not open. Opening below the newest is never silent. */
  readonly skipped: readonly number[];
  /** Members whose rings name this root. */
  readonly holders: readonly number[];
  /** Members that are there and have missed more than this root. */
  readonly behind: readonly number[];
}

/** A root record that was read, and on which members something else lies in place of a copy of it. */
interface ReadRoot extends Pick<OpenedRoot, "record" | "hash" | "runs" | "badCopies"> {
  readonly lackedBy: readonly number[];
}

/** Superblocks and root records (FORMAT.md §9, §10). */
export class RootStore {
  private readonly context: SealContext;
  private readonly media: JoinedMedia;
  private readonly buffer: number;
  private readonly descriptor: number;
  private readonly hashAt: number;
  private readonly ringOffsets: readonly (readonly number[])[];

  constructor(context: SealContext, media: JoinedMedia, layoutKey: Uint8Array) {
    this.context = context;
    this.media = media;
    this.buffer = context.kernel.reserve(ROOT_BYTES_MAX + CELL_BYTES);
    this.descriptor = reserveDescriptors(context.kernel, 1);
    this.hashAt = context.kernel.reserve(64);
    const ringKey = subkey(layoutKey, "ring");
    this.ringOffsets = HEADER_COPIES.map((copy) => superblockOffsets(ringKey, copy));
    wipe(ringKey);
  }

  /** Finds the newest root; null where no superblock opens at all (a vault that is not finished). */
  newest(epochs: readonly number[]): OpenedRoot | null {
    const rings = this.media.numbers.map((member) => this.ring(member, epochs));
    const ranks = rankRoots(rings);
    if (ranks.length === 0) return null;
    const nextSequence = Math.max(...ranks.flat().map(({ sequence }) => sequence)) + 1;
    const skipped: number[] = [];
    let failure: unknown;
    for (const [i, rank] of ranks.entries()) {
      try {
        const { root, read } = this.choose(rank, rings);
        const before = ranks.at(i + 1)?.[0];
        for (const each of rings.flatMap(({ superblocks }) => superblocks)) {
          if (each !== root) wipe(each.secretsKey);
        }
        const { lackedBy, ...known } = read;
        const { holders, behind } = standing(rings, root, before);
        // A crash may keep a member from knowing a root, not from having it: that is written, and synced, first.
        const without = lackedBy.filter((each) => ![...holders, ...behind].includes(each));
        return {
          superblock: root,
          ...known,
          holders,
          behind: [...behind, ...without],
          nextSequence,
          skipped,
        };
      } catch (error) {
        if (!(error instanceof VaultError) || error.kind !== "corrupt") throw error;
        failure = error;
        skipped.push(rank[0].sequence);
      }
    }
    throw new VaultError(
      "corrupt",
      'Cannot open vault: no root can be read; its medium may be cut off or damaged; try "recover"',
      { cause: failure },
    );
  }

  /** True where an older root can still be found by whoever has the keys of one of these epochs. */
  isNamedUnder(epochs: readonly number[]): boolean {
    return this.media.all.some(({ direct }) => this.readRing(direct, epochs) !== null);
  }

  private ring(member: number, epochs: readonly number[]): Ring {
    const ring = this.readRing(this.media.medium(member)!.direct, epochs);
    return ring?.member === member ? ring : { member, superblocks: [] };
  }

  /** Of roots that share a rank the one that was acknowledged. */
  private choose(
    rank: readonly Superblock[],
    rings: readonly Ring[],
  ): { root: Superblock; read: ReadRoot } {
    if (rank.length === 1) return { root: rank[0], read: this.readRoot(rank[0]) };
    const standing = rank.map((root) => ({ root, read: this.readRoot(root) }))
      .filter(({ root, read }) => !isContradicted(root, read.record, rings));
    if (standing.length === 1) return standing[0];
    throw new VaultError(
      "conflict",
      "Cannot open vault: its members were changed apart from each other; open with those of one side only",
      { operation: "open vault" },
    );
  }

  /** What a medium says about itself in its rings; null where it is no member of this vault. */
  readRing(medium: DirectAccess, epochs: readonly number[]): Ring | null {
    const found: Superblock[] = [];
    for (let slot = 0; slot < RING_CELLS; slot++) {
      for (const cell of this.readSlot(medium, slot)) {
        const superblock = this.superblockIn(cell, epochs);
        if (superblock !== null) found.push(superblock);
      }
    }
    return ringOf(found);
  }

  /** The cells of a slot that can be read. Where none can, the newest root may be named there: no older one wins in silence. */
  private readSlot(medium: DirectAccess, slot: number): Uint8Array[] {
    const there = this.ringOffsets.map((offsets) => offsets[slot])
      .filter((offset) => offset + CELL_BYTES <= medium.size());
    const cells: Uint8Array[] = [];
    let failure: unknown;
    for (const offset of there) {
      const cell = new Uint8Array(CELL_BYTES);
      try {
        medium.read(offset, cell);
        cells.push(cell);
      } catch (error) {
        if (!(error instanceof VaultError)) throw error;
        failure = error;
      }
    }
    if (cells.length === 0 && failure !== undefined) throw failure;
    return cells;
  }

  private superblockIn(cell: Uint8Array, epochs: readonly number[]): Superblock | null {
    for (const epoch of epochs) {
      const plaintext = this.openSuperblock(cell, epoch);
      if (plaintext !== null) return decodeSuperblock(plaintext);
    }
    return null;
  }

  private openSuperblock(cell: Uint8Array, epoch: number): Uint8Array | null {
    const { nonce, tag } = storedSeal(cell);
    const sealed = cell.subarray(NONCE_BYTES, NONCE_BYTES + SUPERBLOCK_BYTES);
    return this.open({ kind: KIND.superblock, epoch, sealed, nonce, tag });
  }

  private open(seal: SealedRecord): Uint8Array<ArrayBuffer> | null {
    const { kernel } = this.context;
    const length = seal.sealed.length;
    kernel.bytes.set(seal.sealed, this.buffer);
    this.context.describe(this.descriptor, {
      kind: seal.kind,
      id: 0,
      level: 0,
      epoch: seal.epoch,
      length,
      address: this.buffer,
      sealedBytes: length,
    });
    this.context.nonceOf(this.descriptor).set(seal.nonce);
    this.context.tagOf(this.descriptor).set(seal.tag);
    if (kernel.openMany(this.descriptor, 1) !== 0) return null;
    return kernel.bytes.slice(this.buffer, this.buffer + length);
  }

  private readRoot(superblock: Superblock): ReadRoot {
    const pointer = readPointer(superblock.root, 0);
    const { rootBytes } = superblock;
    if (rootBytes > ROOT_BYTES_MAX || !this.context.keys.has(pointer.epoch)) {
      throw new VaultError("corrupt", "Cannot read root record: bad superblock");
    }
    const stored = cellsFor(rootBytes + NODE_SEAL_BYTES) * CELL_BYTES;
    const there = pointer.copies.filter(({ cell }) => !this.context.isAway(cell));
    // A second time where one does not open: a bit may be wrong on the way.
    const opened = there.map((copy) =>
      this.readCopy(pointer, copy, stored) ?? this.readCopy(pointer, copy, stored)
    );
    const plaintext = opened.find((copy) => copy !== null) ?? null;
    if (plaintext === null) throw this.unreadableRoot(pointer, stored);
    const record = decodeRootRecord(plaintext);
    if (record.sequence !== superblock.sequence) {
      throw new VaultError("corrupt", "Cannot read root record: it is of another sequence");
    }
    const hash = this.hash(plaintext.subarray(0, rootBytes), pointer.epoch);
    const runs = pointer.copies.map(({ cell }) => packRun(cell, stored / CELL_BYTES));
    const bad = there.filter((_, i) => opened[i] === null);
    // What lies behind the end of its medium was cut off; what cannot be read may be there.
    const isLacking = ({ cell }: SealedPlace) =>
      !this.media.reaches(cell * CELL_BYTES, stored) ||
      this.media.canRead(cell * CELL_BYTES, stored);
    const lackedBy = bad.filter(isLacking).map(({ cell }) => memberOf(cell));
    return { record, hash, runs, badCopies: bad.length, lackedBy };
  }

  private readCopy(
    { epoch, copies }: PhysicalPointer,
    { cell, nonce, tag }: SealedPlace,
    stored: number,
  ): Uint8Array<ArrayBuffer> | null {
    const bytes = new Uint8Array(stored);
    if (!this.media.reaches(cell * CELL_BYTES, stored)) return null;
    try {
      this.media.read(cell * CELL_BYTES, bytes);
    } catch (error) {
      // What cannot be read is like what does not open, as long as there is another copy.
      if (!(error instanceof VaultError) || copies.length === 1) throw error;
      return null;
    }
    const sealed = bytes.subarray(NONCE_BYTES, stored - TAG_BYTES);
    return this.open({ kind: KIND.root, epoch, sealed, nonce, tag });
  }

  private unreadableRoot({ copies }: PhysicalPointer, stored: number): VaultError {
    if (copies.some(({ cell }) => this.context.isAway(cell))) {
      throw new VaultError(
        "unavailable",
        "Cannot open vault: the newest root lies on members that are missing",
        { operation: "open vault" },
      );
    }
    const isCut = copies.every(({ cell }) => !this.media.reaches(cell * CELL_BYTES, stored));
    const why = isCut
      ? "it lies beyond the end of the medium; it was truncated"
      : "authentication failed";
    return new VaultError("corrupt", `Cannot read root record: ${why}`);
  }

  private hash(plaintext: Uint8Array, epoch: number): Uint8Array<ArrayBuffer> {
    const { kernel, keys } = this.context;
    kernel.bytes.set(plaintext, this.buffer);
    kernel.blake3(this.hashAt, this.buffer, plaintext.length, keys.rootKey(epoch));
    return kernel.bytes.slice(this.hashAt, this.hashAt + 32);
  }

  /** Seals and writes a root record, once at each cell; the superblock that names it is written when this is durable. */
  writeRoot(
    record: RootRecord,
    cells: readonly number[],
    secretsKey: Uint8Array,
  ): { superblock: NamedRoot; hash: Uint8Array } {
    const plaintext = encodeRootRecord(record);
    const { epoch } = this.context;
    const hash = this.hash(plaintext, epoch);
    const stored = cellsFor(plaintext.length + NODE_SEAL_BYTES) * CELL_BYTES;
    const copies = cells.map((cell) => {
      const seal = this.seal(KIND.root, plaintext, stored - NODE_SEAL_BYTES);
      this.media.write(cell * CELL_BYTES, seal.stored);
      return { cell, nonce: seal.nonce, tag: seal.tag };
    });
    const root = new Uint8Array(pointerBytes(cells.length));
    writePointer(root, 0, { cells: 0, epoch, copies });
    const { sequence, memberEpoch } = record;
    const rootBytes = plaintext.length;
    return { superblock: { sequence, root, rootBytes, memberEpoch, secretsKey }, hash };
  }

  private seal(kind: 5 | 6, plaintext: Uint8Array, sealedBytes: number): StoredRecord {
    const { kernel, epoch, nonces } = this.context;
    assert(sealedBytes <= ROOT_BYTES_MAX, "a root record has its limit");
    kernel.bytes.fill(0, this.buffer, this.buffer + sealedBytes);
    kernel.bytes.set(plaintext, this.buffer);
    const address = this.buffer;
    const subject = { kind, id: 0, level: 0, epoch, length: sealedBytes, address, sealedBytes };
    this.context.describe(this.descriptor, subject);
    nonces.take(this.context.nonceOf(this.descriptor), 0);
    kernel.sealMany(this.descriptor, 1);
    const stored = new Uint8Array(sealedBytes + NODE_SEAL_BYTES);
    const nonce = this.context.nonceOf(this.descriptor).slice();
    const tag = this.context.tagOf(this.descriptor).slice();
    stored.set(nonce);
    stored.set(kernel.bytes.subarray(address, address + sealedBytes), NONCE_BYTES);
    stored.set(tag, NONCE_BYTES + sealedBytes);
    return { stored, nonce, tag };
  }

  /** Writes a superblock into both rings of these members. The root becomes the newest when this is durable. */
  writeSuperblock(named: NamedRoot, members: readonly number[]): void {
    for (const member of members) {
      const plaintext = encodeSuperblock({ ...named, member });
      for (const offsets of this.ringOffsets) {
        const { stored } = this.seal(KIND.superblock, plaintext, SUPERBLOCK_BYTES);
        this.media.write(member * MEMBER_BYTES + offsets[named.sequence % RING_CELLS], stored);
      }
    }
  }
}

/** A superblock, on whatever member. */
export type NamedRoot = Omit<Superblock, "member">;

/** Cells that each copy of a root record with so many members, copies and runs takes. */
export function rootCells(shape: Parameters<typeof rootRecordBytes>[0]): number {
  return cellsFor(rootRecordBytes(shape) + NODE_SEAL_BYTES);
}

interface SealedRecord {
  readonly kind: 5 | 6;
  readonly epoch: number;
  readonly sealed: Uint8Array;
  readonly nonce: Uint8Array;
  readonly tag: Uint8Array;
}

interface StoredRecord {
  readonly stored: Uint8Array;
  readonly nonce: Uint8Array;
  readonly tag: Uint8Array;
}
