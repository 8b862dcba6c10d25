import { assert } from "../../assert.ts";
import { isFull, VaultError } from "../../errors.ts";
import {
  type CellRun,
  encodeFooter,
  ERA_ID_BYTES,
  type FooterKind,
  OBJECT_CELLS_MIN,
  type ObjectFooter,
  RUN_CELLS_MAX,
} from "../../format/write_once.ts";
import { CELL_BYTES } from "../../limits.ts";
import type { MediumSeal } from "../medium_seal.ts";
import { listAll, type ObjectAccess } from "../object_access.ts";
import { writeCheckpoint } from "./checkpoint.ts";
import { type LoadedEra, loadEra } from "./era.ts";
import {
  damaged,
  type EraContext,
  footerAad,
  objectName,
  readClaim,
  readFooter,
  sealClaim,
} from "./era_objects.ts";
import { Garbage } from "./garbage.ts";
import { asFenced, Generations } from "./generations.ts";
import { DROPPED_RUNS_MAX, type ObjectSlab } from "./object_slab.ts";
import { footerPlace, rebuildState } from "./rebuild.ts";
import { StoredState } from "./stored_state.ts";

/** An era ends after so many objects, and one more for each 64 that there are: opening reads that many footers. */
const ERA_OBJECTS = 64;
/** Or when objects that could be deleted then take so many cells (64 MiB), and an eighth of the whole. */
const DEAD_CELLS = 16384;
/** Or when they take at least so many (1 MiB), where there is no more room than that, or the medium is closed. */
const DEAD_CELLS_LEAST = 256;
/** Objects after which an era that could not begin for lack of room is tried again. */
const TURN_AGAIN = 16;
/** Dropped runs that wait for an object to be noted in; forgetting one costs space until its cells are written again. */
const DROPPED_MAX = 1 << 16;
/** Times that a medium is looked at while another writer is at work on it. */
const LOAD_ATTEMPTS = 3;
const DATA_NAME = /^[0-9a-f]{32}$/;

/**
 * The numbered objects of a write-once medium. A writer's *era* begins with a claim that names a checkpoint and goes on
 * with objects 0, 1, 2 … under names that nobody can guess. Whoever takes over puts a fence where the era would go
 * on, so that its writer, if it still lives, meets a name that is taken.
 */
export class ObjectLog {
  readonly #access: ObjectAccess;
  readonly #seal: MediumSeal;
  readonly #claims: Generations;
  readonly #garbage: Garbage;
  /** What the objects amount to. */
  state = new StoredState();
  /** The newest claim, ours or another's; 0 where there is none. */
  #claim = 0;
  /** The era that was found; null where there was none, or this writer has begun its own. */
  #found: LoadedEra | null = null;
  #eraId: Uint8Array<ArrayBuffer> | null = null;
  #eraStart = 0;
  #next = 0;
  #settled = 0;
  #dropped: CellRun[] = [];
  #groupIsOpen = false;
  #isUnsynced = false;
  /** Where there was no room for another era: objects until it is tried again. */
  #turnNotBefore = 0;

  constructor(context: EraContext, graceSyncs: number) {
    this.#access = context.access;
    this.#seal = context.seal;
    this.#claims = new Generations(context.access, "writer-");
    this.#garbage = new Garbage(context.access, graceSyncs);
  }

  get #context(): EraContext {
    return { access: this.#access, seal: this.#seal };
  }

  /** True where objects were made that count only with more to come. */
  get groupIsOpen(): boolean {
    return this.#groupIsOpen;
  }

  /** True where objects were made that are not known to be durable. */
  get isUnsynced(): boolean {
    return this.#isUnsynced;
  }

  /**
   * Finds the newest state; with `create`, forgets it: the next claim begins with nothing. Who only reads gets what can be
   * rebuilt of a damaged one, and is told.
   */
  load(mode: "open" | "create"): string | null {
    for (let attempt = 1;; attempt++) {
      try {
        this.#load(mode);
        return null;
      } catch (error) {
        // Another writer may have ended the era meanwhile, or added objects while they were listed.
        const mayPass = error instanceof VaultError && ["corrupt", "missing"].includes(error.kind);
        if (!mayPass) throw error;
        if (attempt === LOAD_ATTEMPTS) return this.#rebuild(error);
      }
    }
  }

  #rebuild(damage: VaultError): string {
    const state = this.#access.writable ? null : rebuildState(this.#context, this.#listSizes());
    if (state === null) throw damage;
    this.state = state;
    return damage.message;
  }

  #listSizes(): Map<string, number> {
    const sizes = new Map<string, number>();
    for (const { name, size } of listAll(this.#access, "")) {
      if (DATA_NAME.test(name)) sizes.set(name, size);
    }
    return sizes;
  }

  #load(mode: "open" | "create"): void {
    const claims = this.#claims.list();
    this.#claim = claims.at(-1) ?? 0;
    const sizes = this.#listSizes();
    if (mode === "open" && this.#claim > 0) {
      const claim = readClaim(this.#context, this.#claims.nameOf(this.#claim), this.#claim);
      this.#found = loadEra(this.#context, claim, sizes);
      this.state = this.#found.state;
    }
    // Whatever was there before our claim and is not of use is nobody's: whoever made it has lost to us when we claim.
    for (const { name } of this.state.objects.values()) sizes.delete(name);
    for (const name of this.state.fences) sizes.delete(name);
    if (this.#found?.isFenced) {
      sizes.delete(objectName(this.#seal, this.#found.eraId, this.#found.gap));
    }
    const isAtRisk = this.#access.writable || this.#claim === 0;
    if (mode === "open" && isAtRisk) this.#checkNothingNewer(sizes);
    this.#garbage.add(sizes.keys());
    this.#garbage.add(claims.map((claim) => this.#claims.nameOf(claim)));
  }

  /** Objects of a claim that is not there are no garbage: the claim is lost, or has not arrived yet. */
  #checkNothingNewer(unknown: ReadonlyMap<string, number>): void {
    for (const [name, size] of unknown) {
      const place = footerPlace(this.#context, name, size);
      if (place === null || place.claim <= this.#claim) continue;
      throw damaged(this.#access, "its newest claim is missing");
    }
  }

  /** Notes that cells are of no use any more. */
  drop(cell: number, count: number): void {
    this.state.drop(cell, count);
    for (let at = cell; at < cell + count; at += RUN_CELLS_MAX) {
      const run = { cell: at, count: Math.min(RUN_CELLS_MAX, cell + count - at) };
      if (this.#dropped.length < DROPPED_MAX) this.#dropped.push(run);
    }
  }

  /** Makes objects of what the slab holds, and empties it. Throws `conflict` where another writer took over. */
  emit(slab: ObjectSlab, kind: "part" | "end"): void {
    for (let cells = slab.nextCells; cells < slab.cells; cells = slab.nextCells) {
      this.#emitFirst(slab, cells, "part");
    }
    this.#emitFirst(slab, slab.cells, kind);
  }

  #emitFirst(slab: ObjectSlab, cells: number, kind: "part" | "end"): void {
    assert(this.#eraId !== null, "what is emitted was changed after a claim");
    const name = objectName(this.#seal, this.#eraId, this.#next);
    const object = slab.build(cells, (bytes) => this.#seal.random(bytes));
    const dropped = this.#takeDropped();
    const footer = { ...this.#footer(kind, this.#next), dropped, held: slab.heldIn(cells) };
    this.state.checkObjects(this.#access.name);
    this.#isUnsynced = true;
    this.#createObject(name, object, footer);
    this.state.apply(name, object.length / CELL_BYTES, footer);
    slab.removeFirst(cells);
    this.#next++;
    this.#groupIsOpen = kind === "part";
  }

  #footer(kind: FooterKind, number: number): ObjectFooter {
    const { sizeBytes } = this.state;
    const [claim, settled] = [this.#claim, this.#settled];
    return { kind, claim, number, settled, sizeBytes, dropped: [], held: [] };
  }

  /** Cells that were dropped and have been written again meanwhile stay out: what is in objects already would go. */
  #takeDropped(): CellRun[] {
    return this.#dropped.splice(0, DROPPED_RUNS_MAX)
      .filter(({ cell, count }) => !this.state.index.holdsAny(cell, count));
  }

  #createObject(
    name: string,
    object: Uint8Array,
    footer: ObjectFooter,
  ): void {
    const sealed = this.#seal.seal(
      encodeFooter(footer),
      footerAad(name, object.length / CELL_BYTES),
    );
    object.set(sealed, object.length - CELL_BYTES);
    this.#create(name, object);
  }

  #create(name: string, object: Uint8Array): void {
    try {
      this.#access.create(name, object);
    } catch (error) {
      throw asFenced(this.#access, error);
    }
  }

  /**
   * Makes what was emitted durable, and tidies up: after the end of a group. `freeBytes` are what the storage has left: the less,
   * the sooner dead objects go.
   */
  sync(freeBytes: number): void {
    this.#access.sync();
    this.#isUnsynced = false;
    if (this.#eraId === null) return;
    this.#settled = this.#next;
    if (this.#eraIsOver(freeBytes)) this.#turnWhereRoom();
    this.#garbage.synced();
  }

  /** Everything is durable and the medium about to be closed: deletes what is of no use where it is worth a claim. */
  end(): void {
    if (this.#eraId === null) return;
    if (this.state.deadCells() >= DEAD_CELLS_LEAST) this.#turnWhereRoom();
    this.#garbage.ended();
  }

  #eraIsOver(freeBytes: number): boolean {
    const { objects, objectCells } = this.state;
    if (this.#next < this.#turnNotBefore) return false;
    const deadMost = Math.min(DEAD_CELLS + objectCells / 8, freeBytes / CELL_BYTES);
    return this.#next - this.#eraStart >= ERA_OBJECTS + objects.size / 64 ||
      this.state.deadCells() >= Math.max(DEAD_CELLS_LEAST, deadMost);
  }

  #turnWhereRoom(): void {
    try {
      this.#beginEra();
    } catch (error) {
      // What was synced is durable without it; a full medium gets no fuller by going on in this era.
      if (!isFull(error)) throw error;
      this.#turnNotBefore = this.#next + TURN_AGAIN;
    }
  }

  /** Takes the medium over: from now on nobody who had it before can add to it. Does nothing where this is done. */
  begin(): void {
    if (this.#eraId !== null) return;
    if (this.#found !== null) this.#fence(this.#found);
    this.#beginEra();
    this.#found = null;
  }

  #fence({ eraId, gap, isFenced }: LoadedEra): void {
    const name = objectName(this.#seal, eraId, gap);
    if (this.state.fences.includes(name)) return;
    if (!isFenced) {
      const object = new Uint8Array(OBJECT_CELLS_MIN * CELL_BYTES);
      this.#seal.random(object);
      this.#createObject(name, object, this.#footer("fence", gap));
    }
    this.state.addFence(name);
  }

  /** Writes a checkpoint under names of a fresh era, then claims it: the claim makes it count. */
  #beginEra(): void {
    const eraId = new Uint8Array(ERA_ID_BYTES);
    this.#seal.random(eraId);
    const names: string[] = [];
    try {
      const checkpointCells = writeCheckpoint(this.#context, eraId, this.state, names);
      this.#access.sync();
      const claim = { eraId, checkpointCells };
      this.#claims.create(this.#claim + 1, sealClaim(this.#seal, this.#claim + 1, claim));
    } catch (error) {
      // Without a claim nobody will ever look for them, and what is full needs their room.
      if (isFull(error)) { for (const name of names) this.#access.delete(name); }
      throw error;
    }
    this.#access.sync();
    this.#claim++;
    this.#eraId = eraId;
    this.#eraStart = this.#next = this.#settled = names.length;
    this.#dropped = [];
    this.#garbage.add(this.state.takeDead().map(({ name }) => name));
    this.#garbage.claimed();
    // Of no use to the claim that comes next.
    this.#garbage.add([...names, this.#claims.nameOf(this.#claim)]);
  }

  /** What an object of use was made with. */
  footerOf({ name, cells }: { name: string; cells: number }): readonly CellRun[] {
    return readFooter(this.#context, name, cells * CELL_BYTES).held;
  }
}
