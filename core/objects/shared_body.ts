import { VaultError } from "../errors.ts";
import { within } from "../storage/time_limit.ts";

/** How a body is shared. */
export interface SharingOptions {
  /** Milliseconds in which each reader must take a chunk, or it is left behind. */
  readonly milliseconds: number;
  /** Readers without which going on is of no use. */
  readonly least: number;
}

/** A reader's side of a shared body. */
export interface BodyBranch {
  readonly stream: ReadableStream<Uint8Array>;
  /** Rejects where the branch fails, with why; never resolves. A reader that gives up knows why itself. */
  readonly broken: Promise<never>;
  /** Ends it for its reader. */
  fail(error: unknown): void;
  /** Its reader wants no more, and has what it needs. */
  leave(): void;
}

/**
 * A body that several read at once: each chunk is given to all before the next one is read, so memory stays constant and the
 * slowest sets the pace, until it takes nothing for so long that it is left behind.
 */
export class SharedBody {
  readonly #read: (signal: AbortSignal) => AsyncIterable<Uint8Array>;
  readonly #options: SharingOptions;
  readonly #branches: Branch[] = [];
  readonly #ending = new AbortController();

  /** `read` begins to read, until its signal aborts. */
  constructor(read: (signal: AbortSignal) => AsyncIterable<Uint8Array>, options: SharingOptions) {
    this.#read = read;
    this.#options = options;
  }

  /** A reader. With a gate, its last chunk and its end come when the gate resolves; where that rejects, it fails. */
  branch(gate?: Promise<unknown>): BodyBranch {
    const { milliseconds } = this.#options;
    const branch = new Branch({ milliseconds, gate, onOver: () => this.#checkReaders() });
    this.#branches.push(branch);
    return branch;
  }

  /** Passes the body on, to its end. Where it fails, or too few readers are left, all fail and so does this. */
  async pass(): Promise<void> {
    try {
      for await (const chunk of this.#read(this.#ending.signal)) {
        if (chunk.length > 0) await this.#toAll((branch) => branch.give(chunk));
      }
      await this.#toAll((branch) => branch.end());
    } catch (error) {
      for (const branch of this.#branches) branch.fail(error);
      throw error;
    }
  }

  #checkReaders(): void {
    const left = this.#branches.filter(({ isOver }) => !isOver).length;
    if (left >= this.#options.least) return;
    const why = `Cannot go on: ${left} members still take the body`;
    this.#ending.abort(new VaultError("unavailable", why));
  }

  async #toAll(give: (branch: Branch) => Promise<void>): Promise<void> {
    await Promise.all(this.#branches.map(async (branch) => {
      if (!branch.isOver) await give(branch).catch((error) => branch.fail(error));
    }));
  }
}

interface BranchOptions {
  readonly milliseconds: number;
  readonly gate?: Promise<unknown>;
  readonly onOver: () => void;
}

class Branch implements BodyBranch {
  readonly stream: ReadableStream<Uint8Array>;
  readonly broken: Promise<never>;
  isOver = false;
  readonly #milliseconds: number;
  readonly #gate: Promise<unknown> | undefined;
  readonly #onOver: () => void;
  readonly #break: (error: unknown) => void;
  /** The next chunk is, or none any more. One for each chunk: what outlives them would keep something of every wait. */
  #wanted = Promise.withResolvers<void>();
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  #heldBack: Uint8Array | null = null;

  constructor({ milliseconds, gate, onOver }: BranchOptions) {
    this.#milliseconds = milliseconds;
    this.#gate = gate;
    this.#onOver = onOver;
    const { promise, reject } = Promise.withResolvers<never>();
    this.broken = promise;
    this.broken.catch(() => {}); // who does not ask need not know
    this.#break = reject;
    this.stream = new ReadableStream({
      start: (controller) => void (this.#controller = controller),
      pull: () => this.#wanted.resolve(),
      cancel: () => this.leave(),
    }, { highWaterMark: 0 });
    gate?.catch((error) => this.fail(error));
  }

  leave(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#wanted.resolve();
    this.#onOver();
  }

  async give(chunk: Uint8Array): Promise<void> {
    if (this.#gate === undefined) return await this.#send(chunk);
    const sent = this.#heldBack;
    this.#heldBack = chunk;
    if (sent !== null) await this.#send(sent);
  }

  async #send(chunk: Uint8Array): Promise<void> {
    await within({ milliseconds: this.#milliseconds }, () => this.#wanted.promise);
    if (this.isOver) return;
    this.#wanted = Promise.withResolvers();
    this.#controller.enqueue(chunk);
  }

  async end(): Promise<void> {
    await this.#gate;
    if (this.#heldBack !== null) await this.#send(this.#heldBack);
    if (this.isOver) return;
    this.leave();
    this.#controller.close();
  }

  fail(error: unknown): void {
    this.#break(error);
    if (this.isOver) return;
    this.leave();
    this.#controller.error(error);
  }
}
