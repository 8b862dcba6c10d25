import { CELL_BYTES, SEGMENT_BYTES } from "../limits.ts";
import { type MemberState, memberStates } from "../volume/member_set.ts";
import type { Vault } from "./vault.ts";

/** A medium of an open vault. */
export interface MemberStatus {
  /** Its number, for as long as it is a member. */
  readonly number: number;
  /** Of its medium; null where it is missing. */
  readonly name: string | null;
  /** Whether it can be relied on. */
  readonly state: MemberState;
  /** Bytes that it has. */
  readonly bytes: number;
  /** Bytes that it may grow to. */
  readonly bytesMax: number;
  /** Bytes that nothing lies in now. */
  readonly freeBytes: number;
}

/** The media of a vault, in the order of their numbers. */
export function listMembers({ opened: { volume: { engine } } }: Vault): MemberStatus[] {
  const { store: { space }, media } = engine;
  const states = memberStates(engine);
  return space.members.map(({ number, segments, segmentsMax }) => {
    return {
      number,
      name: media.medium(number)?.name ?? null,
      state: states.get(number) ?? "missing",
      bytes: segments * SEGMENT_BYTES,
      bytesMax: segmentsMax * SEGMENT_BYTES,
      freeBytes: space.counts.totalOf(number) * CELL_BYTES,
    };
  });
}
