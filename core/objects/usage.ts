/** What a provider takes for its work, in whatever currency. */
export interface Prices {
  /** A thousand requests that change or list something. */
  readonly perThousandWrites?: number;
  /** A thousand requests that read. */
  readonly perThousandReads?: number;
  /** A GiB (2^30 bytes) that is read. */
  readonly perGibRead?: number;
}

/** What has been asked of a provider since the storage was opened. */
export interface ProviderUsage {
  /** Its name. */
  readonly provider: string;
  /** Requests that change or list something: providers charge most for them. Parts of large uploads are not counted one by one. */
  readonly writes: number;
  /** Requests that read. */
  readonly reads: number;
  /** Requests that failed, of all these. */
  readonly failures: number;
  /** Bytes that went up. */
  readonly bytesWritten: number;
  /** Bytes that came down. */
  readonly bytesRead: number;
  /** About what that costs, by the prices of the settings; null where they name none. */
  readonly cost: number | null;
}

const GIB = 2 ** 30;

/** Counts. */
export class UsageCount {
  writes = 0;
  reads = 0;
  failures = 0;
  bytesWritten = 0;
  bytesRead = 0;

  /** What was counted. */
  report(provider: string, prices: Prices | undefined): ProviderUsage {
    const { writes, reads, failures, bytesWritten, bytesRead } = this;
    return { provider, writes, reads, failures, bytesWritten, bytesRead, cost: this.#cost(prices) };
  }

  #cost(prices: Prices | undefined): number | null {
    if (prices === undefined) return null;
    const { perThousandWrites = 0, perThousandReads = 0, perGibRead = 0 } = prices;
    return this.writes / 1000 * perThousandWrites + this.reads / 1000 * perThousandReads +
      this.bytesRead / GIB * perGibRead;
  }
}
