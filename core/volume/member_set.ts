/**
 * Opening the media of a vault: which member each is, which of them can be relied on, and whether they are enough to go on.
 *
 * @module
 */
import type { OpenedRoot, RootStore } from "../block/root_store.ts";
import { VaultError } from "../errors.ts";
import type { RootMember } from "../format/root_record.ts";
import { SEGMENT_BYTES } from "../limits.ts";
import type { DirectMedium, JoinedMedia } from "../storage/joined_media.ts";
import type { StorageBackend } from "../storage/storage_backend.ts";
import type { TreeStore } from "../tree/tree_store.ts";

/** How it is with a member: `stale` ones are there, and what lies on them may be older than the map says. */
export type MemberState = "current" | "stale" | "missing";

/** Checks that a medium answers at once. */
export function requireDirect(medium: StorageBackend): DirectMedium {
  if (isDirect(medium)) return medium;
  throw new VaultError(
    "invalid",
    `Cannot use medium "${medium.name}": it has no direct access; use a file or memory`,
  );
}

function isDirect(medium: StorageBackend): medium is DirectMedium {
  return medium.direct !== undefined;
}

/** Joins the media of a vault in whatever order they come, each as the member that its rings say it is. */
export function identify(
  parts: { readonly media: JoinedMedia; readonly roots: RootStore },
  given: readonly StorageBackend[],
  epochs: readonly number[],
): void {
  const { media, roots } = parts;
  for (const backend of given) {
    const medium = requireDirect(backend);
    const ring = roots.readRing(medium.direct, epochs);
    if (ring === null) throw noMember(medium, given.length);
    const twin = media.medium(ring.member);
    if (twin !== undefined) {
      throw new VaultError(
        "conflict",
        `Cannot open vault: "${twin.name}" and "${medium.name}" are both its member ${ring.member}; ` +
          "one is a copy of the other: leave the older one out",
        { operation: "open vault" },
      );
    }
    media.join(ring.member, medium);
  }
}

function noMember({ name }: StorageBackend, given: number): VaultError {
  if (given === 1) {
    return new VaultError(
      "corrupt",
      `Cannot open vault "${name}": no root was found; creating it may not have finished`,
    );
  }
  return new VaultError(
    "invalid",
    `Cannot open vault: "${name}" is no member of it; leave it out, or add it once the vault is open`,
    { operation: "open vault" },
  );
}

/** The members that a root names, as they are now, and what follows from that. */
export class Standing {
  readonly states: Map<number, MemberState>;
  private readonly members: readonly RootMember[];

  constructor(media: JoinedMedia, { record: { members }, behind }: OpenedRoot) {
    this.members = members;
    this.states = new Map(members.map((member) => {
      const { number, stale } = member;
      const size = media.sizeOf(number);
      if (size === undefined) return [number, "missing"];
      const isShort = size < member.segments * SEGMENT_BYTES;
      return [number, stale || isShort || behind.includes(number) ? "stale" : "current"];
    }));
    this.refuseStrangers(media);
    this.refuseShort(media);
  }

  /** These turned out to lack what they should have. */
  leaveOut(members: readonly number[]): void {
    for (const number of members) this.states.set(number, "stale");
  }

  private refuseStrangers(media: JoinedMedia): void {
    for (const number of media.numbers) {
      if (this.states.has(number)) continue;
      throw new VaultError(
        "invalid",
        `Cannot open vault: "${
          media.medium(number)?.name
        }" is no member of it, or not any more; leave it out`,
        { operation: "open vault" },
      );
    }
  }

  private refuseShort(media: JoinedMedia): void {
    const [member] = this.members;
    const size = media.sizeOf(member.number);
    if (this.members.length > 1 || size === undefined) return;
    if (size >= member.segments * SEGMENT_BYTES) return;
    throw new VaultError(
      "corrupt",
      `Cannot open vault "${
        media.medium(member.number)?.name
      }": the medium is shorter than the vault; it was truncated`,
    );
  }

  /** Members that the root counts on and that cannot be relied on now. */
  get lost(): number[] {
    return this.members.filter(({ number, stale }) =>
      !stale && this.states.get(number) !== "current"
    ).map(({ number }) => number);
  }

  /**
   * True where nobody else can go on with the rest of the members: all that the root counts on are here, or more than
   * half of all.
   */
  get mayWrite(): boolean {
    const current = [...this.states.values()].filter((state) => state === "current").length;
    return current > 0 && (this.lost.length === 0 || 2 * current > this.members.length);
  }
}

/** How it is with each member of an open vault. */
export function memberStates(
  { store, media }: { readonly store: TreeStore; readonly media: JoinedMedia },
): Map<number, MemberState> {
  return new Map(store.space.members.map(({ number, stale }) => {
    if (media.medium(number) === undefined) return [number, "missing"];
    return [number, stale ? "stale" : "current"];
  }));
}

/** Refuses what has to be done on every member, where one is missing. */
export function requireAll(
  open: { readonly store: TreeStore; readonly media: JoinedMedia },
  { what, operation } = { what: "change the keys of", operation: "change key slots" },
): void {
  for (const [number, state] of memberStates(open)) {
    if (state !== "missing") continue;
    throw new VaultError(
      "unavailable",
      `Cannot ${what} a vault whose member ${number} is missing: bring it back, or remove it`,
      { operation },
    );
  }
}
