import { systemRuntime } from "../runtime.ts";
import { collectBody } from "../storage/object_body.ts";
import { isObjectPath } from "../storage/object_path.ts";
import { inParallel } from "../storage/parallel.ts";
import { listObjects, type ObjectStore, type WriteCondition } from "../storage/object_store.ts";
import { isConflict, unless, unlessChanged, unlessMissing } from "../storage/store_failures.ts";

/** A path of 1,024 bytes, each of them escaped, and the rest. */
const NOTE_BYTES_MAX = 8192;
/** Notes that are read at once. */
const READ_AT_ONCE = 8;

/** Changes that a note remembers: of more, the last ones. */
export const LATE_MAX = 8;
const NAME_FORM = /^[0-9a-f]{64}$/;
const LATE_FORM = /^[0-9a-f]{1,32}$/;
/** What providers tell a time by that have no milliseconds. */
const SECOND_MS = 1000;

/** What is said of a path. */
export interface PathRemark {
  /** The path is gone; else there is something. */
  readonly removed: boolean;
  /** Changes that were tried where the path belongs, and may still come there: what this note stands for is newer. */
  readonly late?: readonly string[];
  /** Of a note that another one replaces, whose state this one still speaks for; else when it is noted. */
  readonly time?: NoteTime;
}

/** When something was noted. */
export interface NoteTime {
  /** In milliseconds since 1970. */
  readonly since: number;
  /** The last moment at which that may have been: some providers tell whole seconds. */
  readonly until: number;
}

/** A note on a path, as it lies in a store. */
export interface PathNote extends PathRemark, NoteTime {
  /** Of the note. */
  readonly etag: string;
}

interface NotedPath {
  readonly path: string;
  readonly note: PathNote;
}

/**
 * Notes of what is not yet where it belongs: for each path an object of its own, written before the change itself, so that
 * nothing is ever overlooked. Its name is a hash: paths may lie below one another, and be as long as they may.
 */
export class PathNotes {
  readonly #store: ObjectStore;
  readonly #prefix: string;
  #known: Map<string, PathNote> | null = null;
  /** As the last look has found them, by the names of their objects: what has not changed is not read again. */
  #seen: ReadonlyMap<string, NotedPath> = new Map();
  #isFresh = false;
  /** Until a time was seen that says otherwise. */
  #tellsSeconds = true;
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
    const [found, seen] = [new Map<string, PathNote>(), new Map<string, NotedPath>()];
    const listed = this.#listed();
    await inParallel(listed, { atOnce: () => READ_AT_ONCE }, async ({ path: name, etag }) => {
      const before = this.#seen.get(name);
      const noted = before?.note.etag === etag ? before : await this.#read(name);
      if (noted === null) return;
      seen.set(name, noted);
      found.set(noted.path, noted.note);
    });
    this.#seen = seen;
    // What was changed here meanwhile may have been looked at before.
    for (const [path, note] of this.#changed) {
      if (note === null) found.delete(path);
      else found.set(path, note);
    }
    this.#isFresh = true;
    return this.#known = found;
  }

  /** Objects that may be notes: others are there that say something else. */
  async *#listed() {
    for await (const object of listObjects(this.#store, this.#prefix)) {
      if (NAME_FORM.test(object.path.slice(this.#prefix.length))) yield object;
    }
  }

  #change(path: string, note: PathNote | null): void {
    this.#changed.set(path, note);
    if (note === null) this.#known?.delete(path);
    else this.#known?.set(path, note);
  }

  /** A note with its path; null where it went away meanwhile. */
  #read(name: string): Promise<NotedPath | null> {
    return unlessMissing(async () => {
      const { info: { lastModified, etag }, body } = await this.#store.get(name);
      const call = { provider: this.#store.provider, operation: "read note", path: name };
      const bytes = await collectBody(body, { call, most: NOTE_BYTES_MAX });
      const said = decodeNote(bytes);
      if (said === null) return null;
      const { path, ...remark } = said;
      // It would be a note on a note.
      if (path.startsWith(this.#prefix)) return null;
      return { path, note: { ...remark, ...this.#timeOf(lastModified, remark.time), etag } };
    });
  }

  #timeOf(lastModified: Date, told: NoteTime | undefined): NoteTime {
    const since = lastModified.getTime();
    if (since % SECOND_MS !== 0) this.#tellsSeconds = false;
    return told ?? { since, until: this.#tellsSeconds ? since + SECOND_MS - 1 : since };
  }

  /** What is noted of one path now, whatever was known; null where nothing is. */
  async lookAt(path: string): Promise<PathNote | null> {
    const noted = await this.#read(await this.#nameOf(path));
    const note = noted?.path === path ? noted.note : null;
    this.#change(path, note);
    return note;
  }

  async #nameOf(path: string): Promise<string> {
    const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(path));
    return this.#prefix + new Uint8Array(hash).toHex();
  }

  /** Notes a path, before anything is changed there, whatever was noted. */
  async note(path: string, remark: PathRemark): Promise<void> {
    await this.#put(path, remark, {});
  }

  /** The same, over just this note, or over none (null); null where another one is there, which is known then. */
  async replace(
    path: string,
    known: PathNote | null,
    remark: PathRemark,
  ): Promise<PathNote | null> {
    const condition = known === null ? { create: true as const } : { match: known.etag };
    const note = await unless(isConflict, () => this.#put(path, remark, condition));
    if (note === null) await this.lookAt(path);
    return note;
  }

  async #put(
    path: string,
    { removed, late: all = [], time }: PathRemark,
    condition: WriteCondition,
  ): Promise<PathNote> {
    // No two are equal: some providers make etags of bytes alone, and a note that replaced another one must not pass for it.
    const id = chanceId();
    const late = all.slice(-LATE_MAX);
    const bytes = new TextEncoder().encode(JSON.stringify({ path, removed, late, time, id }));
    const contentType = "application/json";
    const name = await this.#nameOf(path);
    const { lastModified, etag } = await this.#store.put(name, bytes, {
      contentType,
      ...condition,
    });
    const note = { removed, late, ...this.#timeOf(lastModified, time), etag };
    this.#change(path, note);
    return note;
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

/** Tells a note, or a change, from all others. */
export function chanceId(): string {
  const chance = new Uint8Array(8);
  systemRuntime.random(chance);
  return chance.toHex();
}

/** What a note says; null where it is none. */
function decodeNote(bytes: Uint8Array): PathRemark & { readonly path: string } | null {
  try {
    const { path, removed, late = [], time } = JSON.parse(new TextDecoder().decode(bytes));
    const isNote = typeof path === "string" && isObjectPath(path) && typeof removed === "boolean";
    const isKnown = (id: unknown) => typeof id === "string" && LATE_FORM.test(id);
    const areKnown = Array.isArray(late) && late.length <= LATE_MAX && late.every(isKnown);
    const isTime = time === undefined ||
      (Number.isSafeInteger(time.since) && Number.isSafeInteger(time.until));
    return isNote && areKnown && isTime ? { path, removed, late, time } : null;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return null;
    throw error;
  }
}
