import { objectError } from "../storage/object_body.ts";
import type {
  Abortable,
  ObjectDescription,
  ObjectInfo,
  ObjectStore,
} from "../storage/object_store.ts";
import { isUnavailable, unlessAway, unlessMissing } from "../storage/store_failures.ts";
import type { Change, Fallback, Stray } from "./failover_parts.ts";
import type { FailoverStrays } from "./failover_strays.ts";
import { chanceId, LATE_MAX, type NoteTime, type PathNote, type PathRemark } from "./path_notes.ts";
import type { PromptCalls } from "./prompt_calls.ts";

/** Times that others may note a path while it is changed. */
const TRIES_MAX = 5;
/** Paths of which is remembered what may come to the primary late. */
const LATE_PATHS_MAX = 1000;

/** What changes are made with. */
export interface FailoverChangeParts {
  readonly primary: ObjectStore;
  readonly fallbacks: readonly Fallback[];
  /** Calls of the primary that decide where a change is made. */
  readonly soon: PromptCalls;
  readonly strays: FailoverStrays;
  /** Who steps in: the first that can, or, of equals, the one that has least to do. */
  readonly choose: "first" | "balanced";
  /** Who took a path in place of the primary; null where it is at home. */
  displaced(path: string): Promise<Stray | null>;
}

/** What became of a try: it was made, or somebody else has noted the path, so that it is decided anew. */
type Tried<T> = { readonly done: T } | null;

/**
 * Changes at the primary, or at a fallback. There a change is noted first, over just the note that was known, and once more when it
 * is made: so whoever carries the path home meanwhile can drop neither note without being noticed, and none is written over
 * somebody's newer one.
 */
export class FailoverChanges {
  readonly #parts: FailoverChangeParts;
  /** Marks of changes that the primary did not answer, by path, the oldest first. */
  readonly #late = new Map<string, readonly string[]>();
  #asked = 0;

  /** Of these stores. */
  constructor(parts: FailoverChangeParts) {
    this.#parts = parts;
  }

  /** Makes a change; for who has the path's turn. */
  async make<T>(path: string, change: Change<T>): Promise<T> {
    const tried = await this.#untilDecided(path, async () => {
      const stray = await this.#parts.displaced(path);
      if (stray !== null) return await this.#changeStray(path, stray, change);
      return await this.#changeAtHome(path, change);
    });
    return tried.done;
  }

  /** Says something else of an object; null where there is none. */
  async describe(path: string, change: ObjectDescription & Abortable): Promise<ObjectInfo | null> {
    const { displaced, primary } = this.#parts;
    const { done } = await this.#untilDecided<ObjectInfo | null>(path, async () => {
      const stray = await displaced(path);
      if (stray === null) {
        // What is described counts as new: it must not be older than what a fallback has.
        this.#refuseUnseen(path);
        return { done: await primary.describe(path, change) };
      }
      if (stray.note.removed) return { done: null };
      // What is described stays as old as it is: there may be a newer state at home that cannot be seen now.
      const { since, until } = stray.note;
      return await this.#renewing(path, stray, {
        time: { since, until },
        make: () => stray.fallback.store.describe(path, change),
      });
    });
    return done;
  }

  async #untilDecided<T>(path: string, attempt: () => Promise<Tried<T>>): Promise<{ done: T }> {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const tried = await attempt();
      if (tried !== null) return tried;
    }
    throw this.#refusal(path, "somebody else is changing it");
  }

  #refusal(path: string, why: string) {
    const { provider } = this.#parts.primary;
    return objectError("unavailable", { provider, operation: "change", path }, why);
  }

  async #changeAtHome<T>(path: string, change: Change<T>): Promise<Tried<T>> {
    const { primary, soon } = this.#parts;
    if (change.removed) await this.#dropOutdated(path);
    if (change.isConditional) return { done: await change.at(primary) };
    const id = chanceId();
    try {
      // A stream can be given to one store only: who takes it is found out first.
      if (!change.isOnce) {
        const at = (signal: AbortSignal) => change.at(primary, { signal, id });
        return { done: await soon.ask(change, at) };
      }
      const { signal } = change;
      await soon.ask({ signal }, (signal) => primary.head(path, { signal }));
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      if (!change.isOnce) this.#mayComeLate(path, id);
      return await this.#stepIn(path, change, error);
    }
    return { done: await change.at(primary) };
  }

  #mayComeLate(path: string, id: string): void {
    const ids = this.#lateAt(path);
    this.#late.delete(path);
    this.#late.set(path, [...ids, id].slice(-LATE_MAX));
    const [oldest] = this.#late.keys();
    if (this.#late.size > LATE_PATHS_MAX) this.#late.delete(oldest);
  }

  #lateAt(path: string, noted: readonly string[] = []): readonly string[] {
    return [...new Set([...noted, ...this.#late.get(path) ?? []])];
  }

  async #changeStray<T>(path: string, stray: Stray, change: Change<T>): Promise<Tried<T>> {
    const { fallback: { store, notes }, note } = stray;
    if (change.isConditional && (note.removed || change.removed)) {
      throw this.#refusal(path, "its condition can only be checked where it belongs");
    }
    if (!change.removed && !note.removed) {
      return await this.#renewing(path, stray, { make: () => change.at(store) });
    }
    const late = this.#lateAt(path, note.late);
    if (change.removed) {
      const isNoted = await notes.replace(path, note, { removed: true, late }) !== null;
      return isNoted ? { done: await change.at(store) } : null;
    }
    // Who has removed it since the last look would seem to come after this.
    if ((await notes.lookAt(path))?.etag !== note.etag) return null;
    // It stays removed until there is something: a note without an object would say that nothing has happened.
    const done = await change.at(store);
    await this.#confirm(path, stray.fallback, { announced: note, late });
    return { done };
  }

  /** Changes what a fallback has: until that is done, the note speaks for the state before, as old as it is. */
  async #renewing<T>(
    path: string,
    { fallback, note }: Stray,
    { make, time }: { readonly make: () => Promise<T>; readonly time?: NoteTime },
  ): Promise<Tried<T>> {
    const { since, until } = note;
    const late = this.#lateAt(path, note.late);
    const remark = { removed: false, late, time: { since, until } };
    const announced = await fallback.notes.replace(path, note, remark);
    if (announced === null) return null;
    const done = await unlessMissing(make);
    if (done === null) return null; // it was carried home
    await this.#confirm(path, fallback, { announced, late, time });
    return { done };
  }

  /** Notes that what was announced is there, unless somebody has noted something newer meanwhile. */
  async #confirm(
    path: string,
    { store, notes }: Fallback,
    { announced, late, time }: Pick<PathRemark, "time" | "late"> & { readonly announced: PathNote },
  ): Promise<void> {
    let there: PathNote | null = announced;
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const remark = { removed: false, late, time };
      const noted = await notes.replace(path, there, remark);
      if (noted !== null) {
        // Who was removing it may have taken this away, too: then that came later.
        const isUnsure = there === null || there.removed;
        if (!isUnsure || await store.head(path) !== null) return;
        if (there === null) throw this.#refusal(path, "somebody else has taken it away");
        await notes.replace(path, noted, { removed: true, late });
        return;
      }
      // Dropped by who saw nothing there yet, or carried home what was there before.
      there = notes.known(path) ?? null;
      if (there === null) continue;
      // Else it is somebody's who keeps the state before as old as it is.
      const isNewer = there.removed || there.since > announced.since;
      if (isNewer || time !== undefined) return;
    }
    throw this.#refusal(path, "somebody else is changing it");
  }

  /** Notes that the state at home has outlived would speak for the path when that is gone. */
  async #dropOutdated(path: string): Promise<void> {
    this.#refuseUnseen(path);
    for (const { notes } of this.#parts.fallbacks) {
      const note = (await notes.all()).get(path);
      const isDropped = note === undefined || await notes.drop(path, note);
      if (!isDropped) throw this.#refusal(path, "somebody else is changing it");
    }
  }

  #refuseUnseen(path: string): void {
    if (this.#parts.fallbacks.every(({ notes }) => notes.isFresh)) return;
    throw this.#refusal(path, "what a fallback may have taken cannot be seen now");
  }

  async #stepIn<T>(path: string, change: Change<T>, failure: unknown): Promise<Tried<T>> {
    let last = failure;
    for (const fallback of this.#inOrder()) {
      fallback.askedAt = ++this.#asked;
      fallback.busy++;
      let isNoted = false;
      try {
        const announced = await this.#announced(path, fallback, change);
        if (announced === null) {
          // What is noted there is newer than what is at home, or has to go.
          await unlessAway(() => this.#parts.strays.bringHome(path));
          return null;
        }
        isNoted = true;
        const done = await change.at(fallback.store);
        const { late = [] } = announced;
        if (!change.removed) await this.#confirm(path, fallback, { announced, late });
        return { done };
      } catch (error) {
        if (!isUnavailable(error) || (isNoted && change.isOnce)) throw error;
        last = error;
      } finally {
        fallback.busy--;
      }
    }
    throw last;
  }

  #inOrder(): readonly Fallback[] {
    const { choose, fallbacks } = this.#parts;
    if (choose === "first") return fallbacks;
    return fallbacks.toSorted((a, b) => a.busy - b.busy || a.askedAt - b.askedAt);
  }

  /** The note of a change that a fallback is about to take; null where there is one that speaks for what it has. */
  async #announced(
    path: string,
    fallback: Fallback,
    { removed }: Pick<Change<unknown>, "removed">,
  ): Promise<PathNote | null> {
    const { notes } = fallback;
    if (!await this.#parts.strays.clear(path, fallback)) return null;
    // One without an object: the change that it announced never came.
    const known = notes.known(path) ?? null;
    return await notes.replace(path, known, { removed, late: this.#lateAt(path, known?.late) });
  }
}
