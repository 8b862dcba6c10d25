/**
 * What every provider of objects does: a bucket, a container, a directory, memory, a volume of a vault. The comments are the
 * contract; `core/objects/store_contract.ts` checks it for every one.
 *
 * @module
 */

/** Bytes of an object on their way in. A stream is read to its end, or cancelled where the call fails. */
export type ObjectBody = Uint8Array | ReadableStream<Uint8Array>;

/** What a caller may end a call with; it then throws the signal's reason. */
export interface Abortable {
  /** Ends the call where it aborts. */
  readonly signal?: AbortSignal;
}

/** What a listing tells of an object. */
export interface ListedObject {
  /** Its path. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Another one wherever the bytes are others; nothing else is to be read from it. */
  readonly etag: string;
  /** When its bytes last changed; some providers count whole seconds. */
  readonly lastModified: Date;
}

/** What is known of an object. */
export interface ObjectInfo extends ListedObject {
  /** As it was said, else `application/octet-stream`. */
  readonly contentType: string;
  /** Names are in lower case. */
  readonly metadata: Readonly<Record<string, string>>;
  /** As they were said. */
  readonly tags: Readonly<Record<string, string>>;
}

/** What is said of an object beside its bytes. */
export interface ObjectDescription {
  /** `application/octet-stream` unless given. */
  readonly contentType?: string;
  /** Names of `a-z`, `0-9` and `-`, beginning with a letter; values of printable ASCII without spaces at their ends. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** At most ten; keys up to 128 and values up to 256 ASCII letters, digits, spaces and `+ - . / : = _`. */
  readonly tags?: Readonly<Record<string, string>>;
}

/** On which condition a write happens; without one it always does. */
export type WriteCondition =
  | { readonly create?: undefined; readonly match?: undefined }
  /** Only where there is no such object. */
  | { readonly create: true; readonly match?: undefined }
  /** Only where the object has this etag. */
  | { readonly create?: undefined; readonly match: string };

/** How to put an object. */
export type PutOptions = ObjectDescription & WriteCondition & Abortable & {
  /** Bytes of a stream, where they are known; more or fewer are `invalid`, and nothing is stored. */
  readonly size?: number;
};

/** How to get an object. */
export interface GetOptions extends Abortable {
  /** First byte; 0 unless given. One at or behind the end is `invalid`, but 0 of an empty object. */
  readonly offset?: number;
  /** Bytes at most; all that follow unless given. */
  readonly length?: number;
  /** Only where the object has this etag: else `conflict`. */
  readonly match?: string;
}

/** An object that is read. */
export interface ObjectContent {
  /** What is known of the whole object. */
  readonly info: ObjectInfo;
  /** The bytes that were asked for. Fewer than that error the stream: `unavailable`. To be read or cancelled. */
  readonly body: ReadableStream<Uint8Array>;
  /** Of the first byte that `body` gives. */
  readonly offset: number;
  /** Bytes that `body` gives. */
  readonly length: number;
}

/** What to list. */
export interface ListOptions extends Abortable {
  /** Only paths that begin with it; need not end at a `/`. */
  readonly prefix?: string;
  /** Paths that have one `/` behind the prefix are told as one: up to and with it. */
  readonly delimited?: boolean;
  /** Of the page before. */
  readonly cursor?: string;
  /** Objects and prefixes at most, 1 to 1,000; 1,000 unless given. */
  readonly limit?: number;
}

/** A page of a listing. */
export interface ListPage {
  /** In ascending order of the bytes of their paths. */
  readonly objects: readonly ListedObject[];
  /** With the delimiter at their ends, ascending likewise; none but in a delimited listing. */
  readonly prefixes: readonly string[];
  /** Where the next page begins; null: there is none. */
  readonly cursor: string | null;
}

/** What a signed URL allows. */
export interface SignedUrlOptions {
  /** Seconds, 1 to 604,800. */
  readonly expiresSeconds: number;
  /** `GET` unless given. */
  readonly method?: "GET" | "PUT";
}

/** What a provider can do, and where its limits are. */
export interface StoreCapabilities {
  /** `create` is atomic among all writers; else only among those of this process. */
  readonly atomicCreate: boolean;
  /** `match` of a put or delete is atomic among all writers; else only among those of this process. */
  readonly atomicMatch: boolean;
  /** An object may lie below another: `a` and `a/b`. */
  readonly nested: boolean;
  /** {@linkcode ObjectStore.signedUrl} works. */
  readonly signedUrls: boolean;
  /** Bytes of an object. */
  readonly objectBytesMax: number;
  /** Bytes of a path in UTF-8. */
  readonly pathBytesMax: number;
  /** Bytes of one part of a path, between two `/`. */
  readonly partBytesMax: number;
  /** Characters that no path may have here, because the provider takes them for others; none unless given. */
  readonly refusedCharacters?: string;
  /** Bytes of all names and values of an object's metadata. */
  readonly metadataBytesMax: number;
}

/**
 * Objects by path. What was acknowledged is durable, and every later call of anybody sees it. Nobody ever sees a part of
 * an object. Errors are {@linkcode VaultError}s that name the provider:
 *
 * - `missing`: there is no such object (or bucket);
 * - `conflict`: the condition does not hold;
 * - `denied`: the provider refuses these credentials;
 * - `invalid`: the call cannot work as it is;
 * - `unavailable`: the provider or the way to it fails; the same call may work later;
 * - `corrupt`: what came is not what was stored.
 *
 * A path is what {@linkcode checkObjectPath} accepts.
 */
export interface ObjectStore {
  /** For messages: a bucket, a directory. No secrets. */
  readonly name: string;
  /** `local`, `memory`, `s3`, `wasabi`, `gcs`, `azure`, `vault`, `mirror`. */
  readonly provider: string;
  /** What it can do. */
  readonly capabilities: StoreCapabilities;

  /** Stores an object, in place of one that is there. Where it fails, the older one stays. */
  put(path: string, body: ObjectBody, options?: PutOptions): Promise<ObjectInfo>;
  /** Opens an object for reading. What is read is one state of it, whoever replaces it meanwhile. */
  get(path: string, options?: GetOptions): Promise<ObjectContent>;
  /** What is known of an object; null where there is none. */
  head(path: string, options?: Abortable): Promise<ObjectInfo | null>;
  /** Says something else of an object: what is given replaces what was there, the rest stays, and so do the bytes. */
  describe(path: string, change: ObjectDescription & Abortable): Promise<ObjectInfo>;
  /** Removes an object; does nothing where there is none, unless an etag is asked for. */
  delete(path: string, options?: Abortable & { readonly match?: string }): Promise<void>;
  /** Removes many; one by one or together, as the provider does it best. Throws the first failure when all were tried. */
  deleteMany(paths: readonly string[], options?: Abortable): Promise<void>;
  /** A page of objects. */
  list(options?: ListOptions): Promise<ListPage>;
  /** Copies bytes and description, without carrying them through this machine where the provider can. */
  copy(from: string, to: string, options?: WriteCondition & Abortable): Promise<ObjectInfo>;
  /** A URL that works without credentials for a while. `invalid` where the provider has none. */
  signedUrl(path: string, options: SignedUrlOptions): Promise<string>;
  /** Releases what the store holds. Idempotent; later calls are `invalid`. */
  close(): Promise<void>;
}

/** Objects of a page at most. */
export const LIST_LIMIT_MAX = 1000;
/** Of an object that nothing was said of. */
export const DEFAULT_CONTENT_TYPE = "application/octet-stream";

/** Every object whose path begins with `prefix`. */
export async function* listObjects(
  store: ObjectStore,
  prefix: string,
  options: Abortable = {},
): AsyncGenerator<ListedObject> {
  let page: ListPage = await store.list({ ...options, prefix });
  yield* page.objects;
  while (page.cursor !== null) {
    page = await store.list({ ...options, prefix, cursor: page.cursor });
    yield* page.objects;
  }
}
