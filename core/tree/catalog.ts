import type { Tree } from "../btree/tree.ts";
import { VaultError } from "../errors.ts";
import {
  type BranchRecord,
  CATALOG_KEY,
  type Counters,
  countersKey,
  decodeBranch,
  decodeCounters,
  decodeSnapshot,
  decodeVolume,
  encodeBranch,
  encodeCounters,
  encodeSnapshot,
  encodeVolume,
  numberedKey,
  readNumberedKey,
  readSnapshotKey,
  snapshotKey,
  type SnapshotRecord,
  type VolumeRecord,
} from "../format/catalog_record.ts";
import {
  type DeadRun,
  deadRunKey,
  decodeDeadRun,
  decodePending,
  encodeDeadRun,
  encodePending,
  type Pending,
  pendingKey,
  readPendingKey,
} from "../format/freeing_record.ts";
import { decodeReceive, encodeReceive, type ReceiveRecord } from "../format/receive_record.ts";
import {
  decodeRescatter,
  encodeRescatter,
  type RescatterRecord,
} from "../format/rescatter_record.ts";
import { decodeScrub, encodeScrub, type ScrubRecord } from "../format/scrub_record.ts";
import {
  decodeSession,
  encodeSession,
  type Session,
  sessionKey,
  SESSIONS_MAX,
} from "../format/session_record.ts";
import { KeyTable } from "./key_table.ts";

/** A volume and its number. */
export interface NumberedVolume extends VolumeRecord {
  readonly id: number;
}

/** A branch and its number. */
export interface NumberedBranch extends BranchRecord {
  readonly id: number;
}

/** A snapshot, and where it stands. */
export interface PlacedSnapshot extends SnapshotRecord {
  readonly branch: number;
  readonly sequence: number;
}

/** What is being received, and the branch that it is put on. */
export interface PlacedReceive extends ReceiveRecord {
  readonly branch: number;
}

/** Pending work and its number: lower ones go first. */
export interface NumberedPending {
  readonly number: number;
  readonly work: Pending;
}

/** Dead runs of a branch: deaths above `from` up to and with `to`. */
export interface DeathRange {
  readonly branch: number;
  readonly from: number;
  readonly to: number;
}

const RESCATTER_KEY = new Uint8Array([CATALOG_KEY.rescatter]);
const SCRUB_KEY = new Uint8Array([CATALOG_KEY.scrub]);

type Visit<T> = (found: T) => boolean;

const FIRST: Counters = { nextVolume: 1, nextBranch: 1, nextPending: 1 };

/** The catalog (FORMAT.md §12): volumes, branches, snapshots and what waits to be freed. Outside all snapshots. */
export class Catalog {
  /** Locks of files. */
  readonly keyTable: KeyTable;
  private readonly tree: Tree;

  /** The records of a tree. */
  constructor(tree: Tree) {
    this.tree = tree;
    this.keyTable = new KeyTable(tree);
  }

  private counters(): Counters {
    const bytes = this.tree.get(countersKey());
    return bytes === null ? FIRST : decodeCounters(bytes);
  }

  private count(name: keyof Counters): number {
    const counters = this.counters();
    const next = { ...counters, [name]: counters[name] + 1 };
    this.tree.put(countersKey(), encodeCounters(next));
    return counters[name];
  }

  /** Adds a volume and returns its number, which is never used again. */
  addVolume(volume: VolumeRecord): number {
    const id = this.count("nextVolume");
    this.putVolume(id, volume);
    return id;
  }

  /** Replaces a volume's record. */
  putVolume(id: number, volume: VolumeRecord): void {
    this.tree.put(numberedKey(CATALOG_KEY.volume, id), encodeVolume(volume));
  }

  /** Removes a volume. */
  deleteVolume(id: number): void {
    this.tree.delete(numberedKey(CATALOG_KEY.volume, id));
  }

  /** All volumes, in the order they were made. */
  volumes(): NumberedVolume[] {
    const volumes: NumberedVolume[] = [];
    this.scan(new Uint8Array([CATALOG_KEY.volume]), 1, (key, value) => {
      volumes.push({ id: readNumberedKey(key), ...decodeVolume(value) });
      return true;
    });
    return volumes;
  }

  /** Adds a branch and returns its number, which is never used again. */
  addBranch(branch: BranchRecord): number {
    const id = this.count("nextBranch");
    this.putBranch(id, branch);
    return id;
  }

  /** Replaces a branch's record. */
  putBranch(id: number, branch: BranchRecord): void {
    this.tree.put(numberedKey(CATALOG_KEY.branch, id), encodeBranch(branch));
  }

  /** Removes a branch. */
  deleteBranch(id: number): void {
    this.tree.delete(numberedKey(CATALOG_KEY.branch, id));
  }

  /** True where a branch exists and has a head. */
  hasHead(id: number): boolean {
    return (this.findBranch(id)?.root ?? 0) !== 0;
  }

  private findBranch(id: number): NumberedBranch | null {
    const bytes = this.tree.get(numberedKey(CATALOG_KEY.branch, id));
    return bytes === null ? null : { id, ...decodeBranch(bytes) };
  }

  /** A branch that must exist. */
  branch(id: number): NumberedBranch {
    const found = this.findBranch(id);
    if (found !== null) return found;
    throw new VaultError("corrupt", `Cannot find branch ${id} in the catalog; run "check"`);
  }

  /** All branches. */
  branches(): NumberedBranch[] {
    const branches: NumberedBranch[] = [];
    this.scan(new Uint8Array([CATALOG_KEY.branch]), 1, (key, value) => {
      branches.push({ id: readNumberedKey(key), ...decodeBranch(value) });
      return true;
    });
    return branches;
  }

  /** Adds or replaces a snapshot. */
  putSnapshot(snapshot: PlacedSnapshot): void {
    this.tree.put(snapshotKey(snapshot.branch, snapshot.sequence), encodeSnapshot(snapshot));
  }

  /** Removes a snapshot. */
  deleteSnapshot(branch: number, sequence: number): void {
    this.tree.delete(snapshotKey(branch, sequence));
  }

  /** Visits the snapshots of a branch with `from` or a later sequence, in order, until `visit` returns false. */
  snapshots(branch: number, from: number, visit: Visit<PlacedSnapshot>): void {
    this.scan(snapshotKey(branch, from), 5, (key, value) => visit(placed(key, value)));
  }

  /** The newest snapshot of a branch whose sequence is `until` or lower. */
  newestSnapshot(branch: number, until: number): PlacedSnapshot | null {
    let found: PlacedSnapshot | null = null;
    this.tree.floor(snapshotKey(branch, until), (key, value) => {
      if (key[0] !== CATALOG_KEY.snapshot) return;
      const snapshot = placed(key, value);
      if (snapshot.branch === branch) found = snapshot;
    });
    return found;
  }

  /** Notes how far receiving has come. */
  putReceive({ branch, ...record }: PlacedReceive): void {
    this.tree.put(numberedKey(CATALOG_KEY.receive, branch), encodeReceive(record));
  }

  /** It has come to its end, or is given up. */
  deleteReceive(branch: number): void {
    this.tree.delete(numberedKey(CATALOG_KEY.receive, branch));
  }

  /** All that is being received. */
  receives(): PlacedReceive[] {
    const receives: PlacedReceive[] = [];
    this.scan(new Uint8Array([CATALOG_KEY.receive]), 1, (key, value) => {
      receives.push({ branch: readNumberedKey(key), ...decodeReceive(value) });
      return true;
    });
    return receives;
  }

  /** Writes a dead run down. */
  putDeadRun(run: DeadRun): void {
    this.tree.put(deadRunKey(run), encodeDeadRun(run));
  }

  /** Forgets a dead run. */
  deleteDeadRun(run: DeadRun): void {
    this.tree.delete(deadRunKey(run));
  }

  /** Visits the dead runs of a range in order of their deaths, until `visit` returns false. */
  deadRuns(range: DeathRange, visit: Visit<DeadRun>): void {
    const { branch, from, to } = range;
    const start = { branch, death: from + 1, birth: 0 };
    this.deadRunsFrom(start, (run) => run.death <= to && visit(run));
  }

  /** Visits the dead runs of a branch from a place on, in order of deaths and births, until `visit` returns false. */
  deadRunsFrom(
    place: Pick<DeadRun, "branch" | "death" | "birth">,
    visit: Visit<DeadRun>,
  ): void {
    this.scan(
      deadRunKey({ ...place, firstId: 0 }),
      5,
      (key, value) => visit(decodeDeadRun(key, value)),
    );
  }

  /** Visits every dead run. */
  allDeadRuns(visit: (run: DeadRun) => void): void {
    this.scan(new Uint8Array([CATALOG_KEY.deadRun]), 1, (key, value) => {
      visit(decodeDeadRun(key, value));
      return true;
    });
  }

  /** Adds work to be done in the background, behind what waits already. */
  addPending(work: Pending): void {
    this.putPending(this.count("nextPending"), work);
  }

  /** Notes how far work has come. */
  putPending(number: number, work: Pending): void {
    this.tree.put(pendingKey(number), encodePending(work));
  }

  /** The work is done. */
  deletePending(number: number): void {
    this.tree.delete(pendingKey(number));
  }

  /** The work that is first. */
  firstPending(): NumberedPending | null {
    let found: NumberedPending | null = null;
    this.pending((next) => {
      found = next;
      return false;
    });
    return found;
  }

  /** Visits the work that waits, in order, until `visit` returns false. */
  pending(visit: Visit<NumberedPending>): void {
    this.scan(new Uint8Array([CATALOG_KEY.pending]), 1, (key, value) => {
      return visit({ number: readPendingKey(key), work: decodePending(value) });
    });
  }

  /** How far the scrub is, and what the last one found; null where there was none. */
  scrub(): ScrubRecord | null {
    const bytes = this.tree.get(SCRUB_KEY);
    return bytes === null ? null : decodeScrub(bytes);
  }

  /** Notes how far the scrub is. */
  putScrub(record: ScrubRecord): void {
    this.tree.put(SCRUB_KEY, encodeScrub(record));
  }

  /** How far re-scattering is; null where it never began. */
  rescatter(): RescatterRecord | null {
    const bytes = this.tree.get(RESCATTER_KEY);
    return bytes === null ? null : decodeRescatter(bytes);
  }

  /** Notes how far re-scattering is. */
  putRescatter(record: RescatterRecord): void {
    this.tree.put(RESCATTER_KEY, encodeRescatter(record));
  }

  /** Adds a session behind the others; the oldest is forgotten where there are too many. */
  addSession(session: Omit<Session, "number">): void {
    const number = (this.sessionAt(Number.MAX_SAFE_INTEGER)?.number ?? 0) + 1;
    this.tree.put(sessionKey(session.first), encodeSession({ ...session, number }));
    const oldest = this.sessionFrom(0);
    if (oldest === null || oldest.number > number - SESSIONS_MAX) return;
    this.tree.delete(sessionKey(oldest.first));
  }

  /** The session that wrote the root of a sequence, if that root is part of this history; null before the first known. */
  sessionAt(sequence: number): Session | null {
    let found: Session | null = null;
    this.tree.floor(sessionKey(sequence), (key, value) => {
      if (key[0] === CATALOG_KEY.session) found = decodeSession(key, value);
    });
    return found;
  }

  /** The first session that begins with this sequence or a later one. */
  sessionFrom(sequence: number): Session | null {
    let found: Session | null = null;
    this.scan(sessionKey(sequence), 1, (key, value) => {
      found = decodeSession(key, value);
      return false;
    });
    return found;
  }

  /** Visits all sessions that are kept, in order. */
  sessions(visit: (session: Session) => void): void {
    this.scan(sessionKey(0), 1, (key, value) => {
      visit(decodeSession(key, value));
      return true;
    });
  }

  /** Visits records whose keys agree with `from` in the first `same` bytes. */
  private scan(
    from: Uint8Array,
    same: number,
    visit: (key: Uint8Array, value: Uint8Array) => boolean,
  ): void {
    this.tree.scan(from, (key, value) => {
      for (let i = 0; i < same; i++) if (key[i] !== from[i]) return false;
      return visit(key, value);
    });
  }
}

function placed(key: Uint8Array, value: Uint8Array): PlacedSnapshot {
  return { ...readSnapshotKey(key), ...decodeSnapshot(value) };
}
