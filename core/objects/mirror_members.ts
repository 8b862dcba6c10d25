import { VaultError, type VaultErrorKind } from "../errors.ts";
import type { Abortable, ObjectInfo } from "../storage/object_store.ts";
import { isFailure, type MirrorMember } from "./mirror_member.ts";
import { type Versioned, versionOf } from "./mirror_version.ts";

/** What one member has at a path. */
export interface MemberState {
  readonly member: MirrorMember;
  /** Null: nothing. */
  readonly info: ObjectInfo | null;
  /** Null: none. */
  readonly state: Versioned | null;
}

/** What is asked of several members. */
export interface Asking<T> {
  /** For messages: `read "a/b"`. */
  readonly call: string;
  /** Answers that are needed. */
  readonly least: number;
  /** Answers that are wanted at once; members that fail are replaced by others. */
  readonly count: number;
  /** `lane` counts from 0: one for each answer that is wanted. */
  ask(member: MirrorMember, lane: number): Promise<T>;
}

/** How members are chosen. */
export interface MirrorPolicy {
  /** How many must have a change before it is acknowledged. */
  readonly write: "all" | "quorum";
  /** Which member is read from. */
  readonly read: "first" | "balanced";
}

/** The members of a mirror, and how many of them are enough. */
export class MirrorMembers {
  readonly all: readonly MirrorMember[];
  /** Members that must have a change. */
  readonly writeMin: number;
  /** Members of which, whoever they are, one at least has every change that was acknowledged. */
  readonly readMin: number;
  readonly #isBalanced: boolean;
  #asked = 0;

  /** In their order: the first decides whether conditions hold. */
  constructor(all: readonly MirrorMember[], { write, read }: MirrorPolicy) {
    this.all = all;
    this.writeMin = write === "all" ? all.length : Math.floor(all.length / 2) + 1;
    this.readMin = all.length - this.writeMin + 1;
    this.#isBalanced = read === "balanced";
  }

  /** The one that decides whether conditions hold. */
  get arbiter(): MirrorMember {
    return this.all[0];
  }

  /** In the order in which they are asked: those that failed come last; where it is balanced, those that have least to do first. */
  ordered(): MirrorMember[] {
    const spread = (a: MirrorMember, b: MirrorMember) =>
      a.outstanding - b.outstanding || a.askedAt - b.askedAt;
    return this.all.toSorted((a, b) => {
      return Number(a.isResting) - Number(b.isResting) || (this.#isBalanced ? spread(a, b) : 0);
    });
  }

  /** Members that can be asked what nobody else may have: those that did not fail twice; all where these are too few. */
  present(least: number): readonly MirrorMember[] {
    return this.#these(({ isAway }) => !isAway, least);
  }

  /** Members that have not failed; all where these are too few. */
  awake(least: number): readonly MirrorMember[] {
    return this.#these(({ isResting }) => !isResting, least);
  }

  #these(isIt: (member: MirrorMember) => boolean, least: number): readonly MirrorMember[] {
    const found = this.all.filter(isIt);
    return found.length >= least ? found : this.all;
  }

  /** Asks members, in their order, until so many have answered. */
  async answers<T>({ call, least, count, ask }: Asking<T>): Promise<T[]> {
    const waiting = this.ordered();
    const failures: VaultError[] = [];
    const next = async (lane: number): Promise<T[]> => {
      for (let member = waiting.shift(); member !== undefined; member = waiting.shift()) {
        try {
          member.askedAt = ++this.#asked;
          return [await ask(member, lane)];
        } catch (error) {
          if (!isFailure(error)) throw error;
          failures.push(error);
        }
      }
      return [];
    };
    const lanes = await Promise.allSettled(Array.from({ length: count }, (_, i) => next(i)));
    const answers = lanes.flatMap((lane) => lane.status === "fulfilled" ? lane.value : []);
    const refused = lanes.find((lane) => lane.status === "rejected");
    if (refused !== undefined) throw refused.reason;
    if (answers.length < least) throw this.tooFew(call, answers.length, least, failures);
    return answers;
  }

  /** What members have at a path: of all that are awake, and of at least so many. */
  async look(path: string, least: number, { signal }: Abortable): Promise<MemberState[]> {
    const call = `look at ${JSON.stringify(path)}`;
    const ask = (member: MirrorMember) => stateAt(member, path, { signal });
    const count = this.awake(least).length;
    return await this.answers({ call, least, count, ask });
  }

  /** The error where too few members did something. */
  tooFew(
    call: string,
    done: number,
    least: number,
    failures: readonly VaultError[],
  ): VaultError {
    const [cause] = failures;
    const kinds = new Set(failures.map(({ kind }) => kind));
    const kind: VaultErrorKind = kinds.size === 1 ? cause.kind : "unavailable";
    const why = cause === undefined ? "" : ` (${cause.message})`;
    const count = `${done} of ${this.all.length} members did, want ${least}`;
    return new VaultError(kind, `Cannot ${call}: ${count}${why}`, { cause });
  }
}

/** What a member has at a path. */
export async function stateAt(
  member: MirrorMember,
  path: string,
  { signal }: Abortable = {},
): Promise<MemberState> {
  return memberState(member, await member.head(path, { signal }));
}

/** A member's state by what it told. */
export function memberState(member: MirrorMember, info: ObjectInfo | null): MemberState {
  return { member, info, state: info && versionOf(info) };
}

/** The newest of these states. */
export function newestOf<T extends MemberState>(states: readonly T[]): T {
  return states.reduce((newest, each) => isNewer(each, newest) ? each : newest);
}

function isNewer(each: MemberState, other: MemberState): boolean {
  return each.state !== null && each.state.version > (other.state?.version ?? "");
}

/** True where both are the same; what was removed and what never was are not. */
export function isSameState(a: MemberState, b: MemberState): boolean {
  return a.state?.version === b.state?.version;
}
