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

/** A change that was announced and not settled. */
export interface Announced extends FilePlace {
  /** By this catalogue, not by another process. */
  readonly own: boolean;
  /** In milliseconds since 1970. */
  readonly since: number;
}

/**
 * What is known of files, to be searched. Each change is announced before it happens and settled afterwards; what a crash leaves
 * announced is looked at again. Everything is durable when it resolves.
 */
export interface Catalogue {
  /** A file is about to change. */
  announce(place: FilePlace): Promise<void>;
  /** True where another process has announced a change of it too, since this one did. */
  isContested(place: FilePlace): Promise<boolean>;
  /** What a file is now. */
  put(file: CataloguedFile): Promise<void>;
  /** A file is gone. */
  remove(place: FilePlace): Promise<void>;
  /** A change of one's own has come to its end. */
  settle(place: FilePlace): Promise<void>;
  /** What is announced, at most a thousand changes. */
  announced(): Promise<readonly Announced[]>;
  /** Forgets what others announced before this time. */
  forgetAnnounced(before: number): Promise<void>;
  /** A page of files. */
  search(query: SearchQuery): Promise<SearchPage>;
  /** Begins a reindexing of a provider: what is not put until it ends is forgotten then. */
  beginReindex(provider: string): Promise<Reindexing>;
  /** Releases what it holds. */
  close(): Promise<void>;
}

/** A reindexing under way. */
export interface Reindexing {
  /** Forgets what the provider did not tell of; returns how many files that was. */
  end(): Promise<number>;
}
