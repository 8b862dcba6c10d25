import { VaultError } from "../errors.ts";
import { unlessChanged } from "../storage/store_failures.ts";
import { collectBody } from "../storage/object_body.ts";
import { listObjects, type ObjectStore } from "../storage/object_store.ts";

/** Notes lie below it, at the path that they are about. */
export const NOTES_PREFIX = ".sigmavault-displaced/";
const NOTE_BYTES_MAX = 4096;

/** What a store holds in place of another one. */
export interface Displaced {
  /** The path is gone; else the store has what belongs there. */
  readonly removed: boolean;
  /** When it was noted, in milliseconds since 1970. */
  readonly since: number;
  /** Of the note. */
  readonly etag: string;
}

/**
 * What a store took in place of another: for each path an object of its own, written before the change itself, so that nothing
 * that was taken is ever overlooked.
 */
export class DisplacedNotes {
  readonly #store: ObjectStore;
  #known: Map<string, Displaced> | null = null;
  #isFresh = false;
  #looking: Promise<ReadonlyMap<string, Displaced>> | null = null;
  /** Since the last look began. */
  readonly #changed = new Map<string, Displaced | null>();

  /** In this store. */
  constructor(store: ObjectStore) {
    this.#store = store;
  }

  /** All of them, as they were when they were last looked for. */
  async all(): Promise<ReadonlyMap<string, Displaced>> {
    return this.#known ?? await this.look();
  }

  /** True where the last look at them succeeded. */
  get isFresh(): boolean {
    return this.#isFresh;
  }

  /** Looks for them anew: others may have made some. Whoever asks meanwhile waits for the same look. */
  look(): Promise<ReadonlyMap<string, Displaced>> {
    return this.#looking ??= this.#lookNow().finally(() => this.#looking = null);
  }

  async #lookNow(): Promise<ReadonlyMap<string, Displaced>> {
    this.#isFresh = false;
    this.#changed.clear();
    const found = new Map<string, Displaced>();
    for await (const { path } of listObjects(this.#store, NOTES_PREFIX)) {
      const note = await this.#read(path);
      if (note !== null) found.set(path.slice(NOTES_PREFIX.length), note);
    }
    // What was changed here meanwhile may have been looked at before.
    for (const [path, note] of this.#changed) {
      if (note === null) found.delete(path);
      else found.set(path, note);
    }
    this.#isFresh = true;
    return this.#known = found;
  }

  #change(path: string, note: Displaced | null): void {
    this.#changed.set(path, note);
    if (note === null) this.#known?.delete(path);
    else this.#known?.set(path, note);
  }

  /** A note; null where it went away meanwhile. */
  async #read(path: string): Promise<Displaced | null> {
    try {
      const { info: { lastModified, etag }, body } = await this.#store.get(path);
      const call = { provider: this.#store.provider, operation: "read note", path };
      const bytes = await collectBody(body, { call, most: NOTE_BYTES_MAX });
      return { removed: decodeNote(bytes) === true, since: lastModified.getTime(), etag };
    } catch (error) {
      if (error instanceof VaultError && error.kind === "missing") return null;
      throw error;
    }
  }

  /** Notes a path, before anything is changed there. */
  async note(path: string, removed: boolean): Promise<void> {
    const bytes = new TextEncoder().encode(JSON.stringify({ removed }));
    const contentType = "application/json";
    const { lastModified, etag } = await this.#store.put(NOTES_PREFIX + path, bytes, {
      contentType,
    });
    this.#change(path, { removed, since: lastModified.getTime(), etag });
  }

  /** Forgets a path; false where it was noted again meanwhile. */
  async drop(path: string, { etag }: Displaced): Promise<boolean> {
    const note = NOTES_PREFIX + path;
    const isDropped = await unlessChanged(() => this.#store.delete(note, { match: etag }));
    // Somebody else may have dropped it.
    if (!isDropped && await this.#store.head(note) !== null) return false;
    this.#change(path, null);
    return true;
  }
}

/** Whether a note says that its path is gone; null where it is none. */
function decodeNote(bytes: Uint8Array): boolean | null {
  try {
    const { removed } = JSON.parse(new TextDecoder().decode(bytes));
    return typeof removed === "boolean" ? removed : null;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return null;
    throw error;
  }
}
