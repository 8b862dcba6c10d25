import { crowding } from "../block/spread.ts";
import type { MapEntry } from "../format/map_entry.ts";
import { memberOf } from "../format/place.ts";
import type { MemberState } from "../volume/member_set.ts";
import type { Problems } from "./check_report.ts";

/** How the places of blocks lie on the media of a vault. */
export class MemberCensus {
  /** Blocks that the loss of one member would take. */
  uncovered = 0;
  private readonly states: ReadonlyMap<number, MemberState>;
  /** Places on each member that is not there. */
  private readonly away = new Map<number, number>();

  constructor(states: ReadonlyMap<number, MemberState>) {
    this.states = states;
  }

  /** Takes a block in. */
  add({ m, places }: Pick<MapEntry, "m" | "places">): void {
    if (this.states.size === 1) return;
    for (const { cell } of places) {
      const member = memberOf(cell);
      if (this.states.get(member) !== "missing") continue;
      this.away.set(member, (this.away.get(member) ?? 0) + 1);
    }
    if (crowding(places.map(({ cell }) => cell)) > m) this.uncovered++;
  }

  /** Says which members are not as they should be. */
  settle(problems: Problems): void {
    for (const [member, state] of this.states) {
      if (state === "missing") {
        const places = this.away.get(member) ?? 0;
        problems.add("member", `member ${member} is missing, and with it ${places} places`);
      } else if (state === "stale") {
        problems.add("member", `member ${member} was away: bring it up to date`);
      }
    }
  }
}
