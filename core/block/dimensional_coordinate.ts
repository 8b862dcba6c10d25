import {
  CODEC,
  decodeMapEntry,
  encodeMapEntry,
  type MapEntry,
  placeCells,
} from "../format/map_entry.ts";
import { memberOf } from "../format/place.ts";
import { KIND } from "../format/seal_aad.ts";
import { MEMBER_CELLS, SEGMENT_CELLS, SLOT_CELLS } from "../limits.ts";

/** Where one shard or copy of a block lies. */
export interface SpatialPlace {
  /** Which of the media. */
  readonly member: number;
  /** Segment of 4 MiB. */
  readonly segment: number;
  /** Slot of 64 KiB in the segment. */
  readonly slot: number;
  /** First cell of 4 KiB, counted from the start of the member. */
  readonly cell: number;
  /** Cells in a row. */
  readonly cells: number;
}

/**
 * The coordinate of a block: its entry in the block map, seen as eight axes. Collapsing it to addresses is what gathering
 * does; a block that moves gets another coordinate under the same id.
 *
 * @example
 * ```ts
 * import { openScatterEngine } from "@sigmavault/sigmavault";
 * import assert from "node:assert/strict";
 * await using engine = await openScatterEngine({
 *   medium: "memory:",
 *   key: crypto.getRandomValues(new Uint8Array(32)),
 *   create: true,
 * });
 * const { firstId } = await engine.scatter(new TextEncoder().encode("hello"));
 * const coordinate = engine.coordinate(firstId);
 * assert.equal(coordinate.topological.id, firstId);
 * assert.equal(coordinate.phase.length, 5);
 * assert.equal(coordinate.spatial.length, 1);
 * ```
 */
export class DimensionalCoordinate {
  readonly #entry: MapEntry;
  readonly #id: number;

  /**
   * A coordinate from a decoded entry.
   *
   * @internal
   */
  constructor(id: number, entry: MapEntry) {
    this.#id = id;
    this.#entry = entry;
  }

  /** The coordinate of block `id` from its entry as it is in the map; `corrupt` where that is none. */
  static decode(id: number, entry: Uint8Array): DimensionalCoordinate {
    return new DimensionalCoordinate(id, decodeMapEntry(entry));
  }

  /** The entry as it is in the map. */
  encode(): Uint8Array<ArrayBuffer> {
    return encodeMapEntry(this.#entry);
  }

  /** Places: member, segment, slot, cells; those of missing shards left out. */
  get spatial(): readonly SpatialPlace[] {
    const cells = placeCells(this.#entry);
    return this.#entry.places.filter(({ missing }) => !missing).map((place) => {
      const cell = place.cell % MEMBER_CELLS;
      return {
        member: memberOf(place.cell),
        segment: Math.floor(cell / SEGMENT_CELLS),
        slot: Math.floor(cell % SEGMENT_CELLS / SLOT_CELLS),
        cell,
        cells,
      };
    });
  }

  /** Key epoch, and the sequence of the first root that had the block. */
  get temporal(): { readonly epoch: number; readonly birth: number } {
    const { epoch, birth } = this.#entry;
    return { epoch, birth };
  }

  /** The 192-bit nonce of each place. */
  get entropic(): readonly Uint8Array[] {
    return this.#entry.places.map(({ nonce }) => nonce.slice());
  }

  /** The 128-bit tag over the content, of each place. */
  get semantic(): readonly Uint8Array[] {
    return this.#entry.places.map(({ tag }) => tag.slice());
  }

  /** What the block is, and its level in a tree: 0 for data and leaves. */
  get fractal(): { readonly kind: "data" | "node"; readonly level: number } {
    const { kind, level } = this.#entry;
    return { kind: kind === KIND.data ? "data" : "node", level };
  }

  /** How the content is encoded, its bytes, and those that are stored of it. */
  get phase(): {
    readonly codec: "raw" | "zstd";
    readonly length: number;
    readonly stored: number;
  } {
    const { codec, length, stored } = this.#entry;
    return { codec: codec === CODEC.raw ? "raw" : "zstd", length, stored };
  }

  /** Its vertex in the graph of trees: the block id. */
  get topological(): { readonly id: number } {
    return { id: this.#id };
  }

  /** Any `k` of `k + m` shards rebuild the block; `missing` names those that are lost. */
  get holographic(): { readonly k: number; readonly m: number; readonly missing: number[] } {
    const { k, m, places } = this.#entry;
    return { k, m, missing: places.flatMap(({ missing }, i) => missing ? [i] : []) };
  }
}
