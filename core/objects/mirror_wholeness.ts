import { MIRROR_NOTES, type MirrorMember, unlessFailure } from "./mirror_member.ts";
import type { MirrorMembers } from "./mirror_members.ts";

/** What a member says of itself: it has had all that was acknowledged; or it was fresh among others that had, and is to be filled. */
const WHOLE = `${MIRROR_NOTES}whole`;
const LACKING = `${MIRROR_NOTES}lacking`;

type Wholeness = "whole" | "lacking" | "unmarked";

/**
 * Which members can be believed when they have nothing. One that was emptied, or is new, has nothing either: it lacks the mark that
 * the others have, gets another one, and keeps that until everything was looked at.
 */
export class MirrorWholeness {
  readonly #members: MirrorMembers;
  /** Members were seen that have the mark. */
  #isMarked = false;

  /** Of these members. */
  constructor(members: MirrorMembers) {
    this.#members = members;
  }

  /** Marks members that have no mark: all of a mirror that never had one, else those that came to it later. */
  async look(): Promise<void> {
    const { all } = this.#members;
    const states = await this.#statesOf(all);
    const unmarked = all.filter((_, i) => states[i] === "unmarked");
    if (states.includes("whole")) await mark(unmarked, LACKING);
    else if (unmarked.length === all.length) await mark(unmarked, WHOLE);
  }

  /** Null for those that fail. */
  #statesOf(members: readonly MirrorMember[]): Promise<(Wholeness | null)[]> {
    return Promise.all(members.map((member) => unlessFailure(() => this.#of(member))));
  }

  async #of(member: MirrorMember): Promise<Wholeness> {
    if (await member.head(LACKING) !== null) return "lacking";
    if (await member.head(WHOLE) === null) return "unmarked";
    this.#isMarked = true;
    return "whole";
  }

  /** True where what these members do not have was never acknowledged, or was removed. */
  async isKnownBy(members: readonly MirrorMember[]): Promise<boolean> {
    const { all, readMin } = this.#members;
    if (members.length === all.length) return true;
    const states = await this.#statesOf(members);
    const isWhole = (state: Wholeness | null) =>
      state === "whole" || (state === "unmarked" && !this.#isMarked);
    return states.filter(isWhole).length >= readMin;
  }

  /** Every member has everything. */
  async filled(): Promise<void> {
    const { all } = this.#members;
    await mark(all, WHOLE);
    await Promise.all(all.map((member) => unlessFailure(() => member.delete(LACKING))));
  }
}

async function mark(members: readonly MirrorMember[], name: string): Promise<void> {
  await Promise.all(members.map((member) => {
    return unlessFailure(() => member.put(name, new Uint8Array()));
  }));
}
