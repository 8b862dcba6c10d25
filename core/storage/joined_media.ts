import { VaultError } from "../errors.ts";
import { MEMBER_BYTES } from "../limits.ts";
import type { DirectAccess, KeptSpace, MediumRoom, StorageBackend } from "./storage_backend.ts";

/** A medium that answers at once. */
export type DirectMedium = StorageBackend & { readonly direct: DirectAccess };

/**
 * The media of a vault under one range of offsets: byte b of member n is n × 2^46 + b. A member that is not joined is
 * missing: reading or writing there is `unavailable`.
 */
export class JoinedMedia {
  private readonly members = new Map<number, DirectMedium>();
  /** The same by number, for what is asked with every read. */
  private readonly accesses: (DirectAccess | undefined)[] = [];

  /** A medium is this member from now on. */
  join(member: number, medium: DirectMedium): void {
    this.members.set(member, medium);
    this.accesses[member] = medium.direct;
  }

  /** This member is missing from now on. */
  leave(member: number): void {
    this.members.delete(member);
    this.accesses[member] = undefined;
  }

  /** The medium of a member; undefined where it is missing. */
  medium(member: number): DirectMedium | undefined {
    return this.members.get(member);
  }

  /** Numbers of the members that are there, ascending. */
  get numbers(): number[] {
    return [...this.members.keys()].sort((a, b) => a - b);
  }

  /** The media that are there, by their numbers. */
  get all(): DirectMedium[] {
    return this.numbers.map((number) => this.members.get(number)!);
  }

  /** True where the only medium is member 0, so that offsets are its own. */
  get isPlain(): boolean {
    return this.members.size === 1 && this.members.has(0);
  }

  private at(offset: number): DirectAccess {
    const member = Math.floor(offset / MEMBER_BYTES);
    const access = this.accesses[member];
    if (access !== undefined) return access;
    throw new VaultError("unavailable", `Cannot use member ${member}: it is missing`, {
      errno: "EIO",
    });
  }

  /** Fills `into`; see {@linkcode DirectAccess.read}. */
  read(offset: number, into: Uint8Array): void {
    this.at(offset).read(offset % MEMBER_BYTES, into);
  }

  /** Writes all of `from`. */
  write(offset: number, from: Uint8Array): void {
    this.at(offset).write(offset % MEMBER_BYTES, from);
  }

  /** True where all these bytes lie on a member that is there. */
  reaches(offset: number, length: number): boolean {
    const access = this.accesses[Math.floor(offset / MEMBER_BYTES)];
    return access !== undefined && offset % MEMBER_BYTES + length <= access.size();
  }

  /** False where these bytes cannot be read, whatever they say. */
  canRead(offset: number, length: number): boolean {
    try {
      this.read(offset, new Uint8Array(length));
      return true;
    } catch (error) {
      if (error instanceof VaultError) return false;
      throw error;
    }
  }

  /** Bytes of a member; undefined where it is missing. */
  sizeOf(member: number): number | undefined {
    return this.accesses[member]?.size();
  }

  /** Makes a member this long. */
  resize(member: number, size: number): void {
    this.at(member * MEMBER_BYTES).truncate(size);
  }

  /** Makes what was written durable, on every member. */
  sync(): void {
    for (const { direct } of this.members.values()) direct.sync();
  }

  /** The same aside, where a member can: see {@linkcode DirectAccess.syncLater}. */
  get syncLater(): (() => Promise<void>) | undefined {
    const accesses = [...this.members.values()].map(({ direct }) => direct);
    if (accesses.every((access) => access.syncLater === undefined)) return undefined;
    return async () => {
      const waits = accesses.map((access) => access.syncLater?.());
      for (const access of accesses) if (access.syncLater === undefined) access.sync();
      const results = await Promise.allSettled(waits);
      for (const result of results) if (result.status === "rejected") throw result.reason;
    };
  }

  /** Gives a range back to the storage below, where the member can and is there. */
  discard(offset: number, size: number): void {
    const medium = this.members.get(Math.floor(offset / MEMBER_BYTES));
    if (medium === undefined || !medium.supportsSparse || !medium.capabilities.discard) return;
    medium.direct.discard(offset % MEMBER_BYTES, size);
  }

  /**
   * Space below: that of the member with the least, because several may lie on one storage and every write goes to
   * several of them.
   */
  room(): MediumRoom {
    let least: MediumRoom = { freeBytes: Number.MAX_SAFE_INTEGER, totalBytes: 0 };
    for (const { direct } of this.members.values()) {
      const room = direct.room?.();
      if (room !== undefined && room.freeBytes <= least.freeBytes) least = room;
    }
    return least;
  }

  /** Space kept below for every member that fills holes, as much for each; null where one of them cannot have any. */
  keptSpace(): KeptSpace | null {
    const accesses = [...this.members.values()].map(({ direct }) => direct);
    const all = accesses.filter(({ room }) => room !== undefined)
      .map((access) => access.keptSpace?.() ?? null);
    const kept = all.filter((each) => each !== null);
    if (kept.length === 0 || kept.length < all.length) return null;
    return {
      bytes: () => Math.min(...kept.map((each) => each.bytes())),
      resize: (bytes) => {
        const before = kept.map((each) => each.bytes());
        if (kept.every((each) => each.resize(bytes))) return true;
        kept.forEach((each, i) => each.resize(Math.min(before[i], each.bytes())));
        return false;
      },
    };
  }
}
