import type { ObjectStore } from "../storage/object_store.ts";
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
  at(store: ObjectStore, signal?: AbortSignal): Promise<T>;
}
