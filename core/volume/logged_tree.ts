import type { Tree } from "../btree/tree.ts";
import { MUTATION } from "../format/log_record.ts";
import type { Branch } from "../tree/branch.ts";
import type { MutationBuffer } from "../tree/mutation_buffer.ts";
import { UndoLog } from "./undo_log.ts";
import type { KeyValueTree } from "./volume_store.ts";

const NO_VALUE = new Uint8Array(0);

/** Told of a key that a rollback took back, with its values inside the transaction and now; views, valid during the call. */
export type UndoneVisitor = (
  key: Uint8Array,
  inside: Uint8Array | null,
  now: Uint8Array | null,
) => void;

/** Who knows whether the volume can be changed. */
interface ChangeGuard {
  /** Throws unless it can be, now. */
  checkWritable(): void;
  /** It cannot be any more. */
  giveUp(cause: unknown): void;
}

/** The volume's tree: writes every mutation down for the intent log, and for rollback while a transaction is open. */
export class LoggedTree implements KeyValueTree {
  private branch: Branch;
  private readonly log: MutationBuffer;
  private readonly engine: ChangeGuard;
  private undo: UndoLog | null = null;
  /** Mutations so far. */
  applied = 0;
  private readonly watchers: ((key: Uint8Array | null) => void)[] = [];

  constructor(branch: Branch, log: MutationBuffer, engine: ChangeGuard) {
    this.branch = branch;
    this.log = log;
    this.engine = engine;
  }

  /** Goes on with another branch. */
  use(branch: Branch): void {
    for (const changing of this.watchers) changing(null);
    this.branch = branch;
  }

  private get tree(): Tree {
    return this.branch.tree;
  }

  get(key: Uint8Array): Uint8Array | null {
    return this.tree.get(key);
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.engine.checkWritable();
    this.remember(key);
    this.branch.put(key, value);
    this.applied++;
    this.log.addTo(this.branch.branch, MUTATION.put, key, value);
  }

  delete(key: Uint8Array): boolean {
    this.engine.checkWritable();
    this.remember(key);
    if (!this.deleted(key)) return false;
    this.applied++;
    this.log.addTo(this.branch.branch, MUTATION.delete, key, NO_VALUE);
    return true;
  }

  private deleted(key: Uint8Array): boolean {
    try {
      return this.branch.delete(key);
    } catch (error) {
      // Joining what is left with its neighbour may fail when the record is gone: neither counted nor logged.
      if (!this.mayHave(key)) {
        this.applied++;
        this.engine.giveUp(error);
      }
      throw error;
    }
  }

  /** False only where it is certain: where its leaf cannot be read, nothing was removed from it. */
  private mayHave(key: Uint8Array): boolean {
    try {
      return this.tree.get(key) !== null;
    } catch {
      return true;
    }
  }

  /** Calls `changing` before each change; with null where all keys may change. */
  watch(changing: (key: Uint8Array | null) => void): void {
    this.watchers.push(changing);
  }

  /** Calls the watchers of a key without changing it. */
  announce(key: Uint8Array): void {
    for (const changing of this.watchers) changing(key);
  }

  private remember(key: Uint8Array): void {
    this.announce(key);
    this.undo?.add(key, () => this.tree.get(key));
  }

  /** Memory that undoing needs, about. */
  get undoBytes(): number {
    return this.undo?.bytes ?? 0;
  }

  scan(from: Uint8Array, visit: (key: Uint8Array, value: Uint8Array) => boolean): void {
    this.tree.scan(from, visit);
  }

  floor(key: Uint8Array, visit: (key: Uint8Array, value: Uint8Array) => void): boolean {
    return this.tree.floor(key, visit);
  }

  /** From now on, mutations can be undone. */
  begin(): void {
    this.undo = new UndoLog();
  }

  /** Keeps what was done since `begin`. */
  keep(): void {
    this.undo = null;
  }

  /** Undoes what was done since `begin`, even where no more changes are taken. */
  rollback(undone?: UndoneVisitor): void {
    const undo = this.undo ?? new UndoLog();
    this.undo = null;
    for (const [key, value] of undo.entries()) {
      undone?.(key, this.tree.get(key), value);
      if (value === null) {
        if (this.branch.delete(key)) {
          this.log.addTo(this.branch.branch, MUTATION.delete, key, NO_VALUE);
        }
      } else {
        this.branch.put(key, value);
        this.log.addTo(this.branch.branch, MUTATION.put, key, value);
      }
    }
  }
}
