import type {
  Abortable,
  ListedObject,
  ListOptions,
  ListPage,
  ObjectInfo,
} from "../storage/object_store.ts";
import { mergedPage } from "./merged_listing.ts";
import { withoutNotes } from "./mirror_healing.ts";
import { isFailure } from "./mirror_member.ts";
import type { MirrorMembers } from "./mirror_members.ts";

/** Paths that are asked about at once. */
const AT_ONCE = 16;

/** What listings need. */
export interface ListingParts {
  readonly members: MirrorMembers;
  /** What the mirror has at a path. */
  infoAt(path: string, options: Abortable): Promise<ObjectInfo | null>;
}

/** Listings of a mirror: those of so many members that nothing acknowledged is left out. */
export class MirrorListing {
  readonly #parts: ListingParts;

  /** Of these members. */
  constructor(parts: ListingParts) {
    this.#parts = parts;
  }

  /** A page; each object is looked at, because members list neither versions nor what was removed. */
  async page(options: ListOptions): Promise<ListPage> {
    const { files, prefixes, cursor } = await this.#pageOf(options);
    const { signal } = options;
    const infos = await allOf(files, ({ path }) => this.#parts.infoAt(path, { signal }));
    const isUsed = await allOf(prefixes, (prefix) => this.#hasObjects(prefix, { signal }));
    return {
      objects: infos.flatMap((info) => info === null ? [] : [listedOf(info)]),
      prefixes: prefixes.filter((_, i) => isUsed[i]),
      cursor,
    };
  }

  async #pageOf(options: ListOptions) {
    const { all, readMin } = this.#parts.members;
    for (let tries = 1;; tries++) {
      const providers = this.#parts.members.ordered().slice(0, readMin).map((member) => ({
        name: `${all.indexOf(member)}`,
        list: async (wanted: ListOptions) => withoutNotes(await member.list(wanted)),
      }));
      try {
        return await mergedPage(providers, options, () => "");
      } catch (error) {
        // One that failed comes last the next time.
        if (!isFailure(error) || tries === all.length) throw error;
      }
    }
  }

  /** False where all that is told below a prefix was removed. */
  async #hasObjects(prefix: string, { signal }: Abortable): Promise<boolean> {
    let cursor: string | null | undefined;
    while (cursor !== null) {
      const page = await this.#pageOf({ prefix, limit: AT_ONCE, cursor, signal });
      for (const { path } of page.files) {
        if (await this.#parts.infoAt(path, { signal }) !== null) return true;
      }
      cursor = page.cursor;
    }
    return false;
  }
}

function listedOf({ path, size, etag, lastModified }: ObjectInfo): ListedObject {
  return { path, size, etag, lastModified };
}

/** Work on many things, some at a time. */
export async function someAtOnce<T, R>(
  items: readonly T[],
  work: (item: T) => Promise<R>,
): Promise<PromiseSettledResult<R>[]> {
  const settled: PromiseSettledResult<R>[] = [];
  for (let at = 0; at < items.length; at += AT_ONCE) {
    settled.push(...await Promise.allSettled(items.slice(at, at + AT_ONCE).map(work)));
  }
  return settled;
}

async function allOf<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  return (await someAtOnce(items, work)).map((each) => {
    if (each.status === "rejected") throw each.reason;
    return each.value;
  });
}
