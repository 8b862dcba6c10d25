import { VaultError } from "../errors.ts";
import { comparePaths } from "../storage/object_path.ts";
import {
  type Abortable,
  type ListedObject,
  listObjects,
  type ObjectStore,
} from "../storage/object_store.ts";
import type { JournalRecord } from "./transfer_journal.ts";

/** A path, and what is known of it. */
export interface FoundPath {
  readonly path: string;
  readonly from: ListedObject | null;
  readonly to: ListedObject | null;
  readonly record: JournalRecord | null;
}

/** What to look through. */
export interface SideBySideOptions extends Abortable {
  readonly from: ObjectStore;
  readonly to: ObjectStore;
  /** Ascending. */
  readonly records: AsyncIterable<JournalRecord>;
  readonly prefix: string;
  matches(path: string): boolean;
}

/**
 * Both sides and the journal, path by path in ascending order: whatever their number, a page of each is in memory. What was not
 * listed is known to be missing only because listings ascend, so one that does not is `corrupt`.
 */
export async function* sideBySide(options: SideBySideOptions): AsyncGenerator<FoundPath> {
  const { from, to, records, prefix, signal, matches } = options;
  const listing = (store: ObjectStore) =>
    new Ascending(listObjects(store, prefix, { signal }), store.name, matches);
  const [left, right] = [listing(from), listing(to)];
  const known = new Ascending(records, "the journal", matches);
  try {
    while (true) {
      const firsts = await Promise.all([left.first(), right.first(), known.first()]);
      const path = firsts.reduce<string | null>((lowest, first) => {
        if (first === null || lowest === null) return first?.path ?? lowest;
        return comparePaths(first.path, lowest) < 0 ? first.path : lowest;
      }, null);
      if (path === null) return;
      yield { path, from: left.take(path), to: right.take(path), record: known.take(path) };
    }
  } finally {
    for (const each of [left, right, known]) await each.end();
  }
}

/** A stream that ascends, with its first item at hand. */
class Ascending<T extends { readonly path: string }> {
  readonly #items: AsyncIterator<T>;
  readonly #name: string;
  readonly #matches: (path: string) => boolean;
  #first: T | null = null;
  #last: string | null = null;
  #ended = false;

  constructor(items: AsyncIterable<T>, name: string, matches: (path: string) => boolean) {
    this.#items = items[Symbol.asyncIterator]();
    this.#name = name;
    this.#matches = matches;
  }

  async first(): Promise<T | null> {
    while (this.#first === null && !this.#ended) {
      const { done, value } = await this.#items.next();
      if (done) this.#ended = true;
      else this.#accept(value);
    }
    return this.#first;
  }

  #accept(item: T): void {
    if (this.#last !== null && comparePaths(item.path, this.#last) <= 0) {
      const why = `it lists ${JSON.stringify(item.path)} behind ${JSON.stringify(this.#last)}`;
      throw new VaultError("corrupt", `Cannot list "${this.#name}": ${why}`);
    }
    this.#last = item.path;
    if (this.#matches(item.path)) this.#first = item;
  }

  take(path: string): T | null {
    if (this.#first?.path !== path) return null;
    const taken = this.#first;
    this.#first = null;
    return taken;
  }

  async end(): Promise<void> {
    await this.#items.return?.(undefined);
  }
}
