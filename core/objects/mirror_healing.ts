import type { Runtime } from "../runtime.ts";
import { comparePaths } from "../storage/object_path.ts";
import { LIST_LIMIT_MAX } from "../storage/object_store.ts";
import { inParallel } from "../storage/parallel.ts";
import type { PathTurns } from "../storage/path_turns.ts";
import { isConflict, isMissing, unless } from "../storage/store_failures.ts";
import { listedBy } from "./mirror_listing.ts";
import type { MirrorWholeness } from "./mirror_wholeness.ts";
import { isFailure, type MirrorMember, unlessFailure } from "./mirror_member.ts";
import {
  isSameState,
  type MemberState,
  type MirrorMembers,
  newestOf,
  stateAt,
} from "./mirror_members.ts";
import type { ReconcileReport } from "./reconciling.ts";
import { adoptedVersion, isMirrored, removalBytes, timeOfVersion } from "./mirror_version.ts";
import { writeState } from "./mirror_writes.ts";

/** Milliseconds after which notes of other processes are looked for, and members that failed are asked again. */
const LOOK_MS = 10_000;
/** Milliseconds after which it is healed again what can be while a member is away. */
const AWAY_MS = 600_000;
/**
 * Milliseconds that a removal stays where a member lacked what was removed: somebody may be bringing that there, and would find
 * nothing to tell him otherwise.
 */
const REMOVAL_MS = 600_000;
/** Paths of which is remembered that a change may come late. */
const DOUBTED_MAX = 10_000;

/** Paths that are healed at once. */
const HEALED_AT_ONCE = 8;

/** What is healed. */
export interface HealingParts {
  readonly members: MirrorMembers;
  readonly wholeness: MirrorWholeness;
  /** Changes of a path wait for its healing, and the other way round. */
  readonly turns: PathTurns;
  readonly runtime: Runtime;
}

/** How a path came out of its healing. */
type Healed = "same" | "healed" | "waiting" | "left";

/** Makes members the same where they differ: the newest state goes to all. */
export class MirrorHealing {
  readonly #parts: HealingParts;
  /** Paths that members differ in, as far as this process has seen; what others have seen is noted at the members. */
  readonly #unsettled = new Set<string>();
  /** When a member did not say what became of a change: it may come to be for a while. The oldest first. */
  readonly #doubted = new Map<string, number>();
  #lookedAt = -Infinity;
  /** When all that was noted was healed last, as far as that could be. */
  #healedAt = -Infinity;
  #background: Promise<void> = Promise.resolve();
  #isClosed = false;

  /** Nothing is done yet. */
  constructor(parts: HealingParts) {
    this.#parts = parts;
  }

  /** True where members are known to differ in a path. */
  isUnsettled(path: string): boolean {
    const { members } = this.#parts;
    return this.#unsettled.has(path) ||
      members.all.some(({ notes }) => notes.known(path) !== undefined);
  }

  /** A member failed in a change of a path: it may have done it, or do it yet. */
  doubt(path: string): void {
    this.#doubted.delete(path);
    this.#doubted.set(path, this.#parts.runtime.now());
    const [oldest] = this.#doubted.keys();
    if (this.#doubted.size > DOUBTED_MAX) this.#doubted.delete(oldest);
  }

  /** True where what stands for a removed object must stay a while: a change that was given up may come after it. */
  isDoubted(path: string): boolean {
    const age = this.#parts.runtime.now() - (this.#doubted.get(path) ?? -Infinity);
    if (age < REMOVAL_MS) return true;
    this.#doubted.delete(path);
    return false;
  }

  /** Notes at members, as far as they are there, that not all have the newest state of a path. */
  async note(path: string, members: readonly MirrorMember[]): Promise<void> {
    this.#unsettled.add(path);
    await Promise.all(members.map(({ notes }) => {
      return unlessFailure(() => notes.note(path, { removed: false }));
    }));
  }

  /** Heals a path in the background that was found to differ. */
  found(path: string): void {
    // Who is changing it settles it himself.
    if (this.#unsettled.has(path) || this.#parts.turns.has(path)) return;
    this.#unsettled.add(path);
    this.#later(async () => void await this.heal(path));
  }

  /** Looks in the background for what others have noted, and heals it, when it is time. */
  wake(): void {
    const now = this.#parts.runtime.now();
    if (now >= this.#lookedAt && now < this.#lookedAt + LOOK_MS) return;
    this.#lookedAt = now;
    this.#later(async () => {
      await this.#parts.wholeness.look();
      const paths = await this.#noted();
      const isWhole = this.#parts.members.all.every(({ isResting }) => !isResting);
      // There may be many, of which nothing can be done but what was done before.
      if (!isWhole && now < this.#healedAt + AWAY_MS) return;
      this.#healedAt = now;
      await this.#healAll(paths);
    });
  }

  #later(work: () => Promise<void>): void {
    // What fails is tried again when it is time.
    this.#background = this.#background.then(() => this.#isClosed ? undefined : work())
      .catch(() => {});
  }

  /** Resolves when nothing is done in the background. */
  async settled(): Promise<void> {
    for (let seen; seen !== this.#background;) await (seen = this.#background);
  }

  /** No more is done. */
  close(): void {
    this.#isClosed = true;
  }

  /** Heals what is known to differ. */
  async healNoted(): Promise<ReconcileReport> {
    return await this.#healAll(await this.#noted());
  }

  /** Looks at every path of every member, and heals those that differ. */
  async healEverything(): Promise<ReconcileReport> {
    const { members, wholeness } = this.#parts;
    const reports: ReconcileReport[] = [await this.healNoted()];
    let asked = members.present(members.readMin);
    let cursor: string | null | undefined;
    while (cursor !== null) {
      asked = members.present(members.readMin).filter((member) => asked.includes(member));
      const page = await listedBy(members, asked, { cursor, limit: LIST_LIMIT_MAX });
      reports.push(await this.#healAll(page.files.map(({ path }) => path)));
      cursor = page.cursor;
    }
    const left = reports.flatMap((report) => report.left);
    if (left.length === 0 && asked.length === members.all.length) await wholeness.filled();
    return { settled: reports.flatMap(({ settled }) => settled), left };
  }

  async #noted(): Promise<string[]> {
    const paths = new Set(this.#unsettled);
    await Promise.all(this.#parts.members.all.map(async ({ notes }) => {
      for (const path of (await unlessFailure(() => notes.look()))?.keys() ?? []) paths.add(path);
    }));
    return [...paths].sort(comparePaths);
  }

  async #healAll(paths: readonly string[]): Promise<ReconcileReport> {
    const [settled, left]: string[][] = [[], []];
    await inParallel(paths, { atOnce: () => HEALED_AT_ONCE }, async (path) => {
      const how = this.#isClosed ? "left" : await this.heal(path);
      if (how === "healed") settled.push(path);
      if (how === "left") left.push(path);
    });
    return { settled: settled.sort(comparePaths), left: left.sort(comparePaths) };
  }

  /** Makes all members the same at a path. */
  async heal(path: string): Promise<Healed> {
    return await this.#parts.turns.take([path], async () => {
      return await unlessAwayOrChanged(() => this.#healNow(path)) ?? "left";
    });
  }

  async #healNow(path: string): Promise<Healed> {
    const { members, runtime } = this.#parts;
    const before = await members.look(path, members.readMin, {});
    const after = await this.bring(path, before);
    const newest = newestOf(after);
    if (after.length < members.all.length || !after.every((each) => isSettled(each, newest))) {
      return "left";
    }
    const isSame = before.every((each, i) => each === after[i]);
    if (newest.state?.removed) {
      const age = runtime.now() - timeOfVersion(newest.state.version);
      if (age >= 0 && age < REMOVAL_MS) return isSame ? "waiting" : "healed";
      if (!await this.purge(after)) return "left";
    }
    if (!this.isUnsettled(path)) return isSame ? "same" : "healed";
    return await this.#forget(path) ? "healed" : "left";
  }

  async #forget(path: string): Promise<boolean> {
    const { all } = this.#parts.members;
    const dropped = await Promise.all(all.map(async ({ notes }) => {
      const note = notes.known(path);
      return note === undefined || await notes.drop(path, note);
    }));
    if (!dropped.every(Boolean)) return false;
    this.#unsettled.delete(path);
    return true;
  }

  /** Gives the newest of these states to the members that have an older one; as they are afterwards. For who has the turn. */
  async bring(path: string, states: readonly MemberState[]): Promise<readonly MemberState[]> {
    const found = newestOf(states);
    if (states.every((each) => isSettled(each, found))) return states;
    const adopted = found.info === null || isMirrored(found.info)
      ? found
      : await unlessAwayOrChanged(
        () => this.#copy(path, found, found),
      );
    if (adopted === null) return states;
    return await Promise.all(states.map(async (each) => {
      if (each === found) return adopted;
      if (isSettled(each, adopted)) return each;
      return await unlessAwayOrChanged(() => this.#copy(path, adopted, each)) ?? each;
    }));
  }

  /** Puts what one member has over what another has; null where it had to be taken away again. Onto itself, it becomes the mirror's. */
  async #copy(path: string, from: MemberState, to: MemberState): Promise<MemberState | null> {
    const { info, member } = from;
    const { version, removed } = from.state!;
    const { size, contentType, metadata, tags } = info!;
    const body = removed
      ? removalBytes(version)
      : (await member.get(path, { match: info!.etag })).body;
    const state = from === to
      ? { version: adoptedVersion(version), removed }
      : { version, removed };
    const { done, failures, refusal } = await writeState([to], {
      call: { provider: to.member.provider, operation: "heal", path },
      state,
      description: { contentType, metadata, tags },
      body,
      size,
      bytesMax: to.member.capabilities.objectBytesMax,
      arbiter: null,
      least: 1,
      triesMax: 1, // who was faster knows more: what he has taken away must not come back
    });
    if (refusal !== null) throw refusal.error;
    if (done.length === 0) throw failures[0];
    return to.info === null ? await this.#confirmed(path, from, done[0]) : done[0];
  }

  /** What a member got that had nothing; null where it was replaced or removed since it was looked at, and is taken away again. */
  async #confirmed(path: string, from: MemberState, to: MemberState): Promise<MemberState | null> {
    // A conflict may have told of a newer one, which is somebody else's.
    if (!isSameState(to, from)) return to;
    if (isSameState(await stateAt(from.member, path), from)) return to;
    await to.member.delete(path, { match: to.info!.etag });
    return null;
  }

  /**
   * Takes away what stands for a removed object, where all members have that or nothing; false where one is away. The arbiter's
   * goes last: what is created then follows it, whichever member still has one.
   */
  async purge(states: readonly MemberState[]): Promise<boolean> {
    const { arbiter } = this.#parts.members;
    const [last, rest] = [true, false].map((isLast) => {
      return states.filter(({ member, state }) => {
        return state?.removed && (member === arbiter) === isLast;
      });
    });
    const drop = async ({ member, info }: MemberState) => {
      return await unlessAwayOrChanged(async () => {
        await member.delete(info!.path, { match: info!.etag });
        return true;
      }) ?? false;
    };
    const dropped = await Promise.all(rest.map(drop));
    return dropped.every(Boolean) && (await Promise.all(last.map(drop))).every(Boolean);
  }
}

/** True where nothing needs to be brought: nothing is as good as what stands for a removed object. */
export function isSettled(each: MemberState, newest: MemberState): boolean {
  return isSameState(each, newest) || (each.state === null && newest.state?.removed === true);
}

/** Null where a member fails, or somebody else is changing the path. */
function unlessAwayOrChanged<T>(call: () => Promise<T>): Promise<T | null> {
  return unless((error) => isFailure(error) || isConflict(error) || isMissing(error), call);
}
