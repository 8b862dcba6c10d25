import type { Tree } from "../btree/tree.ts";
import { MUTATION } from "../format/log_record.ts";
import type { Branch } from "../tree/branch.ts";
import type { MutationBuffer } from "../tree/mutation_buffer.ts";
import type { KeyValueTree } from "./volume_store.ts";

const NO_VALUE = new Uint8Array(0);

/** What undoes one mutation. */
interface Undo {
  readonly key: Uint8Array;
  /** The value before, or null where there was none. */
  readonly value: Uint8Array | null;
}

/** The volume's tree: writes every mutation down for the intent log, and for rollback while a transaction is open. */
export class LoggedTree implements KeyValueTree {
  private tree: Tree;
  private branch: number;
  private readonly log: MutationBuffer;
  /** Throws unless the volume can be changed now. */
  private readonly checkWritable: () => void;
  private undo: Map<string, Undo> | null = null;

  constructor({ tree, branch }: Branch, log: MutationBuffer, checkWritable: () => void) {
    this.tree = tree;
    this.branch = branch;
    this.log = log;
    this.checkWritable = checkWritable;
  }

  /** Goes on with another branch. */
  use({ tree, branch }: Branch): void {
    this.tree = tree;
    this.branch = branch;
  }

  get(key: Uint8Array): Uint8Array | null {
    return this.tree.get(key);
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.checkWritable();
    this.remember(key);
    this.tree.put(key, value);
    this.log.addTo(this.branch, MUTATION.put, key, value);
  }

  delete(key: Uint8Array): boolean {
    this.checkWritable();
    this.remember(key);
    if (!this.tree.delete(key)) return false;
    this.log.addTo(this.branch, MUTATION.delete, key, NO_VALUE);
    return true;
  }

  private remember(key: Uint8Array): void {
    if (this.undo === null) return;
    const name = String.fromCharCode(...key);
    if (this.undo.has(name)) return;
    this.undo.set(name, { key: key.slice(), value: this.tree.get(key)?.slice() ?? null });
  }

  scan(from: Uint8Array, visit: (key: Uint8Array, value: Uint8Array) => boolean): void {
    this.tree.scan(from, visit);
  }

  floor(key: Uint8Array, visit: (key: Uint8Array, value: Uint8Array) => void): boolean {
    return this.tree.floor(key, visit);
  }

  /** From now on, mutations can be undone. */
  begin(): void {
    this.undo = new Map();
  }

  /** Keeps what was done since `begin`. */
  keep(): void {
    this.undo = null;
  }

  /** Undoes what was done since `begin`, even where no more changes are taken. */
  rollback(): void {
    const undo = this.undo ?? new Map<string, Undo>();
    this.undo = null;
    for (const { key, value } of undo.values()) {
      if (value === null) {
        if (this.tree.delete(key)) this.log.addTo(this.branch, MUTATION.delete, key, NO_VALUE);
      } else {
        this.tree.put(key, value);
        this.log.addTo(this.branch, MUTATION.put, key, value);
      }
    }
  }
}
