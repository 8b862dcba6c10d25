import { VaultError } from "../errors.ts";
import type { Runtime } from "../runtime.ts";
import type { ObjectCall } from "../storage/object_body.ts";
import type {
  Abortable,
  ObjectBody,
  ObjectDescription,
  ObjectInfo,
  WriteCondition,
} from "../storage/object_store.ts";
import { hasCondition, requireCondition } from "../storage/store_calls.ts";
import { isSettled, type MirrorHealing } from "./mirror_healing.ts";
import {
  isSameState,
  type MemberState,
  type MirrorMembers,
  newestOf,
  stateAt,
} from "./mirror_members.ts";
import { nextVersion, removalBytes } from "./mirror_version.ts";
import { type MirrorOutcome, writeState } from "./mirror_writes.ts";

/** Times that others may change a path while it is made the same, or be faster at a member. */
const TRIES_MAX = 5;

/** What is to be at a path. */
export interface MirrorChange extends Abortable {
  readonly call: ObjectCall;
  readonly condition: WriteCondition;
  readonly description: ObjectDescription;
  /** Null: nothing is to be there. */
  readonly body: ObjectBody | null;
  /** Bytes of the body, where they are known. */
  readonly size?: number;
  readonly bytesMax: number;
}

/** What changes need. */
export interface ChangeParts {
  readonly members: MirrorMembers;
  readonly healing: MirrorHealing;
  readonly runtime: Runtime;
}

/** Changes of a mirror: one version at as many members as possible. */
export class MirrorChanges {
  readonly #parts: ChangeParts;

  /** Of these members. */
  constructor(parts: ChangeParts) {
    this.#parts = parts;
  }

  /** Makes it so; for who has the path's turn. Null: there was nothing to remove. */
  async make(change: MirrorChange): Promise<ObjectInfo | null> {
    const { call, body, condition, signal } = change;
    const removed = body === null;
    const isConditional = hasCondition(condition);
    const before = await this.#stateBefore(call, isConditional, { signal });
    const newest = newestOf(before);
    const known = newest.state?.removed ? null : newest.state;
    requireCondition(call, condition, known && { etag: known.version });
    const isWhole = before.length === this.#parts.members.all.length;
    // Who does not answer may have something that was never acknowledged.
    const isDoubted = this.#parts.healing.isDoubted(call.path);
    const isNothing = isWhole && !isDoubted && before.every(({ info }) => info === null);
    if (removed && isNothing) return null;
    const source = { runtime: this.#parts.runtime, isConditional };
    const state = { version: nextVersion(newest.state?.version ?? null, source), removed };
    const outcome = await writeState(before, {
      ...change,
      state,
      body: body ?? removalBytes(state.version),
      arbiter: isConditional ? this.#parts.members.arbiter : null,
      least: this.#parts.members.writeMin,
      triesMax: TRIES_MAX,
    });
    // What failed, or was given up, may be done yet.
    const isKnown = outcome.failures.length === 0 && signal?.aborted !== true;
    if (!isKnown) this.#parts.healing.doubt(call.path);
    await this.#settle(change, { before, outcome, version: state.version });
    const isSame = isWhole && before.every((each) => isSameState(each, newest));
    const has = (each: MemberState) => each.state?.version === state.version;
    if (removed && isSame && outcome.done.length === before.length && outcome.done.every(has)) {
      const isGone = !isDoubted && await this.#parts.healing.purge(outcome.done);
      if (!isGone) await this.#note(call, outcome.done);
    }
    return (outcome.done.find(has) ?? outcome.done[0]).info;
  }

  /** What enough members have. For a condition they are made the same first, and the one that decides must be there. */
  async #stateBefore(
    { path }: ObjectCall,
    isConditional: boolean,
    { signal }: Abortable,
  ): Promise<readonly MemberState[]> {
    const { members, healing } = this.#parts;
    const { arbiter, writeMin } = members;
    for (let tries = 1;; tries++) {
      const states = await members.look(path, writeMin, { signal });
      if (!isConditional) return states;
      if (!states.some(({ member }) => member === arbiter)) {
        states.unshift(await stateAt(arbiter, path, { signal }));
      }
      const same = await healing.bring(path, states);
      if (isSettled(same.find(({ member }) => member === arbiter)!, newestOf(same))) return same;
      // Others may have changed it since it was looked at.
      if (tries < TRIES_MAX) continue;
      const what = `Cannot change ${JSON.stringify(path)}`;
      const why = `"${arbiter.name}", which decides, lacks its newest state`;
      throw new VaultError("unavailable", `${what}: ${why}`);
    }
  }

  #note({ path }: ObjectCall, states: readonly MemberState[]): Promise<void> {
    return this.#parts.healing.note(path, states.map(({ member }) => member));
  }

  /** Throws where too few members have a change; notes where not all have it. */
  async #settle(
    { call, signal }: MirrorChange,
    { before, outcome, version }: {
      readonly before: readonly MemberState[];
      readonly outcome: MirrorOutcome;
      readonly version: string;
    },
  ): Promise<void> {
    const { done, failures, refusal } = outcome;
    const { all, writeMin } = this.#parts.members;
    // Where none has it, one may have it that did not answer.
    const noting = done.length > 0 ? done : before;
    if (refusal !== null) {
      // A call that was given up may have been done.
      const isKnown = failures.length === 0 && signal?.aborted !== true;
      const own = done.filter((each) => each.state?.version === version);
      const isUndone = isKnown && await this.#undone(call, before, own);
      if (!isUndone) await this.#note(call, noting);
      throw refusal.error;
    }
    if (done.length < all.length) await this.#note(call, noting);
    if (done.length >= writeMin) return;
    signal?.throwIfAborted();
    const what = `${call.operation} ${JSON.stringify(call.path)}`;
    throw this.#parts.members.tooFew(what, done.length, writeMin, failures);
  }

  /** Takes back what a refused change made; false where it replaced something. */
  async #undone(
    { path }: ObjectCall,
    before: readonly MemberState[],
    done: readonly MemberState[],
  ): Promise<boolean> {
    const undo = async ({ member, info }: MemberState) => {
      const was = before.find((each) => each.member === member);
      if (was === undefined || was.info !== null || info === null) return false;
      await member.delete(path, { match: info.etag });
      return true;
    };
    const settled = await Promise.allSettled(done.map(undo));
    return settled.every((each) => each.status === "fulfilled" && each.value);
  }
}
