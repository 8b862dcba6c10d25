import { assert } from "../assert.ts";
import { fail } from "./errno.ts";

/** Inode numbers of a view that lie side by side: as many share one slot of node ids. */
const SLOT_INODES = 2 ** 32;
/** A node id stays below 2^53. */
const SLOTS_MAX = 2 ** 21;

interface Slot<V> {
  readonly view: V;
  /** The inode number that its first node id stands for. */
  readonly base: number;
}

/**
 * Node ids for the inodes of several views. A node id is a slot (21 bits) and the lower 32 bits of an inode number; a slot
 * stands for a view and the upper 16 bits. The first view begins with slot 0: its ids are its inode numbers. Slots are
 * given out as they are needed and never given back, so that no id ever means two things.
 */
export class ViewIds<V> {
  readonly #slots: Slot<V>[] = [];
  readonly #known = new Map<V, Map<number, number>>();

  constructor(first: V) {
    this.#slotOf(first, 0);
  }

  /** The node id of an inode. */
  idOf(view: V, ino: number): number {
    if (ino < SLOT_INODES && view === this.#slots[0].view) return ino;
    const slot = this.#slotOf(view, ino - ino % SLOT_INODES);
    return slot * SLOT_INODES + ino % SLOT_INODES;
  }

  #slotOf(view: V, base: number): number {
    let slots = this.#known.get(view);
    if (slots === undefined) this.#known.set(view, slots = new Map<number, number>());
    const known = slots.get(base);
    if (known !== undefined) return known;
    if (this.#slots.length === SLOTS_MAX) fail("EMFILE");
    slots.set(base, this.#slots.length);
    return this.#slots.push({ view, base }) - 1;
  }

  /** The node ids that an inode number may have in all views. */
  allOf(ino: number): number[] {
    const rest = ino % SLOT_INODES;
    return this.#slots.flatMap(({ base }, slot) =>
      base === ino - rest ? [slot * SLOT_INODES + rest] : []
    );
  }

  /** The view that a node id is of; ESTALE where it never was given out. */
  viewOf(id: number): V {
    return this.#slotAt(id).view;
  }

  /** The inode number behind a node id. */
  inoOf(id: number): number {
    return id < SLOT_INODES ? id : this.#slotAt(id).base + id % SLOT_INODES;
  }

  #slotAt(id: number): Slot<V> {
    if (id < SLOT_INODES) return this.#slots[0];
    assert(Number.isSafeInteger(id), "a node id is a safe integer");
    return this.#slots[Math.floor(id / SLOT_INODES)] ?? fail("ESTALE");
  }
}
