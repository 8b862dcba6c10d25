import type { MediumRoom } from "./storage_backend.ts";

/**
 * Storage that can only create, read, list and delete whole objects: a bucket, or a directory of files. The comments
 * are the contract; `tests/contract/object_access.ts` checks it for every one. Everything is synchronous.
 *
 * Names have 1 to 64 characters of `a-z`, `0-9` and `-`. No object ever changes: names are not used twice.
 */
export interface ObjectAccess {
  /** A name for messages: a path or URL without secrets. */
  readonly name: string;
  /** Opened for writing; otherwise `create` and `delete` throw `denied` (EROFS). */
  readonly writable: boolean;

  /**
   * Makes an object. Throws `conflict` (EEXIST) where the name is taken, whoever took it: of several that try at once, one
   * succeeds. Atomic: nobody ever sees a part of it, and neither does a crash leave one.
   */
  create(name: string, bytes: Uint8Array): void;
  /** Fills `into` from `offset`. Throws `missing` where there is no such object, `corrupt` where it ends before. */
  read(name: string, offset: number, into: Uint8Array): void;
  /**
   * The next objects whose names start with `prefix` and come after `after`, in ascending order: some, or none where
   * there are no more. Sees everything that was created before the call.
   */
  list(prefix: string, after: string): readonly ObjectEntry[];
  /** Removes an object; does nothing where there is none. */
  delete(name: string): void;
  /**
   * Returns when everything that was created and deleted before the call is durable. After one that failed every later one
   * fails: it could succeed without what the first one lost.
   */
  sync(): void;
  /** Space of the storage below, where it is limited and known. */
  room?(): MediumRoom;
  /** Releases locks and handles; every later call is `invalid` (EBADF). Idempotent. */
  close(): void;
}

/** One object of a listing. */
export interface ObjectEntry {
  readonly name: string;
  /** Its length in bytes. */
  readonly size: number;
}

/** Every object whose name starts with `prefix`. */
export function* listAll(access: ObjectAccess, prefix: string): Generator<ObjectEntry> {
  for (let page = access.list(prefix, ""); page.length > 0;) {
    yield* page;
    page = access.list(prefix, page[page.length - 1].name);
  }
}
