import type { Kernel } from "../crypto/kernel.ts";
import { VaultError } from "../errors.ts";
import { KIND } from "../format/seal_aad.ts";
import { CELL_BYTES, MIB } from "../limits.ts";
import type { MapEntry } from "../format/map_entry.ts";
import { DimensionalCoordinate } from "./dimensional_coordinate.ts";

/** The block map as the engine reads it. */
export interface ScatteredBlocks {
  /** The entry of a block, or null where there is none. */
  entry(id: number): MapEntry | null;
  /** Visits every block. */
  entries(visit: (id: number, entry: MapEntry) => void): void;
}

/** Sealed blocks on a medium as the engine needs them: a volume without files. */
export interface ScatterGround {
  /** Memory that blocks are sealed in. */
  readonly kernel: Kernel;
  /** Bytes of a full block. */
  readonly blockBytes: number;
  /** Where blocks are, by id. */
  readonly store: { readonly blocks: ScatteredBlocks };
  /** Throws `unavailable` unless so many cells can be taken. */
  admit(cells: number, purpose: "write" | "delete"): void;
  /** Reserves ids that were never used. */
  allocateIds(count: number): number;
  /** Seals blocks that lie one behind another in memory. */
  put(run: { firstId: number; count: number; address: number; lastLength: number }): unknown;
  /** Waits until everything put is written. */
  settle(): void;
  /** Opens blocks into memory. */
  get(firstId: number, count: number, address: number): void;
  /** Seals a block anew in another place. */
  move(id: number): void;
  /** Forgets blocks. */
  drop(firstId: number, count: number): void;
  /** Ends an atomic group of changes. */
  endGroup(): void;
  /** Makes everything durable. */
  commit(): Promise<void>;
}

/** What names scattered bytes: keep it, the engine has no directory. */
export interface Scattering {
  /** The first of `count` consecutive block ids. */
  readonly firstId: number;
  /** How many blocks. */
  readonly count: number;
  /** Bytes in all. */
  readonly length: number;
}

/** Bytes moved at a time. */
const BATCH_BYTES = MIB;

/**
 * Scatters bytes into sealed blocks all over a medium and gathers them back by id. Ids are never reused, and the content
 * of an id never changes; its place may. What was scattered is durable after `commit` or `close`.
 *
 * @example
 * ```ts
 * import { openScatterEngine } from "@sigmavault/sigmavault";
 * import assert from "node:assert/strict";
 * const key = crypto.getRandomValues(new Uint8Array(32));
 * await using engine = await openScatterEngine({ medium: "memory:", key, create: true });
 * const scattering = await engine.scatter(new Uint8Array(100_000).fill(42));
 * const before = engine.coordinate(scattering.firstId);
 * engine.move(scattering.firstId);
 * assert.notDeepEqual(engine.coordinate(scattering.firstId).spatial, before.spatial);
 * assert.deepEqual(await engine.gather(scattering), new Uint8Array(100_000).fill(42));
 * engine.drop(scattering);
 * assert.deepEqual(engine.list(), []);
 * ```
 */
export class DimensionalScatterEngine implements AsyncDisposable {
  readonly #ground: ScatterGround;
  readonly #close: () => Promise<void>;
  readonly #buffer: number;
  readonly #batchBlocks: number;

  /**
   * Use `openScatterEngine`. `close` is called once everything is durable.
   *
   * @internal
   */
  constructor(ground: ScatterGround, close: () => Promise<void>) {
    this.#ground = ground;
    this.#close = close;
    this.#batchBlocks = BATCH_BYTES / ground.blockBytes;
    this.#buffer = ground.kernel.reserve(BATCH_BYTES);
  }

  /** Seals bytes into blocks at places of their own. */
  scatter(content: Uint8Array): Promise<Scattering> {
    return Promise.resolve().then(() => this.#scatter(content));
  }

  #scatter(content: Uint8Array): Scattering {
    const { blockBytes, kernel } = this.#ground;
    const { length } = content;
    const count = Math.ceil(length / blockBytes);
    if (count === 0) throw new VaultError("invalid", "Cannot scatter nothing: want a byte or more");
    this.#ground.admit(Math.ceil(length / CELL_BYTES), "write");
    const firstId = this.#ground.allocateIds(count);
    for (let at = 0; at < count; at += this.#batchBlocks) {
      const blocks = Math.min(this.#batchBlocks, count - at);
      const part = content.subarray(at * blockBytes, (at + blocks) * blockBytes);
      kernel.bytes.set(part, this.#buffer);
      const lastLength = part.length - (blocks - 1) * blockBytes;
      this.#ground.put({ firstId: firstId + at, count: blocks, address: this.#buffer, lastLength });
      this.#ground.settle();
    }
    this.#ground.endGroup();
    return { firstId, count, length };
  }

  /** Opens blocks and joins their contents; `corrupt` where one was changed, `missing` where it was dropped. */
  gather(scattering: Scattering): Promise<Uint8Array<ArrayBuffer>> {
    return Promise.resolve().then(() => this.#gather(scattering));
  }

  #gather({ firstId, count, length }: Scattering): Uint8Array<ArrayBuffer> {
    const { blockBytes, kernel } = this.#ground;
    const content = new Uint8Array(length);
    for (let i = 0; i < count; i++) this.coordinate(firstId + i);
    for (let at = 0; at < count; at += this.#batchBlocks) {
      const blocks = Math.min(this.#batchBlocks, count - at);
      this.#ground.get(firstId + at, blocks, this.#buffer);
      const room = Math.min(blocks * blockBytes, length - at * blockBytes);
      content.set(kernel.bytes.subarray(this.#buffer, this.#buffer + room), at * blockBytes);
    }
    kernel.wipe(this.#buffer, BATCH_BYTES);
    return content;
  }

  /** Where a block is and how it was sealed; `missing` where there is none. */
  coordinate(id: number): DimensionalCoordinate {
    const entry = this.#ground.store.blocks.entry(id);
    if (entry !== null) return new DimensionalCoordinate(id, entry);
    throw new VaultError("missing", `Cannot find block ${id}: it was dropped or never scattered`);
  }

  /** Seals a block anew in another place under a fresh nonce. */
  move(id: number): void {
    this.coordinate(id);
    this.#ground.move(id);
    this.#ground.endGroup();
  }

  /** Forgets blocks. Their cells are used again when three later commits are durable. */
  drop({ firstId, count }: Scattering): void {
    for (let i = 0; i < count; i++) this.coordinate(firstId + i);
    this.#ground.drop(firstId, count);
    this.#ground.endGroup();
  }

  /** Ids of all blocks that were scattered and not dropped. */
  list(): number[] {
    const ids: number[] = [];
    this.#ground.store.blocks.entries((id, { kind }) => {
      if (kind === KIND.data) ids.push(id);
    });
    return ids;
  }

  /** Makes everything durable. */
  async commit(): Promise<void> {
    await this.#ground.commit();
  }

  /** Makes everything durable, wipes the keys and releases the medium. */
  async close(): Promise<void> {
    try {
      await this.#ground.commit();
    } finally {
      await this.#close();
    }
  }

  /** Closes it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
