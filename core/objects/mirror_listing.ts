import type {
  Abortable,
  ListedObject,
  ListOptions,
  ListPage,
  ObjectInfo,
} from "../storage/object_store.ts";
import { inParallel } from "../storage/parallel.ts";
import { type FilePage, mergedPage } from "./merged_listing.ts";
import { isFailure, MIRROR_NOTES, type MirrorMember, unlessFailure } from "./mirror_member.ts";
import type { MirrorWholeness } from "./mirror_wholeness.ts";
import type { MirrorMembers } from "./mirror_members.ts";

/** Paths that are asked about at once. */
const AT_ONCE = 16;
/** Of which one is there as a rule. */
const FEW = 4;

/** What listings need. */
export interface ListingParts {
  readonly members: MirrorMembers;
  readonly wholeness: MirrorWholeness;
  /** What the mirror has at a path. */
  infoAt(path: string, options: Abortable): Promise<ObjectInfo | null>;
}

/** Listings of a mirror: those of all members that are there, and of so many that nothing acknowledged is left out. */
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

  async #pageOf(options: ListOptions): Promise<FilePage> {
    const { members, wholeness } = this.#parts;
    for (let tries = 1;; tries++) {
      try {
        const present = members.present(members.readMin);
        const isKnown = await wholeness.isKnownBy(present);
        return await listedBy(members, isKnown ? present : members.all, options);
      } catch (error) {
        // One that failed twice is left out the next time, if there are enough without it.
        if (!isFailure(error) || tries === 2 * members.all.length) throw error;
      }
    }
  }

  /** False where all that is told below a prefix was removed. */
  async #hasObjects(prefix: string, { signal }: Abortable): Promise<boolean> {
    const { members, infoAt } = this.#parts;
    let answered = 0;
    for (const member of members.present(members.readMin)) {
      let cursor: string | null | undefined;
      while (cursor !== null) {
        const wanted = { prefix, limit: FEW, cursor, signal };
        const page = await unlessFailure(() => member.list(wanted));
        if (page === null) break;
        if (cursor === undefined) answered++;
        for (const { path } of withoutNotes(page).objects) {
          if (await infoAt(path, { signal }) !== null) return true;
        }
        cursor = page.cursor;
      }
    }
    if (answered >= members.readMin) return false;
    throw members.tooFew(`list ${JSON.stringify(prefix)}`, answered, members.readMin, []);
  }
}

/** What any of these members lists. */
export async function listedBy(
  { all }: MirrorMembers,
  asked: readonly MirrorMember[],
  options: ListOptions,
): Promise<FilePage> {
  const providers = asked.map((member) => ({
    name: `${all.indexOf(member)}`,
    list: async (wanted: ListOptions) => withoutNotes(await member.list(wanted)),
  }));
  return await mergedPage(providers, options, () => "");
}

/** What members note is no object. */
function withoutNotes(page: ListPage): ListPage {
  return {
    ...page,
    objects: page.objects.filter(({ path }) => !path.startsWith(MIRROR_NOTES)),
    prefixes: page.prefixes.filter((prefix) => !prefix.startsWith(MIRROR_NOTES)),
  };
}

function listedOf({ path, size, etag, lastModified }: ObjectInfo): ListedObject {
  return { path, size, etag, lastModified };
}

async function allOf<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  await inParallel(items.entries(), { atOnce: () => AT_ONCE }, async ([i, item]) => {
    results[i] = await work(item);
  });
  return results;
}
