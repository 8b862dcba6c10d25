import type { BlockRun, DataBlocks } from "../volume/volume_store.ts";
import type { BlockBuffer, BlockPool } from "./block_pool.ts";
import type { RequestBuffer } from "./file_system.ts";

/** Blocks that are being sealed, and the memory that is busy until then. */
interface Flight {
  readonly ticket: number;
  readonly run: BlockRun;
  readonly request: RequestBuffer | null;
  readonly buffers: BlockBuffer[];
}

/** Request memory that may be busy at once: a driver needs this much beyond what it reads into. */
const REQUEST_BYTES_MAX = 8 * 1024 * 1024;

/** The puts that have not settled: sealing goes on in the background and owns their memory. */
export class InFlight {
  readonly #blocks: DataBlocks;
  readonly #pool: BlockPool;
  readonly #blockBytes: number;
  #flights: Flight[] = [];
  #requestBytes = 0;
  #buffers = 0;

  constructor(blocks: DataBlocks, pool: BlockPool, blockBytes: number) {
    this.#blocks = blocks;
    this.#pool = pool;
    this.#blockBytes = blockBytes;
  }

  /** Pool buffers that are busy. */
  get buffers(): number {
    return this.#buffers;
  }

  /** Puts a run that lies in a request's buffer; returns the cells that it takes. */
  putRequest(run: BlockRun, request: RequestBuffer): number {
    const { ticket, cells } = this.#blocks.put(run);
    request.references++;
    this.#requestBytes += run.count * this.#blockBytes;
    this.#flights.push({ ticket, run, request, buffers: [] });
    while (this.#requestBytes > REQUEST_BYTES_MAX) this.settleOldest();
    return cells;
  }

  /** Puts a run that lies in buffers of the pool; they come back to it when it has settled. Returns the cells that it takes. */
  putBuffers(run: BlockRun, buffers: BlockBuffer[]): number {
    const { ticket, cells } = this.#blocks.put(run);
    this.#buffers += buffers.length;
    for (const buffer of buffers) buffer.state = "flying";
    this.#flights.push({ ticket, run, request: null, buffers });
    return cells;
  }

  /** Frees the memory of puts that have settled by now. Cheap: looks at the oldest first. */
  poll(): void {
    let done = 0;
    while (done < this.#flights.length && this.#blocks.settled(this.#flights[done].ticket)) {
      this.#land(this.#flights[done++]);
    }
    if (done > 0) this.#flights.splice(0, done);
  }

  /** Waits for the oldest put; false where there is none. */
  settleOldest(): boolean {
    const flight = this.#flights.shift();
    if (flight === undefined) return false;
    this.#settle(flight);
    return true;
  }

  /** Waits for every put that has one of these ids. */
  settleIds(firstId: number, count: number): void {
    for (let i = this.#flights.length - 1; i >= 0; i--) {
      const flight = this.#flights[i];
      const { firstId: first, count: length } = flight.run;
      if (first >= firstId + count || first + length <= firstId) continue;
      this.#flights.splice(i, 1);
      this.#settle(flight);
    }
  }

  /** Its memory comes back also where it failed: whoever waits for memory would wait for ever. */
  #settle(flight: Flight): void {
    try {
      this.#blocks.settle(flight.ticket);
    } finally {
      this.#land(flight);
    }
  }

  #land(flight: Flight): void {
    if (flight.request !== null) {
      flight.request.references--;
      this.#requestBytes -= flight.run.count * this.#blockBytes;
    }
    this.#buffers -= flight.buffers.length;
    for (const buffer of flight.buffers) this.#pool.free(buffer);
  }
}
