import { CELL_BYTES } from "../limits.ts";
import type { Vault } from "../vault/vault.ts";
import { formatSize, plural } from "./sizes.ts";
import { isoTime } from "../dates.ts";

/** What `info` says about scrubs. */
export interface ScrubRow {
  /** One is under way, or was stopped: the next one goes on. */
  readonly underWay: boolean;
  /** ISO 8601; null: none came to its end yet. */
  readonly finished: string | null;
  /** Of the one that began last. */
  readonly started: string;
  readonly bytes: number;
  /** Shards and copies that were bad, of what could be written anew. */
  readonly bad: number;
  /** Blocks that cannot be read. */
  readonly lost: number;
}

/** What the catalog has noted. */
export function scrubRow(vault: Vault): ScrubRow | null {
  const record = vault.opened.volume.store.catalog.scrub();
  if (record === null) return null;
  const { cursor, started, finished, counts: { cells, bad, lost } } = record;
  return {
    underWay: cursor !== null,
    finished: finished === 0 ? null : isoTime(finished),
    started: isoTime(started),
    bytes: cells * CELL_BYTES,
    bad,
    lost,
  };
}

/** For people. */
export function scrubRowText(row: ScrubRow | null): string {
  if (row === null) return "never";
  const { underWay, finished, bytes, bad, lost } = row;
  const found = bad + lost === 0 ? "nothing bad" : `${bad} repaired, ${plural(lost, "block")} lost`;
  const last = finished === null ? "none finished" : `last on ${finished}`;
  return underWay ? `under way: ${formatSize(bytes)} read, ${found}; ${last}` : `${last}: ${found}`;
}
