import { collectBody } from "../storage/object_body.ts";
import { listObjects, type ObjectStore } from "../storage/object_store.ts";
import { unlessChanged, unlessMissing } from "../storage/store_failures.ts";

/** A path of 1,024 bytes, each of them escaped, and the rest. */
const NOTE_BYTES_MAX = 8192;

/** What is said of a path. */
export interface PathRemark {
  /** The path is gone; else there is something. */
  readonly removed: boolean;
  /** Which state of it that is, where those who note know. */
  readonly version?: string;
}

/** A note on a path, as it lies in a store. */
export interface PathNote extends PathRemark {
  /** When it was noted, in milliseconds since 1970. */
  readonly since: number;
  /** Of the note. */
  readonly etag: string;
}

/**
 * Notes of what is not yet where it belongs: for each path an object of its own, written before the change itself, so that
 * nothing is ever overlooked. Its name is a hash: paths may lie below one another, and be as long as they may.
 */
export class PathNotes {
  readonly #store: ObjectStore;
  readonly #prefix: string;
  #known: Map<string, PathNote> | null = null;
  #isFresh = false;
  #looking: Promise<ReadonlyMap<string, PathNote>> | null = null;
  /** Since the last look began. */
  readonly #changed = new Map<string, PathNote | null>();

  /** In this store, below a prefix that ends with a `/`. */
  constructor(store: ObjectStore, prefix: string) {
    this.#store = store;
    this.#prefix = prefix;
  }

  /** All of them, as they were when they were last looked for. */
  async all(): Promise<ReadonlyMap<string, PathNote>> {
    return this.#known ?? await this.look();
  }

  /** True where the last look at them succeeded. */
  get isFresh(): boolean {
    return this.#isFresh;
  }

  /** What is known of a path without a look; undefined where nothing is. */
  known(path: string): PathNote | undefined {
    return this.#known?.get(path);
  }

  /** Looks for them anew: others may have made some. Whoever asks meanwhile waits for the same look. */
  look(): Promise<ReadonlyMap<string, PathNote>> {
    return this.#looking ??= this.#lookNow().finally(() => this.#looking = null);
  }

  async #lookNow(): Promise<ReadonlyMap<string, PathNote>> {
    this.#isFresh = false;
    this.#changed.clear();
    const found = new Map<string, PathNote>();
    for await (const object of listObjects(this.#store, this.#prefix)) {
      const read = await this.#read(object.path);
      if (read !== null) found.set(...read);
    }
    // What was changed here meanwhile may have been looked at before.
    for (const [path, note] of this.#changed) {
      if (note === null) found.delete(path);
      else found.set(path, note);
    }
    this.#isFresh = true;
    return this.#known = found;
  }

  #change(path: string, note: PathNote | null): void {
    this.#changed.set(path, note);
    if (note === null) this.#known?.delete(path);
    else this.#known?.set(path, note);
  }

  /** The note on a path as it is now; null where there is none. */
  async read(path: string): Promise<PathNote | null> {
    const read = await this.#read(await this.#nameOf(path));
    const note = read !== null && read[0] === path ? read[1] : null;
    this.#change(path, note);
    return note;
  }

  /** A note with its path; null where it went away meanwhile. */
  #read(name: string): Promise<[path: string, note: PathNote] | null> {
    return unlessMissing(async () => {
      const { info: { lastModified, etag }, body } = await this.#store.get(name);
      const call = { provider: this.#store.provider, operation: "read note", path: name };
      const bytes = await collectBody(body, { call, most: NOTE_BYTES_MAX });
      const said = decodeNote(bytes);
      if (said === null) return null;
      const { path, ...remark } = said;
      return [path, { ...remark, since: lastModified.getTime(), etag }];
    });
  }

  async #nameOf(path: string): Promise<string> {
    const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(path));
    return this.#prefix + new Uint8Array(hash).toHex();
  }

  /** Notes a path, before anything is changed there. */
  async note(path: string, { removed, version }: PathRemark): Promise<void> {
    const bytes = new TextEncoder().encode(JSON.stringify({ path, removed, version }));
    const contentType = "application/json";
    const put = await this.#store.put(await this.#nameOf(path), bytes, { contentType });
    const { lastModified, etag } = put;
    this.#change(path, { removed, version, since: lastModified.getTime(), etag });
  }

  /** Forgets a path; false where it was noted again meanwhile. */
  async drop(path: string, { etag }: PathNote): Promise<boolean> {
    const name = await this.#nameOf(path);
    const isDropped = await unlessChanged(() => this.#store.delete(name, { match: etag }));
    // Somebody else may have dropped it.
    if (!isDropped && await this.#store.head(name) !== null) return false;
    this.#change(path, null);
    return true;
  }
}

/** What a note says; null where it is none. */
function decodeNote(bytes: Uint8Array): PathRemark & { readonly path: string } | null {
  try {
    const { path, removed, version } = JSON.parse(new TextDecoder().decode(bytes));
    const isNote = typeof path === "string" && typeof removed === "boolean" &&
      (version === undefined || typeof version === "string");
    return isNote ? { path, removed, version } : null;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return null;
    throw error;
  }
}
