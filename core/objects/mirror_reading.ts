import { VaultError } from "../errors.ts";
import { type ObjectCall, objectError } from "../storage/object_body.ts";
import type { Abortable, GetOptions, ObjectContent } from "../storage/object_store.ts";
import type { MirrorHealing } from "./mirror_healing.ts";
import { asMirrorError, isFailure, type MirrorMember, unlessFailure } from "./mirror_member.ts";
import {
  isSameState,
  type MemberState,
  memberState,
  type MirrorMembers,
  newestOf,
  stateAt,
} from "./mirror_members.ts";
import { shownInfo } from "./mirror_version.ts";
import type { MirrorWholeness } from "./mirror_wholeness.ts";
import { resumedBody } from "./resumed_body.ts";

/** Times that others may change an object between finding it and opening it. */
const TRIES_MAX = 10;

/** A state that may be open already. */
interface Found {
  readonly newest: MemberState;
  readonly content: ObjectContent | null;
}

/** An answer of a member, with the bytes where they were asked for. */
type Answer = MemberState & { readonly content?: ObjectContent };

/** Reads the newest state of those that enough members have. */
export class MirrorReading {
  readonly #members: MirrorMembers;
  readonly #healing: MirrorHealing;
  readonly #wholeness: MirrorWholeness;

  /** Tells `healing` where members differ. */
  constructor(members: MirrorMembers, healing: MirrorHealing, wholeness: MirrorWholeness) {
    this.#members = members;
    this.#wholeness = wholeness;
    this.#healing = healing;
  }

  /** What the mirror has at a path. */
  async find(path: string, { signal }: Abortable): Promise<MemberState> {
    return (await this.#ask(path, (member) => stateAt(member, path, { signal }))).newest;
  }

  /** Asks enough members that one of them has the newest acknowledged state; more where they are known to differ. */
  async #ask(
    path: string,
    ask: (member: MirrorMember, lane: number) => Promise<Answer>,
  ): Promise<Found> {
    const { readMin } = this.#members;
    const isUnsettled = this.#healing.isUnsettled(path);
    const count = isUnsettled ? this.#members.awake(readMin).length : readMin;
    const call = `read ${JSON.stringify(path)}`;
    const answers = await this.#members.answers({ call, least: readMin, count, ask });
    // One that is fresh, or was emptied, must not make the others' objects seem to be gone.
    if (newestOf(answers).state === null) answers.push(...await this.#askOthers(answers, ask));
    const newest: Answer = newestOf(answers);
    if (newest.state === null) await this.#requireKnown(path, answers);
    if (!answers.every((each) => isSameState(each, newest))) this.#healing.found(path);
    for (const { content } of answers) {
      if (content !== newest.content) await content?.body.cancel().catch(() => {});
    }
    return { newest, content: newest.content ?? null };
  }

  /** Throws `unavailable` where those that have nothing may lack what others have that cannot be asked. */
  async #requireKnown(path: string, answers: readonly Answer[]): Promise<void> {
    if (await this.#wholeness.isKnownBy(answers.map(({ member }) => member))) return;
    const what = `Cannot read ${JSON.stringify(path)}`;
    const why = "the members that answer were not filled yet, and others do not answer";
    throw new VaultError("unavailable", `${what}: ${why}; reconcile everything when they do`);
  }

  async #askOthers(
    answers: readonly Answer[],
    ask: (member: MirrorMember, lane: number) => Promise<Answer>,
  ): Promise<Answer[]> {
    const others = this.#members.all.filter((member) => {
      return !member.isAway && !answers.some((each) => each.member === member);
    });
    const more = await Promise.all(others.map((member) => {
      return unlessFailure(() => ask(member, answers.length));
    }));
    return more.filter((each) => each !== null);
  }

  /** Opens an object: at the first of those that are asked, if what it has is the newest. */
  async open(call: ObjectCall, options: GetOptions): Promise<ObjectContent> {
    const { match, signal, ...range } = options;
    for (let tries = 1;; tries++) {
      const { newest, content } = await this.#findOpen(call.path, { ...range, signal });
      const { member, info, state } = newest;
      if (state === null || state.removed) {
        await content?.body.cancel();
        throw objectError("missing", call, "there is no such object");
      }
      if (match !== undefined && match !== state.version) {
        await content?.body.cancel();
        throw objectError("conflict", call, "it has been changed");
      }
      try {
        const opened = content ??
          await member.get(call.path, { ...range, match: info!.etag, signal });
        const body = this.#resumed(call.path, { ...opened, version: state.version }, { signal });
        return { ...opened, info: shownInfo(opened.info), body };
      } catch (error) {
        if (!isPassing(error) || tries === TRIES_MAX) throw error;
      }
    }
  }

  async #findOpen(path: string, options: GetOptions): Promise<Found> {
    const opened: ObjectContent[] = [];
    const ask = async (member: MirrorMember, lane: number): Promise<Answer> => {
      if (lane > 0) return await stateAt(member, path, options);
      try {
        const content = await member.get(path, options);
        opened.push(content);
        return { ...memberState(member, content.info), content };
      } catch (error) {
        if (!(error instanceof VaultError)) throw error;
        if (error.kind === "missing") return memberState(member, null);
        // Its state may be another one, which does not reach so far.
        if (error.kind === "invalid") return await stateAt(member, path, options);
        throw error;
      }
    };
    try {
      return await this.#ask(path, ask);
    } catch (error) {
      for (const { body } of opened) await body.cancel().catch(() => {});
      throw error;
    }
  }

  /** The bytes of one state; where they stop coming from one member, the rest comes from another that has it. */
  #resumed(
    path: string,
    { body, offset, length, version }: ObjectContent & { readonly version: string },
    { signal }: Abortable,
  ): ReadableStream<Uint8Array> {
    let failures = 0;
    return resumedBody(body, {
      signal,
      reopen: async (cause, done) => {
        const error = asMirrorError(cause);
        if (!isFailure(error) || done === length || ++failures > this.#members.all.length) {
          throw error;
        }
        const rest = { offset: offset + done, length: length - done, signal };
        const again = await this.#openElsewhere(path, version, rest);
        if (again === null) throw error;
        return again;
      },
    });
  }

  async #openElsewhere(
    path: string,
    version: string,
    rest: GetOptions,
  ): Promise<ReadableStream<Uint8Array> | null> {
    for (const member of this.#members.ordered()) {
      try {
        const { info, state } = await stateAt(member, path, rest);
        if (state?.version !== version) continue;
        return (await member.get(path, { ...rest, match: info!.etag })).body;
      } catch (error) {
        if (!isPassing(error)) throw error;
      }
    }
    return null;
  }
}

/** True where another member, or another look, may do. */
function isPassing(error: unknown): boolean {
  const isChanged = error instanceof VaultError && ["conflict", "missing"].includes(error.kind);
  return isChanged || isFailure(error);
}
