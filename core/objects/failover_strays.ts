import { objectError, putContent } from "../storage/object_body.ts";
import type { ObjectInfo, ObjectStore } from "../storage/object_store.ts";
import { unlessAway, unlessChanged, unlessMissing } from "../storage/store_failures.ts";
import { CARRIED, CHANGE, timeOf } from "./carried.ts";
import { type Fallback, hasUnseen, notesOn, type Stray } from "./failover_parts.ts";
import type { PathNote } from "./path_notes.ts";
import type { PromptCalls } from "./prompt_calls.ts";

/** What strays are found and brought home with. */
export interface StrayParts {
  readonly primary: ObjectStore;
  readonly fallbacks: readonly Fallback[];
  /** Calls of the primary that decide where a path is. */
  readonly soon: PromptCalls;
}

/** Paths whose newest state is not at the primary: which they are, and how they come home. */
export class FailoverStrays {
  readonly #parts: StrayParts;

  /** Of these stores. */
  constructor(parts: StrayParts) {
    this.#parts = parts;
  }

  /** Who took a path in place of the primary, and what it noted; null where it is at home. */
  async find(path: string): Promise<Stray | null> {
    return await this.#newest(path, await notesOn(path, this.#parts.fallbacks));
  }

  async #newest(path: string, strays: readonly Stray[]): Promise<Stray | null> {
    for (const stray of strays) {
      const { fallback: { store, notes }, note } = stray;
      if (note.removed || await store.head(path) !== null) {
        return await this.#isNewerAtHome(path, stray) ? null : stray;
      }
      // A note without an object: the change that it announced never came. Or it has been removed since the note was seen.
      const now = await notes.lookAt(path);
      if (now !== null && now.etag !== note.etag) return await this.find(path);
    }
    return null;
  }

  /** Somebody may have put it at home who could not see the note. */
  async #isNewerAtHome(path: string, { note }: Stray): Promise<boolean> {
    const { primary, soon } = this.#parts;
    const head = (signal: AbortSignal) => primary.head(path, { signal });
    const home = await unlessAway(() => soon.ask({}, head));
    return home !== null && isNewer(home, note);
  }

  /** Takes away what lies at a fallback without a note that speaks for it, before one is written; false where there is such a note. */
  async clear(path: string, { store, notes }: Fallback): Promise<boolean> {
    const left = await store.head(path);
    if (left === null) return true;
    // Looked at after the object: whoever puts one has noted it before.
    if (await notes.lookAt(path) !== null) return false;
    return await unlessChanged(() => store.delete(path, { match: left.etag }));
  }

  /** True when a path is at home. What somebody changes meanwhile stays where it is until the next time. */
  async bringHome(path: string): Promise<boolean> {
    const { fallbacks } = this.#parts;
    const noted = await notesOn(path, fallbacks);
    // As it is before anything is carried: what comes later is somebody's change, and stays. So does what lies below a removal: it
    // may be about to be noted.
    const etags = new Map<Stray, string | undefined>();
    for (const stray of noted) {
      const { fallback: { store }, note } = stray;
      etags.set(stray, note.removed ? undefined : (await store.head(path))?.etag);
    }
    const newest = await this.#newest(path, noted);
    if (newest !== null) {
      const carry = () => this.#carryHome(path, newest, etags.get(newest));
      if (await unlessMissing(() => unlessChanged(carry)) !== true) return false;
    }
    // What came into sight meanwhile may be newer than what is at home now: its turn comes next time.
    if (await hasUnseen(path, fallbacks, noted)) return false;
    // The newest note goes last: until then an older one must not speak for the path.
    for (const stray of noted.toReversed()) {
      const { fallback: { store, notes }, note } = stray;
      if (!await notes.drop(path, note)) return false;
      const etag = etags.get(stray);
      if (etag !== undefined) await unlessChanged(() => store.delete(path, { match: etag }));
    }
    return true;
  }

  /** Throws `conflict` where either store is changed meanwhile. */
  async #carryHome(
    path: string,
    { fallback: { store, notes }, note }: Stray,
    etag: string | undefined,
  ): Promise<void> {
    const { primary } = this.#parts;
    const home = await primary.head(path);
    if (home !== null && isNewer(home, note)) return;
    if (note.removed) {
      if (home !== null) await primary.delete(path, { match: home.etag });
      return;
    }
    // Looked at after what is at home: who deletes that drops the note before.
    const isNoted = (await notes.lookAt(path))?.etag === note.etag;
    if (etag === undefined || !isNoted) {
      const call = { provider: store.provider, operation: "carry home", path };
      throw objectError("conflict", call, "it was changed meanwhile");
    }
    const { info, body } = await store.get(path, { match: etag });
    const metadata = { ...info.metadata, [CARRIED]: `${note.since}` };
    const condition = home === null ? { create: true as const } : { match: home.etag };
    await putContent(primary, path, { info: { ...info, metadata }, body }, condition);
  }
}

/** True where what is at home came after what was noted, as far as clocks tell; what was given up before, and came late, did not. */
function isNewer(home: ObjectInfo, { until, late = [] }: PathNote): boolean {
  return timeOf(home) > until && !late.includes(home.metadata[CHANGE]);
}
