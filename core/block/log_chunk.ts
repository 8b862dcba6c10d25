import { isFull } from "../errors.ts";
import { LOG_CHUNK_CELLS, type LogChunk } from "../format/log_record.ts";
import type { Space } from "./space.ts";

/** Takes adjacent cells for each copy of a chunk of the log: a power of two, fewer where free ones lie apart. */
export function allocateChunk(space: Space, copies: number, mark: "late" | "logged"): LogChunk {
  for (let cells = LOG_CHUNK_CELLS;; cells /= 2) {
    try {
      const firsts = mark === "late"
        ? space.allocateLate(cells, copies)
        : space.allocateApart(cells, copies);
      return { cells, firsts };
    } catch (error) {
      if (!isFull(error) || cells === 1) throw error;
    }
  }
}
