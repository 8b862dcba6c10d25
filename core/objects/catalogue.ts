import type { ObjectInfo } from "../storage/object_store.ts";

/** A file, and where it lies. */
export interface CataloguedFile extends ObjectInfo {
  /** Name of the provider that holds it. */
  readonly provider: string;
}

/** A path at a provider. */
export interface FilePlace {
  /** Name of the provider. */
  readonly provider: string;
  /** Path of the file. */
  readonly path: string;
}

/** Bounds, both included. */
export interface Between<T> {
  /** Not below it. */
  readonly min?: T;
  /** Not above it. */
  readonly max?: T;
}

/** What is searched for: what fits all that is given. */
export interface SearchQuery {
  /** Each of these tags with just this value. */
  readonly tags?: Readonly<Record<string, string>>;
  /** Each of these names with just this value. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** The path begins with it. */
  readonly prefix?: string;
  /** A type, or all of a kind: `image/*`. Parameters (`; charset=utf-8`) do not count. */
  readonly contentType?: string;
  /** Bytes. */
  readonly size?: Between<number>;
  /** When its bytes last changed. */
  readonly modified?: Between<Date>;
  /** Files of this provider only. */
  readonly provider?: string;
  /** Files of a page at most, 1 to 1,000; 1,000 unless given. */
  readonly limit?: number;
  /** Of the page before. */
  readonly cursor?: string;
}

/** A page of what was found. */
export interface SearchPage {
  /** In ascending order of the bytes of their paths. */
  readonly files: readonly CataloguedFile[];
  /** Where the next page begins; null: there is none. */
  readonly cursor: string | null;
}

/** A change of a file that is under way, or a look at what it is. */
export interface Announcement extends FilePlace {
  /** Tells it from all others. */
  readonly id: string;
}

/** What was announced and is not settled. */
export interface Announced extends Announcement {
  /** Milliseconds since then. */
  readonly age: number;
}

/**
 * What is known of files, to be searched; any number of processes may use it at once. Each change is announced before it happens and
 * settled afterwards; what a crash leaves announced is looked at again. Everything is durable when it resolves.
 *
 * What a file is may be noted by who changed it, or looked at it, only where no other change of it has begun or ended meanwhile: else
 * older news could replace what is newer. Whoever may not note it looks again, and of all that overlap the last one can.
 */
export interface Catalogue {
  /** A file is about to change. */
  announce(place: FilePlace): Promise<Announcement>;
  /** A file is about to be looked at; of an announcement: its change has ended, and the look begins now. */
  look(at: FilePlace | Announcement): Promise<Announcement>;
  /** Notes what a file is, null where it is gone, and ends the announcement; false where that is not known, and nothing was done. */
  settle(announcement: Announcement, file: CataloguedFile | null): Promise<boolean>;
  /** What is announced, a thousand at most, the oldest first. */
  announced(): Promise<readonly Announced[]>;
  /** Ends an announcement of which nothing is left to be noted. */
  forget(announcement: Announcement): Promise<void>;
  /** A page of files. */
  search(query: SearchQuery): Promise<SearchPage>;
  /** Begins a reindexing of a provider: what is not noted until it ends is forgotten then. */
  beginReindex(provider: string): Promise<Reindexing>;
  /** Throws where it cannot be used now. */
  check(): Promise<void>;
  /** Releases what it holds. */
  close(): Promise<void>;
}

/** A reindexing under way. */
export interface Reindexing {
  /** Forgets what the provider did not tell of; returns how many files that was. */
  end(): Promise<number>;
}
