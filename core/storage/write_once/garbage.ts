import type { ObjectAccess } from "../object_access.ts";

/** Objects deleted per sync, so that none takes long; and of many a share, so that they do not become ever more. */
const DELETES_PER_SYNC = 64;
const DELETED_SHARE = 1 / 4;

/**
 * Objects that are of no use any more. They go when a claim that does not need them is durable, and some syncs later: who
 * opened the medium for reading before that claim still reads them.
 */
export class Garbage {
  readonly #access: ObjectAccess;
  readonly #graceSyncs: number;
  #syncs = 0;
  /** No durable claim does without these yet. */
  #fresh: string[] = [];
  readonly #resting: { readonly due: number; readonly name: string }[] = [];

  constructor(access: ObjectAccess, graceSyncs: number) {
    this.#access = access;
    this.#graceSyncs = graceSyncs;
  }

  /** The newest durable claim still needs these. */
  add(names: Iterable<string>): void {
    for (const name of names) this.#fresh.push(name);
  }

  /** A claim is durable that needs none of what was added. */
  claimed(): void {
    const due = this.#syncs + this.#graceSyncs;
    for (const name of this.#fresh) this.#resting.push({ due, name });
    this.#fresh = [];
  }

  /** A sync is done: deletes some of what has rested. */
  synced(): void {
    this.#syncs++;
    this.#deleteDue(Math.max(DELETES_PER_SYNC, this.#resting.length * DELETED_SHARE));
  }

  /** Nothing will be synced any more: deletes all that has rested. */
  ended(): void {
    this.#deleteDue(Infinity);
  }

  #deleteDue(most: number): void {
    let count = 0;
    for (; count < most; count++) {
      const next = this.#resting[count];
      if (next === undefined || next.due > this.#syncs) break;
      this.#access.delete(next.name);
    }
    this.#resting.splice(0, count);
  }
}
