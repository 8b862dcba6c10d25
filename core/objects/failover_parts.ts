import type { ObjectStore } from "../storage/object_store.ts";
import type { PathNote, PathNotes } from "./path_notes.ts";
import type { PromptCall } from "./prompt_calls.ts";

/** A store that steps in, with what it took. */
export interface Fallback {
  readonly store: ObjectStore;
  readonly notes: PathNotes;
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
