import { unlessAway } from "../storage/store_failures.ts";
import type { Abortable, ObjectStore } from "../storage/object_store.ts";
import type { PathNote, PathNotes } from "./path_notes.ts";
import type { PromptCall } from "./prompt_calls.ts";

/** A store that steps in, with what it took. */
export interface Fallback {
  readonly store: ObjectStore;
  readonly notes: PathNotes;
  /** Changes that it is taking. */
  busy: number;
  /** When it was asked last to take one, counted in such questions. */
  askedAt: number;
}

/** How others step in. */
export interface FailoverOptions {
  readonly now: () => number;
  /** Milliseconds that a change waits for the primary, beside the time that its bytes take; 5,000 unless given. */
  readonly timeLimitMs?: number;
  /** Who steps in: the first that can, unless given; or, of equals, the one that has least to do. */
  readonly choose?: "first" | "balanced";
}

/** A path that is not at home. */
export interface Stray {
  readonly fallback: Fallback;
  readonly note: PathNote;
}

/** A put or delete, wherever it happens. */
export interface Change<T> extends PromptCall {
  readonly removed: boolean;
  readonly isConditional: boolean;
  /** Its body is a stream. */
  readonly isOnce: boolean;
  /** Makes it; `id` marks what is put. */
  at(store: ObjectStore, options?: Abortable & { readonly id?: string }): Promise<T>;
}

/** What can be seen of notes on a path, newest first. */
export async function notesOn(path: string, fallbacks: readonly Fallback[]): Promise<Stray[]> {
  const strays: Stray[] = [];
  for (const fallback of fallbacks) {
    const note = (await unlessAway(() => fallback.notes.all()))?.get(path);
    if (note !== undefined) strays.push({ fallback, note });
  }
  return strays.sort((a, b) => b.note.since - a.note.since);
}

/** There are notes on a path beside these, or that cannot be said. */
export async function hasUnseen(
  path: string,
  fallbacks: readonly Fallback[],
  seen: readonly Stray[],
): Promise<boolean> {
  for (const { notes } of fallbacks) {
    if (!notes.isFresh) return true;
    const etag = (await notes.all()).get(path)?.etag;
    const isIt = ({ fallback, note }: Stray) => fallback.notes === notes && note.etag === etag;
    if (etag !== undefined && !seen.some(isIt)) return true;
  }
  return false;
}
