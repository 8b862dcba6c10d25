import type { VaultError } from "../errors.ts";
import { type ObjectCall, objectError, sizedChunks } from "../storage/object_body.ts";
import type {
  Abortable,
  ObjectBody,
  ObjectDescription,
  ObjectInfo,
  WriteCondition,
} from "../storage/object_store.ts";
import { isConflict } from "../storage/store_failures.ts";
import { eitherSignal, timeFor, within } from "../storage/time_limit.ts";
import { isFailure, type MirrorMember } from "./mirror_member.ts";
import { isSameState, type MemberState, memberState, stateAt } from "./mirror_members.ts";
import { marked, type Versioned } from "./mirror_version.ts";
import { type BodyBranch, SharedBody } from "./shared_body.ts";

/** Bytes that a member may still be sending when it has taken the last chunk. */
const UNSENT_BYTES_MAX = 8 * 1024 * 1024;

/** A state that members get. */
export interface MirrorWrite extends Abortable {
  readonly call: ObjectCall;
  readonly state: Versioned;
  readonly description: ObjectDescription;
  readonly body: ObjectBody;
  /** Bytes of the body, where they are known. */
  readonly size?: number;
  readonly bytesMax: number;
  /** Decides by its own condition whether the write takes place; the others get it only then. */
  readonly arbiter: MirrorMember | null;
  /** Members that must take it. */
  readonly least: number;
  /** Times that bytes are tried where somebody else is faster at a member; the arbiter, and a stream, are tried once. */
  readonly triesMax: number;
}

/** What a write came to. */
export interface MirrorOutcome {
  /** Members that have the state, or a newer one. */
  readonly done: readonly MemberState[];
  /** Members that failed. */
  readonly failures: readonly VaultError[];
  /** Why it cannot take place at all; null where nothing says so. */
  readonly refusal: { readonly error: unknown } | null;
}

/** Writes a state over those that members were seen to have; never over another one. */
export async function writeState(
  before: readonly MemberState[],
  write: MirrorWrite,
): Promise<MirrorOutcome> {
  const { body } = write;
  if (!(body instanceof Uint8Array)) return await writeStream(before, { ...write, body });
  const put = (each: MemberState) => {
    return replace(each, write, (condition) => putAt(each.member, body, { ...write, condition }));
  };
  const { arbiter } = write;
  const [first] = await settle(before.filter(({ member }) => member === arbiter), put);
  if (first?.status === "rejected") return outcomeOf([first]);
  const rest = await settle(before.filter(({ member }) => member !== arbiter), put);
  return outcomeOf(first === undefined ? rest : [first, ...rest]);
}

function settle(
  states: readonly MemberState[],
  put: (state: MemberState) => Promise<MemberState>,
): Promise<PromiseSettledResult<MemberState>[]> {
  return Promise.allSettled(states.map(put));
}

function outcomeOf(results: readonly PromiseSettledResult<MemberState>[]): MirrorOutcome {
  const done: MemberState[] = [];
  const failures: VaultError[] = [];
  let refusal: MirrorOutcome["refusal"] = null;
  for (const result of results) {
    if (result.status === "fulfilled") done.push(result.value);
    else if (isFailure(result.reason)) failures.push(result.reason);
    else refusal ??= { error: result.reason };
  }
  return { done, failures, refusal };
}

type Placed = MirrorWrite & { readonly condition: WriteCondition };

function putAt(member: MirrorMember, body: ObjectBody, write: Placed): Promise<ObjectInfo> {
  const { call, description, state, size, condition, signal } = write;
  const metadata = marked(description.metadata ?? {}, state);
  return member.put(call.path, body, { ...description, metadata, size, ...condition, signal });
}

/** Puts a state over the one that a member has, whatever that is meanwhile, unless it is newer. */
async function replace(
  before: MemberState,
  { call, state, arbiter, body, signal, ...write }: MirrorWrite,
  put: (condition: WriteCondition) => Promise<ObjectInfo>,
): Promise<MemberState> {
  const { member } = before;
  const isDeciding = member === arbiter;
  const triesMax = isDeciding || !(body instanceof Uint8Array) ? 1 : write.triesMax;
  let known = before;
  for (let tries = 1;; tries++) {
    const expected = known;
    const conflict = await unlessConflict(async () => {
      known = memberState(member, await put(conditionOf(expected)));
    });
    if (conflict !== null) known = await stateAt(member, call.path, { signal });
    const version = known.state?.version ?? "";
    // A retried call may take another's equal bytes for its own, and its own for another's.
    if (version === state.version || (!isDeciding && version > state.version)) return known;
    if (tries < triesMax) continue;
    if (conflict !== null && (isDeciding || isSameState(known, expected))) throw conflict;
    throw objectError(isDeciding ? "conflict" : "unavailable", call, "others change it too");
  }
}

/** The conflict that a call ends with; null where it does not. */
async function unlessConflict(call: () => Promise<void>): Promise<VaultError | null> {
  try {
    await call();
    return null;
  } catch (error) {
    if (isConflict(error)) return error;
    throw error;
  }
}

function conditionOf({ info }: MemberState): WriteCondition {
  return info === null ? { create: true } : { match: info.etag };
}

/** Gives a stream to all members at once. The arbiter gets the end of it first: who does not get the end stores nothing. */
async function writeStream(
  before: readonly MemberState[],
  write: MirrorWrite & { readonly body: ReadableStream<Uint8Array> },
): Promise<MirrorOutcome> {
  const { call, size, bytesMax: most, signal, arbiter, least } = write;
  const milliseconds = Math.max(...before.map(({ member }) => member.milliseconds));
  const read = (ending: AbortSignal) => {
    return sizedChunks(write.body, { call, size, most, signal: eitherSignal(ending, signal) });
  };
  const shared = new SharedBody(read, { milliseconds, least });
  const decided = Promise.withResolvers<void>();
  decided.promise.catch(() => {}); // there may be nobody who waits for it
  const passing = Promise.withResolvers<void>();
  const ways = before.map(async (each) => {
    const isDeciding = each.member === arbiter;
    const branch = shared.branch(isDeciding || arbiter === null ? undefined : decided.promise);
    const putting = putBranch(each, branch, { ...write, passed: passing.promise });
    if (isDeciding) putting.then(() => decided.resolve(), decided.reject);
    return await putting;
  });
  const passed = shared.pass();
  passed.then(passing.resolve, passing.reject);
  const results = await Promise.allSettled(ways);
  const source = await passed.then(() => null, (error: unknown) => ({ error }));
  const outcome = outcomeOf(results);
  if (source === null || isFailure(source.error)) return outcome;
  return { ...outcome, refusal: source };
}

async function putBranch(
  before: MemberState,
  branch: BodyBranch,
  write: MirrorWrite & { readonly passed: Promise<void> },
): Promise<MemberState> {
  const { member } = before;
  const ending = new AbortController();
  const signal = eitherSignal(ending.signal, write.signal);
  const put = replace(
    before,
    write,
    (condition) => putAt(member, branch.stream, { ...write, condition, signal }),
  );
  const milliseconds = timeFor(UNSENT_BYTES_MAX, member.milliseconds);
  const late = write.passed.then(() => within({ milliseconds }, () => put), () => put);
  try {
    return await Promise.race([put, late, branch.broken]);
  } catch (error) {
    branch.fail(error);
    ending.abort(error);
    put.catch(() => {}); // it may end later than it is waited for
    late.catch(() => {});
    throw member.failed(error);
  } finally {
    branch.leave();
  }
}
