import { MemoryObjects } from "../../backends/memory/objects.ts";
import type { RandomStream } from "./random_stream.ts";

type Objects = Map<string, Uint8Array>;
type Change =
  | { readonly kind: "create"; readonly name: string; readonly bytes: Uint8Array }
  | { readonly kind: "delete"; readonly name: string };
type CrashEvent<Mark> =
  | Change
  | { readonly kind: "sync" }
  | { readonly kind: "mark"; readonly mark: Mark };

/** The objects as one crash could leave them. */
export interface ObjectsImage<Mark> {
  /** The crash came right after this many events. */
  readonly point: number;
  readonly description: string;
  /** What the program had been promised by then. */
  readonly mark: Mark | undefined;
  /** The objects on a copy of their list. */
  open(): MemoryObjects;
}

/**
 * Objects in memory that record what is created, deleted and synced, and afterwards show every state in which a crash could
 * have left them: of what was not synced, any subset was done.
 */
export class CrashObjects<Mark = string> extends MemoryObjects {
  readonly #start: Objects;
  readonly #events: CrashEvent<Mark>[] = [];

  /** Objects that are durable at the start. */
  constructor(content: Objects = new Map()) {
    super({ name: "crash:", content: new Map(content) });
    this.#start = new Map(content);
  }

  override create(name: string, bytes: Uint8Array): void {
    super.create(name, bytes);
    this.#events.push({ kind: "create", name, bytes: this.content.get(name)! });
  }

  override delete(name: string): void {
    super.delete(name);
    this.#events.push({ kind: "delete", name });
  }

  override sync(): void {
    super.sync();
    this.#events.push({ kind: "sync" });
  }

  /** Notes what the program has been promised by now; later images carry it. */
  mark(mark: Mark): void {
    this.#events.push({ kind: "mark", mark });
  }

  /** Every point in order, with the images of each. */
  *images(stream: RandomStream): Generator<ObjectsImage<Mark>> {
    const durable = new Map(this.#start);
    let pending: Change[] = [];
    let mark: Mark | undefined;
    for (let point = 0; point <= this.#events.length; point++) {
      const event = point === 0 ? undefined : this.#events[point - 1];
      if (event?.kind === "mark") mark = event.mark;
      else if (event?.kind === "sync") {
        for (const change of pending) apply(durable, change);
        pending = [];
      } else if (event !== undefined) pending.push(event);
      for (const { description, done } of choices(pending, stream)) {
        const content = new Map(durable);
        for (const change of done) apply(content, change);
        const open = () => new MemoryObjects({ content: new Map(content) });
        yield { point, description, mark, open };
      }
    }
  }
}

function apply(objects: Objects, change: Change): void {
  if (change.kind === "create") objects.set(change.name, change.bytes);
  else objects.delete(change.name);
}

function* choices(
  pending: readonly Change[],
  stream: RandomStream,
): Generator<{ description: string; done: readonly Change[] }> {
  yield { description: "all done", done: pending };
  if (pending.length === 0) return;
  yield { description: "none done", done: [] };
  const missing = stream.below(pending.length);
  yield { description: `change ${missing} missing`, done: pending.toSpliced(missing, 1) };
  if (pending.length === 1) return;
  yield { description: "only the last done", done: pending.slice(-1) };
  yield { description: "random", done: pending.filter(() => stream.chance(0.5)) };
}
