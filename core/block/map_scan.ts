import type { Tree } from "../btree/tree.ts";
import { VaultError } from "../errors.ts";
import {
  decodeMapEntry,
  MAP_KEY_BYTES,
  type MapEntry,
  placeCells,
  readMapKey,
  writeMapKey,
} from "../format/map_entry.ts";
import type { SealedPlace } from "../format/place.ts";
import type { LocatedBlock } from "./block_reader.ts";

/** Where a look through the map ends before the map does. */
export interface ScanLimits {
  /** From this id on the map cannot be read. */
  readonly holeAt?: number;
  /** When the places of what was found have so many cells, it is enough. */
  readonly enoughCells?: number;
}

/** Looks through the block map in the order of ids. */
export class MapScan {
  private readonly map: Tree;
  private readonly key = new Uint8Array(MAP_KEY_BYTES);

  constructor(map: Tree) {
    this.map = map;
  }

  /** Ids from `fromId` on of up to `most` blocks that have a place in cells `from` to `end`. */
  idsWithin({ from, end }: { from: number; end: number }, most: number, fromId: number): number[] {
    const ids: number[] = [];
    writeMapKey(this.key, fromId);
    this.map.scan(this.key, (key, value) => {
      const isWithin = ({ cell }: SealedPlace) => cell >= from && cell < end;
      if (decodeMapEntry(value).places.some(isWithin)) ids.push(readMapKey(key));
      return ids.length < most;
    });
    return ids;
  }

  /** Up to `most` blocks with ids of `fromId` or more. */
  from(fromId: number, most: number, limits: ScanLimits): LocatedBlock[] {
    const { holeAt = Infinity, enoughCells = Infinity } = limits;
    const found: LocatedBlock[] = [];
    let cells = 0;
    writeMapKey(this.key, fromId);
    try {
      this.map.scan(this.key, (key, value) => {
        const id = readMapKey(key);
        if (id >= holeAt || found.length === most || cells >= enoughCells) return false;
        const entry = decodeMapEntry(value);
        found.push({ id, entry });
        cells += entry.places.length * placeCells(entry);
        return true;
      });
    } catch (error) {
      const isHole = holeAt !== Infinity && error instanceof VaultError && error.kind === "corrupt";
      if (!isHole) throw error;
    }
    return found;
  }

  /** Visits every block. */
  all(visit: (id: number, entry: MapEntry) => void): void {
    this.map.scan(new Uint8Array(0), (key, value) => {
      visit(readMapKey(key), decodeMapEntry(value));
      return true;
    });
  }
}
