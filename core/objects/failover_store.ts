import { objectError, putContent, takingBody } from "../storage/object_body.ts";
import { listLimit } from "../storage/object_page.ts";
import { comparePaths } from "../storage/object_path.ts";
import type {
  Abortable,
  GetOptions,
  ListedObject,
  ListOptions,
  ListPage,
  ObjectBody,
  ObjectContent,
  ObjectDescription,
  ObjectInfo,
  ObjectStore,
  PutOptions,
  SignedUrlOptions,
  StoreCapabilities,
  WriteCondition,
} from "../storage/object_store.ts";
import { CARRIED, unmarked, withMark } from "./carried.ts";
import { FailoverChanges } from "./failover_changes.ts";
import { FailoverStrays } from "./failover_strays.ts";
import { pageOfStrays } from "./stray_listing.ts";
import { PathTurns } from "../storage/path_turns.ts";
import { hasCondition } from "../storage/store_calls.ts";
import { narrowest } from "./capabilities.ts";
import { isMissing, tryEach, unlessAway } from "../storage/store_failures.ts";
import { type ListedProvider, mergedPage } from "./merged_listing.ts";
import type { Change, FailoverOptions, Fallback, Stray } from "./failover_parts.ts";
import { PromptCalls } from "./prompt_calls.ts";
import { PathNotes } from "./path_notes.ts";
import type { ReconcileReport, Reconciling } from "./reconciling.ts";

/** Notes of what fallbacks took lie below it. */
const NOTES_PREFIX = ".sigmavault-displaced/";
/** Milliseconds that a change waits for the primary, beside the time that its bytes take. */
const TIME_LIMIT_MS = 5000;
/** Milliseconds after which notes of other processes are looked for. */
const LOOK_MS = 10_000;

/**
 * A primary store with others that step in while it is `unavailable`. What one of these took is noted there, read there, and
 * moved home by {@linkcode reconcile} later. Conditions (`create`, `match`) only the primary can check: without it they are
 * `unavailable`. Processes learn of each other's displaced paths within ten seconds.
 */
export class FailoverStore implements ObjectStore, Reconciling {
  readonly name: string;
  readonly provider: string;
  readonly capabilities: StoreCapabilities;
  readonly #primary: ObjectStore;
  readonly #fallbacks: readonly Fallback[];
  readonly #now: () => number;
  #lookedAt = -Infinity;
  #reconciling: Promise<ReconcileReport> | null = null;
  #closed = false;
  readonly #turns = new PathTurns();
  /** Changes of the primary, and what decides where a path is. */
  readonly #soon: PromptCalls;
  readonly #strays: FailoverStrays;
  readonly #changes: FailoverChanges;

  /** Around stores, which it closes. A fallback steps in where the primary has not answered a change in time. */
  constructor(
    primary: ObjectStore,
    fallbacks: readonly ObjectStore[],
    { now, timeLimitMs = TIME_LIMIT_MS, choose = "first" }: FailoverOptions,
  ) {
    this.#primary = primary;
    this.#soon = new PromptCalls(timeLimitMs, now);
    this.#fallbacks = fallbacks.map((store) => ({
      store,
      notes: new PathNotes(store, NOTES_PREFIX),
      busy: 0,
      askedAt: 0,
    }));
    this.#strays = new FailoverStrays({
      primary,
      fallbacks: this.#fallbacks,
      soon: this.#soon,
    });
    this.#changes = new FailoverChanges({
      primary,
      fallbacks: this.#fallbacks,
      soon: this.#soon,
      strays: this.#strays,
      choose,
      displaced: (path) => this.#displaced(path),
    });
    this.#now = now;
    this.name = primary.name;
    this.provider = primary.provider;
    this.capabilities = narrowest([primary, ...fallbacks].map((store) => store.capabilities));
  }

  /** Who took a path in place of the primary, and what it noted; null where it is at home. */
  async #displaced(path: string): Promise<Stray | null> {
    await this.#lookIfDue();
    return await this.#strays.find(path);
  }

  async #lookIfDue(): Promise<void> {
    const now = this.#now();
    if (now >= this.#lookedAt && now < this.#lookedAt + LOOK_MS) return;
    this.#lookedAt = now;
    let found = 0;
    for (const { notes } of this.#fallbacks) {
      found += (await unlessAway(() => notes.look()))?.size ?? 0;
    }
    if (found > 0 && this.#reconciling === null && !this.#closed) {
      // What fails is tried again when it is due.
      void this.reconcile().catch(() => {});
    }
  }

  #missing(path: string): never {
    const call = { provider: this.provider, operation: "find", path };
    throw objectError("missing", call, "there is no such object");
  }

  /** The store in which a path is; null where it is known to be gone. */
  async #homeOf(path: string): Promise<ObjectStore | null> {
    const stray = await this.#displaced(path);
    if (stray?.note.removed) return null;
    return stray?.fallback.store ?? this.#primary;
  }

  /** Asks the store in which a path is. It may be carried home in between: then it is asked for there. */
  async #ask<T>(path: string, ask: (store: ObjectStore) => Promise<T | null>): Promise<T | null> {
    while (true) {
      const store = await this.#homeOf(path);
      if (store === null) return null;
      try {
        const answer = await ask(store);
        if (answer !== null || store === this.#primary) return answer;
      } catch (error) {
        if (!isMissing(error) || store === this.#primary) throw error;
      }
    }
  }

  async get(path: string, options: GetOptions = {}): Promise<ObjectContent> {
    const get = async (store: ObjectStore) => {
      const content = await store.get(path, options);
      return { ...content, info: unmarked(content.info) };
    };
    return await this.#ask(path, get) ?? this.#missing(path);
  }

  async head(path: string, options: Abortable = {}): Promise<ObjectInfo | null> {
    const info = await this.#ask(path, (store) => store.head(path, options));
    return info && unmarked(info);
  }

  async describe(path: string, change: ObjectDescription & Abortable): Promise<ObjectInfo> {
    // In turn: what is carried home meanwhile would not have it.
    const describe = () => this.#changes.describe(path, change);
    return unmarked(await this.#turns.take([path], describe) ?? this.#missing(path));
  }

  /** Changes a path at its primary, unless its newest state is elsewhere or the primary is away. */
  async #change<T>(path: string, change: Change<T>): Promise<T> {
    change.signal?.throwIfAborted();
    return await this.#turns.take([path], () => this.#changes.make(path, change));
  }

  async put(path: string, body: ObjectBody, options: PutOptions = {}): Promise<ObjectInfo> {
    const put = () =>
      this.#change(path, {
        removed: false,
        isConditional: hasCondition(options),
        isOnce: !(body instanceof Uint8Array),
        bytes: body instanceof Uint8Array ? body.length : 0,
        signal: options.signal,
        at: (store, { signal = options.signal, id } = {}) => {
          const marked = id === undefined ? undefined : withMark(store, options.metadata, id);
          const metadata = marked ?? options.metadata;
          return store.put(path, body, { ...options, metadata, signal });
        },
      });
    return unmarked(await takingBody(body, put));
  }

  async delete(path: string, options: Abortable & { readonly match?: string } = {}): Promise<void> {
    await this.#change(path, {
      removed: true,
      isConditional: options.match !== undefined,
      isOnce: false,
      signal: options.signal,
      at: (store, { signal = options.signal } = {}) => store.delete(path, { ...options, signal }),
    });
  }

  async deleteMany(paths: readonly string[], options: Abortable = {}): Promise<void> {
    await tryEach(paths, (path) => this.delete(path, options));
  }

  async copy(
    from: string,
    to: string,
    options: WriteCondition & Abortable = {},
  ): Promise<ObjectInfo> {
    const copy = () => this.#turns.take([to], () => this.#copyAtHome(from, to, options));
    const done = await unlessAway(copy);
    if (done !== null) return unmarked(done);
    const content = await this.get(from, { signal: options.signal });
    return await putContent(this, to, content, options);
  }

  /** Null where one of the two is displaced, or the copy would be taken for as old as what was carried home. */
  async #copyAtHome(
    from: string,
    to: string,
    options: WriteCondition & Abortable,
  ): Promise<ObjectInfo | null> {
    for (const path of [from, to]) if (await this.#displaced(path) !== null) return null;
    const source = await this.#primary.head(from, options);
    if (source !== null && CARRIED in source.metadata) return null;
    return await this.#primary.copy(from, to, options);
  }

  /** The primary's objects, with what is displaced in their place. */
  async list(options: ListOptions = {}): Promise<ListPage> {
    listLimit(options, this.provider);
    await this.#lookIfDue();
    const strays = await this.#listed(options);
    const home = { name: "home", list: (wanted: ListOptions) => this.#primary.list(wanted) };
    const away = { name: "strays", list: (wanted: ListOptions) => pageOfStrays(strays, wanted) };
    const views: ListedProvider[] = strays.size > 0 ? [home, away] : [home];
    const owner = (path: string) => strays.has(path) ? "strays" : "home";
    const { files, prefixes, cursor } = await mergedPage(views, options, owner);
    const objects = files.filter(({ path }) => strays.get(path) !== null)
      .map(({ provider: _, ...object }) => object);
    return { objects, prefixes, cursor };
  }

  /** What is displaced, by path; null where it is gone. */
  async #listed({ prefix = "", signal }: ListOptions): Promise<Map<string, ListedObject | null>> {
    const found = new Map<string, ListedObject | null>();
    for (const { notes } of this.#fallbacks) {
      for (const path of (await unlessAway(() => notes.all()))?.keys() ?? []) {
        if (!path.startsWith(prefix) || found.has(path)) continue;
        const stray = await this.#displaced(path);
        if (stray === null) continue;
        const info = stray.note.removed ? null : await stray.fallback.store.head(path, { signal });
        // What is not there any more is at home meanwhile.
        if (info !== null || stray.note.removed) found.set(path, info);
      }
    }
    return found;
  }

  async signedUrl(path: string, options: SignedUrlOptions): Promise<string> {
    const store = await this.#homeOf(path) ?? this.#missing(path);
    return await store.signedUrl(path, options);
  }

  /** Moves home what is displaced, as far as the stores are there. */
  async reconcile(): Promise<ReconcileReport> {
    await this.#reconciling?.catch(() => {}); // its caller hears of it
    return await (this.#reconciling = this.#reconcileNow().finally(() => this.#reconciling = null));
  }

  async #reconcileNow(): Promise<ReconcileReport> {
    const [settled, left]: string[][] = [[], []];
    const paths = new Set<string>();
    for (const { notes } of this.#fallbacks) {
      for (const path of (await unlessAway(() => notes.look()))?.keys() ?? []) paths.add(path);
    }
    for (const path of [...paths].sort(comparePaths)) {
      const bring = () => this.#turns.take([path], () => this.#strays.bringHome(path));
      const isHome = await unlessAway(bring) === true;
      (isHome ? settled : left).push(path);
    }
    return { settled, left };
  }

  /** Resolves when nothing is being carried home in the background. */
  async settled(): Promise<void> {
    await this.#reconciling?.catch(() => {}); // it is tried again
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.settled();
    await this.#primary.close();
    for (const { store } of this.#fallbacks) await store.close();
  }
}
