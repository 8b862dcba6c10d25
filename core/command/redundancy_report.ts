import { headerSegments } from "../block/kept_segments.ts";
import { bearsLoss } from "../block/spread.ts";
import type { Vault } from "../vault/vault.ts";
import { plural } from "./sizes.ts";

/** What `info` says about redundancy. */
export interface RedundancyReport {
  /** Data shards of a full block. */
  readonly k: number;
  /** Parity shards, and further copies of everything else. */
  readonly m: number;
  /** Nothing is lost with any one segment of the medium (4 MiB), as long as places find room apart. */
  readonly coversSegment: boolean;
  /** Likewise with any one of several media. */
  readonly coversMember: boolean;
  /** Blocks and tree nodes that were written anew since the vault was opened. */
  readonly repaired: number;
  /** Those that were found bad, read all the same, and left: it is read-only, or there was no room. */
  readonly unrepaired: number;
}

/** Describes the redundancy of an open vault. */
export function redundancyReport(vault: Vault): RedundancyReport {
  const { redundancy: { k, m }, space, dense, damage } = vault.opened.volume.store;
  const { members, segments } = space;
  const current = members.filter(({ takes }) => takes).length;
  const most = (parts: number) => Math.ceil((k + m) / Math.max(1, parts));
  const usable = segments - members.length * headerSegments(dense);
  return {
    k,
    m,
    coversSegment: m > 0 && most(usable) <= m,
    coversMember: current > 1 && bearsLoss({ k, m }, current),
    repaired: damage.repaired,
    unrepaired: damage.unrepaired,
  };
}

/** For people. */
export function redundancyText({ k, m, coversSegment, coversMember }: RedundancyReport): string {
  if (m === 0) return "none: what the medium loses is lost";
  const shards = k === 1 ? plural(m + 1, "copy") : `any ${m} of ${k + m} shards may be lost`;
  const covered = coversMember ? "a member" : coversSegment ? "a segment" : null;
  return `${k}+${m}: ${shards}; ` +
    (covered === null
      ? "the loss of a segment is not covered: too few of them"
      : `the loss of ${covered} is covered`);
}

/** For people; null where there is nothing to say. */
export function repairsText({ repaired, unrepaired }: RedundancyReport): string | null {
  if (repaired + unrepaired === 0) return null;
  const left = unrepaired === 0 ? "" : `, ${unrepaired} left as they are`;
  return `${repaired} since it was opened${left}`;
}
