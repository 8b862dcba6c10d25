import { MemoryStorage } from "../../backends/memory/store.ts";
import { SparseBytes } from "../../backends/memory/sparse_bytes.ts";
import { RandomStream } from "./random_stream.ts";

/** Disks write a sector of this size whole or not at all. */
export const SECTOR_BYTES = 512;
/** Chunks of the images: small, because a fork copies each chunk that it changes. */
export const IMAGE_CHUNK_BYTES = 16 * 1024;

/** One change of a medium that is not durable until the medium's next sync. */
export type Change =
  | { readonly kind: "write"; readonly offset: number; readonly data: Uint8Array }
  | { readonly kind: "truncate"; readonly size: number }
  | { readonly kind: "discard"; readonly offset: number; readonly size: number };

type CrashEvent<Mark> =
  | { readonly kind: "change"; readonly member: number; readonly change: Change }
  | { readonly kind: "sync"; readonly member: number; readonly upTo: number }
  | { readonly kind: "mark"; readonly mark: Mark };

interface Pending {
  /** Index of its event. */
  readonly index: number;
  readonly member: number;
  readonly change: Change;
}

/** How many images {@linkcode CrashLog.images} makes. */
export interface CrashImageOptions {
  /** Random images per crash point, beside the systematic ones. 2 unless given. */
  randomPerPoint?: number;
  /** "Each one missing" is limited to this many unsynced changes, chosen by seed. 8 unless given. */
  missingMax?: number;
  /** Crash points to look at: events with these indexes, `[from, to)`. All unless given. */
  points?: [from: number, to: number];
}

/** The media as one crash could leave them. */
export interface CrashImage<Mark> {
  /** The crash came right after this many events. */
  readonly point: number;
  /** Which of the unsynced changes arrived, in words. */
  readonly description: string;
  /** The latest mark before the crash: what the program had been promised by then. */
  readonly mark: Mark | undefined;
  /** What each medium holds. */
  readonly contents: readonly SparseBytes[];
  /** Opens medium number `member` (0 unless given) on a copy of its content. */
  open(member?: number): MemoryStorage;
}

/**
 * What happened to one or several media, in order, and every state that a crash could have left.
 *
 * The model: what a medium synced is there. Of its later changes any subset is, and of a write any
 * subset of its sectors. Changes that arrive are applied in the order they were made: a sector ends
 * as one of its versions, and an arrival out of order leaves the same as a later version lost.
 */
export class CrashLog<Mark = string> {
  readonly #starts: SparseBytes[] = [];
  #events: CrashEvent<Mark>[] = [];

  /** Adds a medium that holds `content` durably; returns its number. */
  addMember(content: SparseBytes): number {
    const start = new SparseBytes(IMAGE_CHUNK_BYTES);
    copyInto(start, content);
    this.#starts.push(start);
    return this.#starts.length - 1;
  }

  /** Events so far, which is also the number of the crash point after the last one. */
  get length(): number {
    return this.#events.length;
  }

  /** Notes what the program has been promised by now; later images carry it. */
  mark(mark: Mark): void {
    this.#events.push({ kind: "mark", mark });
  }

  /** Notes a change of a medium. */
  change(member: number, change: Change): void {
    this.#events.push({ kind: "change", member, change });
  }

  /** Notes that all changes of a medium are durable that were made before event `upTo`: all so far unless given. */
  sync(member: number, upTo: number = this.length): void {
    this.#events.push({ kind: "sync", member, upTo });
  }

  /**
   * Every recorded crash point in order, with the images of each: all unsynced changes there, none
   * (once per sync or mark), each one missing, only the last there, the last torn, and random ones.
   */
  *images(seed: number, options: CrashImageOptions = {}): Generator<CrashImage<Mark>> {
    const [from, to] = options.points ?? [0, this.#events.length + 1];
    const bases = this.#starts.map((start) => start.fork());
    let pending: Pending[] = [];
    let mark: Mark | undefined;
    for (let point = 0; point < to && point <= this.#events.length; point++) {
      const event = point === 0 ? undefined : this.#events[point - 1];
      if (event?.kind === "mark") mark = event.mark;
      if (event?.kind === "change") pending.push({ ...event, index: point - 1 });
      if (event?.kind === "sync") {
        const { member, upTo } = event;
        const isSynced = (item: Pending) => item.member === member && item.index < upTo;
        for (const item of pending.filter(isSynced)) apply(bases[member], item.change, everySector);
        pending = pending.filter((item) => !isSynced(item));
      }
      if (point < from) continue;
      const stream = new RandomStream(seed + point);
      const isChange = event?.kind === "change";
      for (const choice of choices(pending, isChange, { ...options, stream })) {
        const contents = bases.map((base) => base.fork());
        pending.forEach((item, index) => {
          apply(contents[item.member], item.change, (sector) => choice.arrives(index, sector));
        });
        yield {
          point,
          description: choice.description,
          mark,
          contents,
          open: (member = 0) => new MemoryStorage({ content: contents[member].fork() }),
        };
      }
    }
  }
}

/** Which sectors of which unsynced changes arrived. Changes but writes ask for sector 0 only. */
interface Choice {
  readonly description: string;
  arrives(index: number, sector: number): boolean;
}

const everySector = () => true;

function* choices(
  pending: readonly Pending[],
  lastIsChange: boolean,
  options: CrashImageOptions & { stream: RandomStream },
): Generator<Choice> {
  const { stream } = options;
  yield { description: "all arrived", arrives: everySector };
  if (pending.length === 0) return;
  const last = pending.length - 1;
  if (!lastIsChange) yield { description: "none arrived", arrives: () => false };
  // "All but the last" was "all arrived" at the point before.
  const missable = lastIsChange ? last : pending.length;
  for (const missing of someOf(missable, options.missingMax ?? 8, stream)) {
    yield { description: `change ${missing} missing`, arrives: (index) => index !== missing };
  }
  if (last > 0) yield { description: "only the last arrived", arrives: (index) => index === last };
  const sectors = sectorCount(pending[last].change);
  if (sectors > 1) {
    const kept = 1 + stream.below(sectors - 1);
    yield {
      description: `last torn after ${kept} sectors`,
      arrives: (index, sector) => index !== last || sector < kept,
    };
  }
  for (let i = 0; i < (options.randomPerPoint ?? 2); i++) yield randomChoice(pending, stream);
}

/** Each change arrives whole, not at all, or as a prefix, a suffix or any subset of its sectors. */
function randomChoice(pending: readonly Pending[], stream: RandomStream): Choice {
  const arrived = pending.map(({ change }) => {
    const sectors = sectorCount(change);
    const whole = stream.below(sectors > 1 ? 5 : 2);
    const cut = stream.below(sectors);
    return Array.from({ length: sectors }, (_, sector) => {
      if (whole < 2) return whole === 1;
      if (whole === 2) return sector < cut;
      return whole === 3 ? sector >= cut : stream.chance(0.5);
    });
  });
  return { description: "random", arrives: (index, sector) => arrived[index][sector] };
}

/** At most `max` distinct numbers below `count`: all of them, or a choice. */
function someOf(count: number, max: number, stream: RandomStream): number[] {
  const numbers = Array.from({ length: count }, (_, i) => i);
  while (numbers.length > max) numbers.splice(stream.below(numbers.length), 1);
  return numbers;
}

function sectorCount(change: Change): number {
  if (change.kind !== "write" || change.data.length === 0) return 1;
  const first = Math.floor(change.offset / SECTOR_BYTES);
  return Math.floor((change.offset + change.data.length - 1) / SECTOR_BYTES) - first + 1;
}

function apply(content: SparseBytes, change: Change, arrives: (sector: number) => boolean): void {
  if (change.kind === "truncate") {
    if (arrives(0)) content.truncate(change.size);
  } else if (change.kind === "discard") {
    if (arrives(0)) content.clear(change.offset, change.size);
  } else {
    applyWrite(content, change, arrives);
  }
}

/** Writes each run of arrived sectors with one copy. */
function applyWrite(
  content: SparseBytes,
  write: { offset: number; data: Uint8Array },
  arrives: (sector: number) => boolean,
): void {
  const { offset, data } = write;
  const end = offset + data.length;
  const first = Math.floor(offset / SECTOR_BYTES);
  let runStart = offset;
  for (let sector = 0, at = offset; at < end; sector++) {
    const next = Math.min(end, (first + sector + 1) * SECTOR_BYTES);
    const arrived = arrives(sector);
    if (!arrived || next === end) {
      const runEnd = arrived ? next : at;
      if (runEnd > runStart) {
        content.write(runStart, data.subarray(runStart - offset, runEnd - offset));
      }
      runStart = next;
    }
    at = next;
  }
}

function copyInto(target: SparseBytes, source: SparseBytes): void {
  const part = new Uint8Array(IMAGE_CHUNK_BYTES);
  for (let at = 0; at < source.length; at += part.length) {
    const piece = part.subarray(0, Math.min(part.length, source.length - at));
    if (source.bytesToAllocate(at, piece.length) > 0) continue;
    source.read(at, piece);
    target.write(at, piece);
  }
  target.truncate(source.length);
}

/** Does `work` on an image; a failure says which one it was. */
export async function atImage<T>(
  { point, description }: Pick<CrashImage<unknown>, "point" | "description">,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new Error(`point ${point}, ${description}`, { cause: error });
  }
}
