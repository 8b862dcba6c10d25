import { VaultError } from "../errors.ts";
import { MAP_KEY_BYTES, readMapKey, writeMapKey } from "../format/map_entry.ts";
import type { ScrubCounts, ScrubCursor, ScrubRecord } from "../format/scrub_record.ts";
import { CELL_BYTES, SEGMENT_CELLS } from "../limits.ts";
import { type HeaderScrub, scrubHeaders } from "../volume/header_scrub.ts";
import { type NodeTree, scrubTree } from "../volume/node_scrub.ts";
import { scrubBlocks } from "../volume/scrub.ts";
import { describeLost, type LostReport } from "./lost_datasets.ts";
import { type IdRange, LostIds } from "./lost_ids.ts";
import { Pace } from "./pace.ts";
import type { InTurn } from "../turn.ts";
import type { Vault } from "./vault.ts";

/** Bytes of places that one step reads: a millisecond, as others wait for it. */
const STEP_BYTES = 1024 * 1024;
/** Nodes of a tree that one step reads. */
const STEP_NODES = 64;
/** How far it is, is written down so often: milliseconds. */
const NOTE_MS = 60_000;
/** Lost blocks whose files are named. */
const LOST_MAX = 1_000_000;
/** While a transaction is open nothing is written anew: it is looked for its end so often, in milliseconds. */
const TRANSACTION_MS = 100;

const TREES: Readonly<Record<1 | 2 | 3, NodeTree>> = {
  1: "block map",
  2: "space map",
  3: "catalog",
};
const NO_KEY = new Uint8Array(0);
const START: ScrubCursor = { part: 1, key: NO_KEY };

/** How to scrub. */
export interface ScrubOptions {
  /** Bytes of the medium read in a second, at most. */
  readonly rateBytes?: number;
  /** Begin anew, although one before did not come to its end. */
  readonly restart?: boolean;
  /** Told how many of the bytes in use have been read. */
  readonly progress?: (doneBytes: number, totalBytes: number) => void;
  /** Stops it; the next one goes on from there. */
  readonly signal?: AbortSignal;
  /**
   * Runs a change of the header when no other is under way.
   *
   * @internal
   */
  readonly inTurn?: InTurn;
}

/** What a scrub found. */
export interface ScrubReport extends LostReport {
  /** Nothing is lost. */
  readonly ok: boolean;
  /** Shards and copies that were read. */
  readonly places: number;
  /** Their bytes. */
  readonly bytes: number;
  /** Shards and copies that did not open, of what can be read all the same. */
  readonly bad: number;
  /** All of those were written anew; false where the vault is read-only or full. */
  readonly repaired: boolean;
  /** Copies of the header that were not as they should be. */
  readonly badHeaders: number;
  /** True where it went on from where one before had stopped. */
  readonly resumed: boolean;
}

/**
 * Reads every shard and every copy of everything in use, at a bounded rate, past every cache, and writes anew what is bad
 * and can be read all the same. The vault may be used meanwhile. What is lost is named: file by file, in every volume and snapshot.
 */
export async function scrubVault(vault: Vault, options: ScrubOptions = {}): Promise<ScrubReport> {
  vault.transactions.requireOpen();
  return await vault.transactions.whileOpen(() => new Scrub(vault, options).run());
}

class Scrub {
  readonly #vault: Vault;
  readonly #options: ScrubOptions;
  readonly #lost: number[] = [];
  readonly #holes: IdRange[] = [];
  readonly #resumed: boolean;
  readonly #unrepairedBefore: number;
  readonly #finishedBefore: number;
  readonly #pace: Pace;
  #counts: ScrubCounts = { places: 0, cells: 0, bad: 0, lost: 0 };
  #cursor: ScrubCursor | null = START;
  #started: number;
  #noted: number;
  #mayWrite: boolean;

  constructor(vault: Vault, options: ScrubOptions) {
    this.#vault = vault;
    this.#options = options;
    const { store } = vault.opened.volume;
    const { runtime } = vault.header;
    const before = store.catalog.scrub();
    this.#mayWrite = !vault.readOnly;
    this.#unrepairedBefore = store.damage.unrepaired;
    this.#finishedBefore = before?.finished ?? 0;
    this.#pace = new Pace(runtime, options.rateBytes ?? Infinity);
    this.#started = this.#noted = runtime.now();
    // What is lost is named at the end: it has to be found by one and the same scrub.
    this.#resumed = options.restart !== true && before?.cursor != null && before.counts.lost === 0;
    if (this.#resumed) this.#goOn(before!);
  }

  #goOn({ cursor, started, counts }: ScrubRecord): void {
    this.#cursor = cursor;
    this.#started = started;
    this.#counts = counts;
  }

  async run(): Promise<ScrubReport> {
    const { header } = this.#vault;
    const { inTurn = (change) => change() } = this.#options;
    // The next root has fresh superblocks and an empty log.
    await this.#note();
    const found = await inTurn(() => scrubHeaders(header, this.#mayWrite));
    try {
      while (this.#cursor !== null) await this.#next(this.#cursor);
    } finally {
      if (this.#cursor !== null) await this.#note();
    }
    await this.#note(header.runtime.now());
    return this.#report(found);
  }

  async #next(cursor: ScrubCursor): Promise<void> {
    await this.#transactionEnded();
    const before = this.#counts.cells;
    this.#cursor = cursor.part === 4
      ? this.#blocks(readMapKey(cursor.key))
      : this.#nodes(cursor.part, cursor.key);
    const { cells } = this.#counts;
    const { space } = this.#vault.opened.volume.store;
    const used = space.segments * SEGMENT_CELLS - space.freeCells;
    this.#options.progress?.(Math.min(cells, used) * CELL_BYTES, used * CELL_BYTES);
    await this.#pace.wait((cells - before) * CELL_BYTES, this.#options.signal);
    if (this.#vault.header.runtime.now() - this.#noted > NOTE_MS) await this.#note();
  }

  /** Blocks that are written anew would be part of it. */
  async #transactionEnded(): Promise<void> {
    const { volume } = this.#vault.opened;
    while (volume.inTransaction) {
      this.#options.signal?.throwIfAborted();
      await new Promise((resolve) => setTimeout(resolve, TRANSACTION_MS));
    }
  }

  #count(step: Omit<ScrubCounts, "lost">, lost: number): void {
    const { places, cells, bad, lost: before } = this.#counts;
    this.#counts = {
      places: places + step.places,
      cells: cells + step.cells,
      bad: bad + step.bad,
      lost: before + lost,
    };
  }

  #nodes(part: 1 | 2 | 3, key: Uint8Array): ScrubCursor {
    const { engine } = this.#vault.opened.volume;
    const step = scrubTree(engine, TREES[part], key, STEP_NODES);
    if (step.badRoots > 0 && this.#mayWrite) engine.markChanged();
    const badRoots = part === 1 && key.length === 0 ? step.badRoots : 0;
    this.#count({ ...step, bad: step.bad + badRoots }, step.holes.length);
    if (part === 1) {
      for (const { low, high } of step.holes) {
        const from = low.length === 0 ? 0 : readMapKey(low);
        this.#holes.push({ from, end: high === null ? Infinity : readMapKey(high) });
      }
    }
    if (step.next !== null) return { part, key: step.next };
    if (part < 3) return { part: (part + 1) as 2 | 3, key: NO_KEY };
    return { part: 4, key: new Uint8Array(MAP_KEY_BYTES) };
  }

  #blocks(id: number): ScrubCursor | null {
    const { engine } = this.#vault.opened.volume;
    const hole = this.#holes.find(({ from, end }) => from <= id && id < end);
    if (hole !== undefined) return hole.end === Infinity ? null : blocksFrom(hole.end);
    const end = Math.min(...this.#holes.filter(({ from }) => from > id).map(({ from }) => from));
    const cells = STEP_BYTES / CELL_BYTES;
    const step = scrubBlocks(engine, id, { blocks: cells, cells, holeAt: end });
    this.#count(step, step.lost.length);
    if (this.#lost.length < LOST_MAX) this.#lost.push(...step.lost);
    if (step.next !== null) return blocksFrom(step.next);
    return end === Infinity ? null : blocksFrom(end);
  }

  /** Writes down how far it is, as part of the next root, and that root. */
  async #note(finished: number = this.#finishedBefore): Promise<void> {
    const { volume } = this.#vault.opened;
    this.#noted = this.#vault.header.runtime.now();
    if (!this.#mayWrite) return;
    try {
      volume.engine.markChanged();
      volume.store.catalog.putScrub({
        cursor: this.#cursor,
        started: Math.floor(this.#started),
        finished: Math.floor(finished),
        counts: this.#counts,
      });
      await volume.commit();
    } catch (error) {
      // A vault with holes may take no more changes: the report is all the more wanted.
      if (!isCorrupt(error)) throw error;
      this.#mayWrite = false;
    }
  }

  #report(header: HeaderScrub): ScrubReport {
    const { store, engine } = this.#vault.opened.volume;
    const { places, cells, bad, lost } = this.#counts;
    const isLeft = store.damage.unrepaired > this.#unrepairedBefore;
    return {
      ok: lost === 0 && header.repaired,
      places,
      bytes: cells * CELL_BYTES,
      bad,
      repaired: !isLeft && header.repaired && (this.#mayWrite || bad === 0),
      badHeaders: header.bad,
      resumed: this.#resumed,
      ...describeLost(engine, new LostIds(this.#lost, this.#holes), lost),
    };
  }
}

function blocksFrom(id: number): ScrubCursor {
  const key = new Uint8Array(MAP_KEY_BYTES);
  writeMapKey(key, id);
  return { part: 4, key };
}

/** What is flushed on the way to a root fails with the engine's error as its cause. */
function isCorrupt(error: unknown): boolean {
  if (error instanceof VaultError) return error.kind === "corrupt";
  return error instanceof Error && error.cause !== undefined && isCorrupt(error.cause);
}
