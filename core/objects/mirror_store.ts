import type { Runtime } from "../runtime.ts";
import { collectBody, type ObjectCall, objectError, putContent } from "../storage/object_body.ts";
import { listLimit } from "../storage/object_page.ts";
import { checkDescription } from "../storage/object_path.ts";
import type {
  Abortable,
  GetOptions,
  ListOptions,
  ListPage,
  ObjectBody,
  ObjectContent,
  ObjectDescription,
  ObjectInfo,
  ObjectStore,
  PutOptions,
  StoreCapabilities,
  WriteCondition,
} from "../storage/object_store.ts";
import { deleteAll } from "../storage/parallel.ts";
import { PathTurns } from "../storage/path_turns.ts";
import { isConflict } from "../storage/store_failures.ts";
import { StoreCalls } from "../storage/store_calls.ts";
import { narrowest } from "./capabilities.ts";
import { type MirrorChange, MirrorChanges } from "./mirror_changes.ts";
import { MirrorHealing } from "./mirror_healing.ts";
import { MirrorListing } from "./mirror_listing.ts";
import { asMirrorError, MIRROR, MIRROR_NOTES, MirrorMember } from "./mirror_member.ts";
import { MirrorMembers, type MirrorPolicy } from "./mirror_members.ts";
import { MirrorWholeness } from "./mirror_wholeness.ts";
import { MirrorReading } from "./mirror_reading.ts";
import type { ReconcileReport, ReconcileScope, Reconciling } from "./reconciling.ts";
import { MARK_BYTES, shownInfo } from "./mirror_version.ts";

/** A stream that is said to have no more is read before it is stored, so that it can be sent again. */
const SMALL_BYTES = 1024 * 1024;
/** Times that others may change an object while it is described. */
const TRIES_MAX = 5;
/** Milliseconds in which a member must answer, unless the settings say otherwise. */
const TIME_LIMIT_MS = 30_000;

/** How a mirror works. */
export interface MirrorOptions extends MirrorPolicy {
  readonly runtime: Runtime;
  /** In which a member must answer, or take the next part of a body; else it has failed. 30,000 unless given. */
  readonly timeLimitMs?: number;
}

/**
 * Several stores that hold the same.
 *
 * **Versions.** Every change gets a version, which stands in the object's metadata at each member and is the etag that is given
 * out: so it can be matched whichever member answers. What is removed is replaced by a small object that says so, until all
 * members have that. Members never go back: each gets a change only over the state that it was seen to have, and never over a
 * newer one. So the order of changes is that of their versions, whoever made them, and no clock decides it.
 *
 * **Writing.** A change is acknowledged when W members have it: all, or more than half (`quorum`). If some lack it, that is
 * noted at the others before it is acknowledged. If fewer than W members answer at all, nothing is changed. One that fails in
 * the middle is `unavailable`, and may or may not have happened: it is noted, and the newest state goes to all when they are
 * back. A member that refuses what the others take makes it fail; what was made then is taken back.
 *
 * **Reading.** So many members are asked (n - W + 1: one where all must have a change, two of three) that one of them has
 * every acknowledged change; the newest state among their answers counts. What they all lack is looked for at the others, one of
 * which may be all that is left of it. Where these do not answer, and one of those that do was emptied, or is new and not filled
 * yet (members have a mark that says so), it is `unavailable`, not missing. No note is needed, so this holds when whoever wrote is
 * gone. What was not acknowledged may be seen, and then not, until it is settled.
 *
 * **Conditions** (`create`, `match`, and describing) the first member decides: it gets the change first, and the others only
 * when it took it. Without it they are `unavailable`. A change without a condition that comes at the same moment counts as the
 * later one. Members are as exact as their own conditions: one whose etags are made of bytes alone takes two states of equal
 * bytes for one.
 *
 * **Healing.** Notes of all processes are looked for every ten seconds while the store is used, and members that lack the newest
 * state get it, or lose what was removed. What a process that was killed left without a note is found when it is read (by more
 * than one member), when it is changed, and by {@linkcode MirrorStore.reconcile} of everything; so is what somebody put at one
 * member himself, which is older than all that the mirror has written.
 */
export class MirrorStore implements ObjectStore, Reconciling {
  readonly name: string;
  readonly provider = MIRROR;
  readonly capabilities: StoreCapabilities;
  readonly #members: MirrorMembers;
  readonly #healing: MirrorHealing;
  readonly #reading: MirrorReading;
  readonly #changes: MirrorChanges;
  readonly #listing: MirrorListing;
  readonly #turns = new PathTurns();
  readonly #calls = new StoreCalls(this, MIRROR_NOTES.slice(0, -1));

  /** Around stores, 2 at least, which it closes. */
  constructor(stores: readonly ObjectStore[], options: MirrorOptions) {
    const { runtime, timeLimitMs = TIME_LIMIT_MS } = options;
    const all = stores.map((store) => new MirrorMember(store, timeLimitMs));
    this.name = `mirror of ${stores.map(({ name }) => name).join(", ")}`;
    const members = new MirrorMembers(all, options);
    this.#members = members;
    const wholeness = new MirrorWholeness(members);
    this.#healing = new MirrorHealing({ members, wholeness, turns: this.#turns, runtime });
    this.#reading = new MirrorReading(members, this.#healing, wholeness);
    this.#changes = new MirrorChanges({ members, healing: this.#healing, runtime });
    const infoAt = (path: string, asked: Abortable) => this.#infoAt(path, asked);
    this.#listing = new MirrorListing({ members, wholeness, infoAt });
    const { atomicCreate, atomicMatch } = stores[0].capabilities;
    const least = narrowest(stores.map(({ capabilities }) => capabilities));
    const metadataBytesMax = least.metadataBytesMax - MARK_BYTES;
    // A URL would name one member, whatever that lacks later.
    const signedUrls = false;
    this.capabilities = { ...least, atomicCreate, atomicMatch, metadataBytesMax, signedUrls };
  }

  #call(operation: string, path: string): ObjectCall {
    const call = this.#calls.of(operation, path);
    this.#healing.wake();
    return call;
  }

  #wholeCall(operation: string): void {
    this.#calls.whole(operation);
    this.#healing.wake();
  }

  async get(path: string, options: GetOptions = {}): Promise<ObjectContent> {
    const call = this.#call("get", path);
    options.signal?.throwIfAborted();
    return await this.#told(() => this.#reading.open(call, options));
  }

  async head(path: string, options: Abortable = {}): Promise<ObjectInfo | null> {
    this.#call("head", path);
    options.signal?.throwIfAborted();
    return await this.#told(() => this.#infoAt(path, options));
  }

  async #infoAt(path: string, options: Abortable): Promise<ObjectInfo | null> {
    const { info, state } = await this.#reading.find(path, options);
    return info === null || state!.removed ? null : shownInfo(info);
  }

  put(path: string, body: ObjectBody, options: PutOptions = {}): Promise<ObjectInfo> {
    return this.#calls.put(path, body, options, async (call) => {
      this.#healing.wake();
      const { contentType, metadata, tags, size, signal, create, match } = options;
      signal?.throwIfAborted();
      const condition = { create, match } as WriteCondition;
      const description = { contentType, metadata, tags };
      const most = this.capabilities.objectBytesMax;
      const isSmall = size !== undefined && size <= SMALL_BYTES;
      const given = isSmall ? await collectBody(body, { call, size, most, signal }) : body;
      if (given instanceof Uint8Array && given.length > most) {
        throw objectError("invalid", call, `more than ${most} bytes`);
      }
      const change = { call, condition, description, body: given, size, signal };
      return shownInfo((await this.#change(change))!);
    });
  }

  async delete(path: string, options: Abortable & { readonly match?: string } = {}): Promise<void> {
    const call = this.#call("delete", path);
    const { match, signal } = options;
    signal?.throwIfAborted();
    const condition = { match } as WriteCondition;
    await this.#change({ call, condition, description: {}, body: null, signal });
  }

  #change(change: Omit<MirrorChange, "bytesMax">): Promise<ObjectInfo | null> {
    const bytesMax = this.capabilities.objectBytesMax;
    const make = () => this.#changes.make({ ...change, bytesMax });
    return this.#told(() => this.#turns.take([change.call.path], make));
  }

  async deleteMany(paths: readonly string[], options: Abortable = {}): Promise<void> {
    for (const path of paths) this.#call("delete", path);
    await deleteAll(paths, (path) => this.delete(path, options));
  }

  /** Carries the bytes through this machine: each object's version is its own. */
  async copy(
    from: string,
    to: string,
    options: WriteCondition & Abortable = {},
  ): Promise<ObjectInfo> {
    this.#call("copy to", to);
    const call = this.#call("copy", from);
    const { signal } = options;
    signal?.throwIfAborted();
    const content = await this.#told(() => this.#reading.open(call, { signal }));
    return await putContent(this, to, content, options);
  }

  /** Carries the bytes through this machine: members that are described cannot be told over which state. */
  async describe(path: string, change: ObjectDescription & Abortable): Promise<ObjectInfo> {
    const call = this.#call("describe", path);
    checkDescription(change, this);
    const { signal } = change;
    signal?.throwIfAborted();
    for (let tries = 1;; tries++) {
      const { info, body } = await this.#told(() => this.#reading.open(call, { signal }));
      const { contentType = info.contentType, metadata = info.metadata, tags = info.tags } = change;
      const said = { contentType, metadata, tags };
      try {
        return await this.put(path, body, { ...said, size: info.size, match: info.etag, signal });
      } catch (error) {
        if (!isConflict(error) || tries === TRIES_MAX) throw error;
      }
    }
  }

  /** What so many members list that nothing acknowledged is left out; each object of the page is looked at. */
  async list(options: ListOptions = {}): Promise<ListPage> {
    this.#wholeCall("list");
    options.signal?.throwIfAborted();
    listLimit(options, this.provider);
    return await this.#told(() => this.#listing.page(options));
  }

  signedUrl(path: string): Promise<string> {
    const call = this.#call("sign a URL of", path);
    const why = "a URL would name one member, whatever that lacks later";
    return Promise.reject(objectError("invalid", call, why));
  }

  /** Makes members the same where they are known to differ; or looks at everything that any of them has. */
  async reconcile(what: ReconcileScope = "noted"): Promise<ReconcileReport> {
    this.#wholeCall("reconcile");
    return await this.#told(() => {
      return what === "noted" ? this.#healing.healNoted() : this.#healing.healEverything();
    });
  }

  /** Resolves when nothing is healed in the background. */
  settled(): Promise<void> {
    return this.#healing.settled();
  }

  async close(): Promise<void> {
    this.#calls.close();
    this.#healing.close();
    await Promise.all(this.#members.all.map((member) => member.close()));
    await this.#healing.settled();
  }

  /** Errors name the mirror; what a member said is their cause. */
  async #told<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw asMirrorError(error);
    }
  }
}
