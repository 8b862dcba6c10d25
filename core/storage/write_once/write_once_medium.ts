import { assert } from "../../assert.ts";
import { HEADER_AREA_BYTES } from "../../format/header.ts";
import { CELL_BYTES, KIB, MIB } from "../../limits.ts";
import { VaultError } from "../../errors.ts";
import { checkInteger } from "../../runtime.ts";
import { beyondEnd, checkRange, closed, full, readOnly } from "../medium_errors.ts";
import type { MediumSeal } from "../medium_seal.ts";
import type { ObjectAccess } from "../object_access.ts";
import type {
  DirectAccess,
  MediumRoom,
  ObjectUse,
  StorageBackend,
  StorageCapabilities,
} from "../storage_backend.ts";
import { Compaction } from "./compaction.ts";
import { HeaderObjects } from "./header_objects.ts";
import { ObjectCache } from "./object_cache.ts";
import { ObjectLog } from "./object_log.ts";
import { ObjectSlab } from "./object_slab.ts";

/** What can be chosen about a write-once medium. */
export interface WriteOnceOptions {
  /** The name in messages; that of the objects' storage unless given. */
  readonly name?: string;
  /** Bytes of one read, a power of two: 256 KiB unless given. */
  readonly readBytes?: number;
  /** Bytes of read ranges kept in memory: 32 MiB unless given. */
  readonly cacheBytes?: number;
  /** Syncs that dead objects stay for readers who opened before: 32 unless given, 0 where locks keep readers out. */
  readonly graceSyncs?: number;
  /** The length in bytes that it cannot grow beyond: `ENOSPC`. */
  readonly sizeMax?: number;
  /** Bytes of the largest object, a power of two, 64 KiB to 4 MiB, which it is unless given: so much waits in memory. */
  readonly objectBytesMax?: number;
}

function objectBytesMaxOf({ objectBytesMax = 4 * MIB }: WriteOnceOptions): number {
  checkInteger("objectBytesMax", objectBytesMax, [64 * KIB, 4 * MIB]);
  if ((objectBytesMax & (objectBytesMax - 1)) === 0) return objectBytesMax;
  throw new VaultError(
    "invalid",
    `Cannot use objects of ${objectBytesMax} bytes: want a power of two`,
  );
}

/** Room that a commit may need beside its own cells: padding, a checkpoint, a claim. */
const SLACK_BYTES = 16 * MIB;

/**
 * A medium over storage that can only create and delete whole objects: a log-structured disk (FORMAT.md §16).
 * What is written waits in memory, at most 4 MiB, and goes out as numbered objects; a crash leaves the state of a sync.
 * Before {@linkcode WriteOnceMedium.unlock} only the fixed cells of the header can be used.
 */
export class WriteOnceMedium implements StorageBackend {
  readonly name: string;
  readonly supportsSparse = true;
  readonly capabilities: StorageCapabilities;
  readonly direct: DirectAccess;
  readonly #access: ObjectAccess;
  readonly #options: WriteOnceOptions;
  readonly #header: HeaderObjects;
  readonly #cache: ObjectCache;
  readonly #slab: ObjectSlab;
  #seal: MediumSeal | null = null;
  #log: ObjectLog | null = null;
  #compaction: Compaction | null = null;
  /** Length while there is no log that knows it. */
  #lockedBytes = 0;
  /** The length was changed since the last object. */
  #isResized = false;
  /** It was made shorter: that must be noted before it grows again, or what was cut off would come back. */
  #isCut = false;
  /** Cells that were given a place since the last sync. */
  #placed = 0;
  #closed = false;

  /** Opens a medium; the medium closes `access`. */
  constructor(access: ObjectAccess, options: WriteOnceOptions = {}) {
    const { name = access.name, readBytes = 256 * KIB, cacheBytes = 32 * MIB } = options;
    this.name = name;
    this.#access = access;
    this.#options = options;
    this.#cache = new ObjectCache(access, { readBytes, cacheBytes });
    this.#slab = new ObjectSlab(objectBytesMaxOf(options));
    this.#header = new HeaderObjects(access);
    this.#header.load();
    if (this.#header.exists) this.#lockedBytes = HEADER_AREA_BYTES;
    const { writable } = access;
    this.capabilities = { overwrite: false, resize: writable, discard: writable, writable };
    this.direct = {
      read: (offset, into) => this.#read(offset, into),
      write: (offset, from) => this.#write(offset, from),
      size: () => this.#size(),
      sync: () => this.#sync(),
      truncate: (size) => this.#truncate(size),
      discard: (offset, size) => this.#discard(offset, size),
      room: access.room === undefined ? undefined : () => this.#room(access.room!()),
    };
  }

  /** See {@linkcode StorageBackend.unlock}. The seal is wiped when the medium is closed. */
  unlock(seal: MediumSeal, mode: "open" | "create"): string | null {
    this.#checkOpen("unlock");
    this.#seal?.wipe();
    this.#seal = seal;
    const log = new ObjectLog({ access: this.#access, seal }, this.#options.graceSyncs ?? 32);
    const damage = log.load(mode);
    if (mode === "create") log.state.resize(this.#lockedBytes);
    this.#log = log;
    const parts = { log, cache: this.#cache };
    this.#compaction = new Compaction(parts, (cell, bytes) => {
      if (this.#slab.find(cell) === null) this.#place(cell).set(bytes);
    });
    return damage;
  }

  /** See {@linkcode StorageBackend.objectUse}; null before `unlock`. */
  objectUse(): ObjectUse | null {
    if (this.#log === null) return null;
    const { objects, liveCells, objectCells } = this.#log.state;
    const [liveBytes, objectBytes] = [liveCells * CELL_BYTES, objectCells * CELL_BYTES];
    return { objects: objects.size, liveBytes, objectBytes };
  }

  // deno-lint-ignore require-await
  async read(offset: number, size: number): Promise<Uint8Array<ArrayBuffer>> {
    checkRange(this.name, offset, size);
    this.#checkReadable(offset, size);
    const bytes = new Uint8Array(size);
    this.#read(offset, bytes);
    return bytes;
  }

  // deno-lint-ignore require-await
  async write(offset: number, data: Uint8Array): Promise<void> {
    this.#write(offset, data);
  }

  // deno-lint-ignore require-await
  async size(): Promise<number> {
    return this.#size();
  }

  // deno-lint-ignore require-await
  async sync(): Promise<void> {
    this.#sync();
  }

  // deno-lint-ignore require-await
  async truncate(size: number): Promise<void> {
    this.#truncate(size);
  }

  // deno-lint-ignore require-await
  async discard(offset: number, size: number): Promise<void> {
    this.#discard(offset, size);
  }

  /** What still waits goes out first, as what was written to a file outlives its closing. */
  // deno-lint-ignore require-await
  async close(): Promise<void> {
    if (this.#closed) return;
    try {
      if (this.#isDirty) this.#sync();
      this.#log?.end();
    } finally {
      this.#closed = true;
      this.#seal?.wipe();
      this.#access.close();
    }
  }

  #size(): number {
    this.#checkOpen("measure");
    return this.#log?.state.sizeBytes ?? this.#lockedBytes;
  }

  #read(offset: number, into: Uint8Array): void {
    checkRange(this.name, offset, into.length);
    this.#checkReadable(offset, into.length);
    for (let done = 0; done < into.length;) {
      const cell = Math.floor((offset + done) / CELL_BYTES);
      const within = (offset + done) % CELL_BYTES;
      const waiting = this.#header.find(cell) ?? this.#slab.find(cell);
      const left = into.length - done;
      const count = waiting === null
        ? this.#readStored(cell, within, into.subarray(done))
        : Math.min(CELL_BYTES - within, left);
      if (waiting !== null) into.set(waiting.subarray(within, within + count), done);
      done += count;
    }
  }

  /** Reads from the object that holds a cell, as far as it and those behind it go on there; zeros where none does. */
  #readStored(cell: number, within: number, into: Uint8Array): number {
    const state = this.#log?.state;
    const run = state?.index.find(cell) ?? null;
    const cells = Math.ceil((within + into.length) / CELL_BYTES);
    const most = run === null ? 1 : Math.min(cells, run.cell + run.count - cell);
    let count = 1;
    while (count < most && this.#slab.find(cell + count) === null) count++;
    const part = into.subarray(0, count * CELL_BYTES - within);
    if (run === null) {
      part.fill(0);
      return part.length;
    }
    const object = state?.objects.get(run.object);
    assert(object !== undefined, "an indexed object is known");
    const at = (run.offset + cell - run.cell) * CELL_BYTES + within;
    this.#cache.read({ name: object.name, size: object.cells * CELL_BYTES }, at, part);
    return part.length;
  }

  #write(offset: number, from: Uint8Array): void {
    checkRange(this.name, offset, from.length);
    this.#checkWritable("write");
    const end = offset + from.length;
    this.#checkLength(end);
    if (end > this.#size()) this.#resize(end);
    for (let done = 0; done < from.length;) {
      const cell = Math.floor((offset + done) / CELL_BYTES);
      const within = (offset + done) % CELL_BYTES;
      const count = Math.min(CELL_BYTES - within, from.length - done);
      const isWhole = count === CELL_BYTES;
      const part = from.subarray(done, done + count);
      (this.#header.find(cell) ?? this.#cellToWrite(cell, isWhole)).set(part, within);
      if (this.#header.find(cell) !== null) this.#header.noteChange();
      done += count;
    }
  }

  /** The waiting bytes of a cell, with what it holds until now unless all of it is overwritten. */
  #cellToWrite(cell: number, isWhole: boolean): Uint8Array {
    const waiting = this.#slab.find(cell);
    if (waiting !== null) return waiting;
    if (isWhole) return this.#place(cell);
    const now = new Uint8Array(CELL_BYTES);
    this.#readStored(cell, 0, now);
    const place = this.#place(cell);
    place.set(now);
    return place;
  }

  /** A place in the slab; what is there goes out first where it is full. */
  #place(cell: number): Uint8Array {
    const log = this.#toChange();
    if (this.#slab.isFull) this.#emit(log, "part");
    this.#placed++;
    return this.#slab.add(cell);
  }

  #emit(log: ObjectLog, kind: "part" | "end"): void {
    log.emit(this.#slab, kind);
    this.#isResized = false;
    this.#isCut = false;
  }

  get #isDirty(): boolean {
    if (!this.capabilities.writable) return false;
    const waits = this.#log !== null &&
      (!this.#slab.isEmpty || this.#isResized || this.#log.groupIsOpen || this.#log.isUnsynced);
    return waits || this.#header.isChanged;
  }

  #sync(): void {
    this.#checkOpen("sync");
    // Whoever wrote what was found may have died before it was durable.
    if (!this.#isDirty) return this.#access.sync();
    if (this.#header.isChanged) this.#header.save();
    const log = this.#log;
    if (log === null) return;
    if (!this.#slab.isEmpty) this.#compact();
    this.#placed = 0;
    if (!this.#slab.isEmpty || this.#isResized || log.groupIsOpen) this.#emit(log, "end");
    log.sync(this.#freeBytes);
  }

  get #freeBytes(): number {
    return this.direct.room?.().freeBytes ?? Infinity;
  }

  #compact(): void {
    this.#compaction?.step({
      written: this.#placed,
      waiting: this.#slab.cells,
      most: Math.floor(this.#freeBytes / 2 / CELL_BYTES),
    });
  }

  #truncate(size: number): void {
    checkRange(this.name, size, 0);
    this.#checkWritable("resize");
    this.#checkLength(size);
    const before = this.#size();
    if (size === before) return;
    if (size < before) this.#zeroFrom(size);
    this.#resize(size);
    if (size < before) this.#isCut = true;
  }

  /** What lies behind a cut reads as zeros when the medium grows again. */
  #zeroFrom(size: number): void {
    if (this.#header.zeroFrom(size)) this.#header.noteChange();
    if (this.#log === null) return;
    const within = size % CELL_BYTES;
    const cell = Math.ceil(size / CELL_BYTES);
    if (within > 0 && this.#header.find(cell - 1) === null) {
      this.#cellToWrite(cell - 1, false).fill(0, within);
    }
    for (const waiting of this.#slab.from(cell)) waiting.fill(0);
  }

  #resize(size: number): void {
    if (this.#log === null) {
      this.#lockedBytes = size;
      return;
    }
    const log = this.#toChange();
    if (this.#isCut && size > log.state.sizeBytes) this.#emit(log, "part");
    log.state.resize(size);
    this.#isResized = true;
  }

  #discard(offset: number, size: number): void {
    checkRange(this.name, offset, size);
    this.#checkWritable("discard");
    const first = Math.ceil(offset / CELL_BYTES);
    const last = Math.ceil(Math.min(offset + size, this.#size()) / CELL_BYTES);
    const end = offset + size >= this.#size() ? last : Math.floor((offset + size) / CELL_BYTES);
    if (end > first) this.#toChange().drop(first, end - first);
  }

  #room({ freeBytes, totalBytes }: MediumRoom): MediumRoom {
    return { freeBytes: Math.max(0, freeBytes - SLACK_BYTES), totalBytes };
  }

  /** The log, once the medium is ours: what is changed before that would be in the checkpoint, and durable too soon. */
  #toChange(): ObjectLog {
    if (this.#log === null) {
      throw new VaultError(
        "invalid",
        `Cannot write "${this.name}": before it is opened with a key, only its header can be changed`,
        { operation: "write" },
      );
    }
    this.#log.begin();
    return this.#log;
  }

  #checkReadable(offset: number, size: number): void {
    this.#checkOpen("read");
    const end = this.#size();
    if (offset + size > end) throw beyondEnd(this.name, { offset, size }, end);
  }

  #checkLength(end: number): void {
    const { sizeMax = Number.MAX_SAFE_INTEGER } = this.#options;
    if (end > sizeMax) throw full(this.name, `it may not grow beyond ${sizeMax} bytes`);
  }

  #checkOpen(operation: string): void {
    if (this.#closed) throw closed(this.name, operation);
  }

  #checkWritable(operation: string): void {
    this.#checkOpen(operation);
    if (!this.capabilities.writable) throw readOnly(this.name, operation);
  }
}
