import type { Vault } from "../vault/vault.ts";
import { formatSize } from "./sizes.ts";
import { isoTime } from "../dates.ts";

/** What `info` says about re-scattering. */
export interface RescatterRow {
  /** A pass is under way, or was stopped: the next one goes on. */
  readonly underWay: boolean;
  /** Bytes of content that it came past. */
  readonly seenBytes: number;
  /** ISO 8601. */
  readonly started: string;
  /** Of the last one; null: none came to its end yet. */
  readonly finished: string | null;
}

/** What the catalog has noted; null: there was none. */
export function rescatterRow(vault: Vault): RescatterRow | null {
  const record = vault.opened.volume.store.catalog.rescatter();
  if (record === null) return null;
  const { next, seenBytes, started, finished } = record;
  return {
    underWay: next > 0,
    seenBytes,
    started: isoTime(started),
    finished: finished === 0 ? null : isoTime(finished),
  };
}

/** For people. */
export function rescatterRowText({ underWay, seenBytes, started, finished }: RescatterRow): string {
  const last = finished === null ? "none finished" : `last on ${finished}`;
  return underWay ? `since ${started}: ${formatSize(seenBytes)} done; ${last}` : last;
}
