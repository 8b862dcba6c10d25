import {
  decodeCheckpointPart,
  encodeCheckpointPart,
  ladderCells,
  OBJECT_CELLS_MAX,
  WRITE_ONCE_KIND,
  writeOnceAad,
  type WriterClaim,
} from "../../format/write_once.ts";
import { CELL_BYTES } from "../../limits.ts";
import { damaged, type EraContext, objectName } from "./era_objects.ts";
import { readObject } from "./object_cache.ts";
import { StoredState } from "./stored_state.ts";

/** Of how many objects a checkpoint of so many parts is made. */
export function checkpointObjects(cells: number): number {
  return Math.ceil(cells / OBJECT_CELLS_MAX);
}

/**
 * Writes a state as the first objects of an era, one object in memory at a time; adds their names to `names` as they are
 * made. Returns the number of parts.
 */
export function writeCheckpoint(
  { access, seal }: EraContext,
  eraId: Uint8Array,
  state: StoredState,
  names: string[],
): number {
  let name = objectName(seal, eraId, 0);
  let cells: Uint8Array[] = [];
  let count = 0;
  const create = () => {
    const object = new Uint8Array(ladderCells(cells.length) * CELL_BYTES);
    cells.forEach((cell, i) => object.set(cell, i * CELL_BYTES));
    seal.random(object.subarray(cells.length * CELL_BYTES));
    access.create(name, object);
    names.push(name);
    name = objectName(seal, eraId, names.length);
    cells = [];
  };
  for (const part of state.parts()) {
    const aad = writeOnceAad(WRITE_ONCE_KIND.checkpoint, count++, Uint8Array.fromHex(name));
    cells.push(seal.seal(encodeCheckpointPart(part), aad));
    if (cells.length === OBJECT_CELLS_MAX) create();
  }
  if (cells.length > 0) create();
  return count;
}

/** The state that an era began with. */
export function readCheckpoint(
  { access, seal }: EraContext,
  { eraId, checkpointCells }: WriterClaim,
): StoredState {
  const state = new StoredState();
  for (let first = 0; first < checkpointCells; first += OBJECT_CELLS_MAX) {
    const name = objectName(seal, eraId, first / OBJECT_CELLS_MAX);
    const cells = new Uint8Array(Math.min(OBJECT_CELLS_MAX, checkpointCells - first) * CELL_BYTES);
    readObject(access, name, 0, cells);
    for (let at = 0; at < cells.length; at += CELL_BYTES) {
      const index = first + at / CELL_BYTES;
      const aad = writeOnceAad(WRITE_ONCE_KIND.checkpoint, index, Uint8Array.fromHex(name));
      const plaintext = seal.open(cells.subarray(at, at + CELL_BYTES), aad);
      if (plaintext === null) throw damaged(access, `checkpoint "${name}" is damaged`);
      state.addPart(decodeCheckpointPart(plaintext));
    }
  }
  return state;
}
