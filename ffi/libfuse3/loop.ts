import { VaultError } from "../../core/errors.ts";
import type { FileSystem } from "../../core/fs/file_system.ts";
import { MIB } from "../../core/limits.ts";
import { ERRNO, errnoName } from "../libc/errno.ts";
import { type Libc, openLibc } from "../libc/symbols.ts";
import { DeviceChannel } from "./device_channel.ts";
import { Dispatcher } from "./dispatch.ts";
import type { DriverSettings, PageRange } from "./exchange.ts";
import { IdlePolling } from "./idle_polling.ts";
import { KernelNotices } from "./kernel_notices.ts";
import { OpenHandles } from "./open_handles.ts";
import { PAGE_BYTES, WRITE_HEADERS_BYTES } from "./protocol.ts";
import { Reply, timeoutOf } from "./reply.ts";
import { type KernelMemory, RequestBuffers } from "./request_buffers.ts";
import { ServedRounds } from "./served_rounds.ts";
import type { ServedSession } from "./served_session.ts";
import { DescriptorWait } from "./wait.ts";

export type { ServedSession } from "./served_session.ts";

/** How to serve a mount. */
export interface ServeOptions {
  /** Where request buffers are reserved. */
  readonly kernel: KernelMemory;
  /** What programs have open, where somebody else wants to know it too. */
  readonly handles?: OpenHandles;
  /** WRITEs whose memory the filesystem may hold at the same time. Default 16. */
  readonly requestBuffers?: number;
  /** Largest WRITE and READ, whole pages. Default 1 MiB. */
  readonly maxWriteBytes?: number;
  /** Seconds that the kernel may believe a name. Default 60. */
  readonly entryTimeoutSeconds?: number;
  /** Seconds that the kernel may believe attributes. Default 60. */
  readonly attributeTimeoutSeconds?: number;
  /** Seconds that the kernel may believe that a name does not exist. Default 60. */
  readonly negativeTimeoutSeconds?: number;
  /** Let the kernel gather small writes. Default true. */
  readonly writebackCache?: boolean;
  /** How long an interrupted fsync may still finish before its caller gets EINTR. Default 1000. */
  readonly interruptGraceMs?: number;
  /** Have idle processors of a small virtual machine look for work while small requests come densely. Default true. */
  readonly idlePolling?: boolean;
  /** Does background work while no request waits; true when it did something. */
  readonly idle?: () => boolean;
  /** True while other work of this thread waits for promises: the thread then sleeps without blocking its event loop. */
  readonly busy?: () => boolean;
  /** Called after each round of up to 64 requests, with whether there are no more and how many there were so far; it must be cheap. */
  readonly round?: (empty: boolean, answered: number) => void;
  /** Called at least once a second. */
  readonly tick?: () => void;
  /** Called once the kernel and the driver agreed: the mount is usable. */
  readonly ready?: () => void;
  /** Told of every failure of the filesystem that is not a POSIX answer (its caller got EIO). */
  readonly report?: (error: unknown) => void;
}

/** Requests answered before timers and messages get their turn. */
const BATCH = 64;
const SPIN_MS = 0.1;
/** So many fruitful spins in a row mean that somebody waits for one request after the other. */
const DENSE_HITS = 16;
/** Processors sleep again when no request has come for so long. */
const DENSE_MS = 2;
/** Fruitless spins after which only every sixteenth wait spins. */
const SPIN_MISSES = 64;
const TICK_MS = 1000;
/** Turns of the event loop that a pending promise gets before the thread sleeps. */
const PENDING_TURNS = 8;
/** How long a wait with pending promises lasts at most: it bounds how late an interrupt is answered. */
const PENDING_WAIT_MS = 100;
/**
 * After a call of another thread the event loop is not blocked for so long: a message that moves memory needs many turns to
 * arrive, and got one a second.
 */
const LISTEN_MS = 200;

/** Lets timers, messages and promises run. A timer would take a millisecond. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * Answers the kernel's requests until the filesystem is unmounted. It blocks its thread while nothing happens, so it belongs
 * into a worker of its own. Throws the broken invariant if there is one; the mount is then dead and must be given up
 * (`Session.abort`).
 */
export async function serveSession(
  session: ServedSession,
  fileSystem: FileSystem,
  options: ServeOptions,
): Promise<void> {
  const libc = openLibc();
  try {
    await new SessionLoop(libc, session, { ...options, fileSystem }).run();
  } finally {
    libc.close();
  }
}

function settingsOf(options: ServeOptions): DriverSettings {
  const writeBytesMax = options.maxWriteBytes ?? MIB;
  if (writeBytesMax < 2 * PAGE_BYTES || writeBytesMax % PAGE_BYTES !== 0) {
    throw new VaultError(
      "invalid",
      `Cannot use "maxWriteBytes" ${writeBytesMax}: want whole pages`,
    );
  }
  return {
    timeouts: {
      entry: timeoutOf(options.entryTimeoutSeconds ?? 60),
      attr: timeoutOf(options.attributeTimeoutSeconds ?? 60),
      negative: timeoutOf(options.negativeTimeoutSeconds ?? 60),
    },
    writeBytesMax,
    writebackCache: options.writebackCache ?? true,
  };
}

type Drained = "empty" | "more" | "gone";

class SessionLoop {
  readonly #libc: Libc;
  readonly #descriptor: number;
  readonly #options: ServeOptions;
  readonly #buffers: RequestBuffers;
  readonly #readBytes: bigint;
  readonly #dispatcher: Dispatcher;
  readonly #wait: DescriptorWait;
  readonly #polling: IdlePolling;
  readonly #notices: KernelNotices;
  readonly #rounds = new ServedRounds();
  /** Resolved when the kernel has taken a notice. */
  #noticed = Promise.withResolvers<void>();
  /** Requests so far. */
  #answered = 0;
  #misses = 0;
  /** Fruitful spins since the last fruitless one. */
  #row = 0;
  /** What `#answered` was when the thread began to wait for promises the last time. */
  #answeredBefore = 0;
  #waits = 0;
  #hits = 0;
  #tickAtMs = 0;
  #listenUntilMs = 0;
  #announced = false;

  constructor(
    libc: Libc,
    session: ServedSession,
    options: ServeOptions & { fileSystem: FileSystem },
  ) {
    const settings = settingsOf(options);
    const { kernel } = options;
    const reply = new Reply();
    this.#libc = libc;
    this.#descriptor = session.descriptor;
    this.#options = options;
    this.#readBytes = BigInt(WRITE_HEADERS_BYTES + settings.writeBytesMax);
    this.#buffers = new RequestBuffers(
      kernel,
      options.requestBuffers ?? 16,
      settings.writeBytesMax,
    );
    this.#dispatcher = new Dispatcher({
      fileSystem: options.fileSystem,
      settings,
      handles: options.handles ?? new OpenHandles(),
      copies: {
        takeIn: (range) => this.#takeIn(range),
        forgetAttributes: (ino) => this.#notices.forgetAttributes(ino),
      },
      reply,
      channel: new DeviceChannel(libc, session.descriptor, { reply, kernel }),
      buffer: this.#buffers.take(),
      interruptGraceMs: options.interruptGraceMs ?? 1000,
      report: options.report ?? (() => {}),
    });
    this.#wait = new DescriptorWait(libc, session);
    this.#polling = new IdlePolling(libc, options.idlePolling ?? true);
    this.#notices = new KernelNotices(libc, session.descriptor);
  }

  async run(): Promise<void> {
    try {
      while (await this.#round());
    } finally {
      this.#polling.close();
      this.#dispatcher.pending.abandon();
      this.#rounds.end();
      await Promise.all([this.#wait.finish(), this.#notices.finish()]);
    }
    if (this.#dispatcher.broken !== null) throw this.#dispatcher.broken;
  }

  /** Answers what is there, or waits for more; false when the session is over. */
  async #round(): Promise<boolean> {
    const drained = this.#drain(BATCH);
    // First: a mount may begin and end within one batch.
    this.#announce();
    if (drained === "gone" || this.#dispatcher.broken !== null) return false;
    this.#rounds.served(drained === "empty");
    this.#options.round?.(drained === "empty", this.#answered);
    if (drained === "more") {
      await this.#tickIfDue(true);
      return true;
    }
    if (this.#waiting) {
      await this.#waitForPromises();
      return true;
    }
    if (this.#spin()) return ++this.#hits % BATCH !== 0 || await this.#tickIfDue(true);
    if (this.#options.idle?.() === true) return await this.#tickIfDue(false);
    this.#sleep();
    return await this.#tickIfDue(false);
  }

  /** Resolves when the kernel has given us what programs wrote through memory maps into a part of a file. */
  async #takeIn(range: PageRange): Promise<void> {
    await this.#notices.forgetPages(range);
    const served = this.#rounds.wait();
    this.#noticed.resolve();
    this.#noticed = Promise.withResolvers();
    await served;
  }

  /** Blocks until somebody wants something or the next tick is due. */
  #sleep(): void {
    const isDense = this.#polling.isOn;
    const woken = this.#wait.block(
      isDense ? Math.min(DENSE_MS, this.#untilTickMs()) : this.#untilTickMs(),
    );
    if (woken === "call") this.#listenUntilMs = performance.now() + LISTEN_MS;
    if (woken === "nobody" && isDense) this.#polling.end();
  }

  #announce(): void {
    if (this.#announced || !this.#dispatcher.agreed) return;
    this.#announced = true;
    this.#options.ready?.();
  }

  /** Answers up to `count` requests. */
  #drain(count: number): Drained {
    const { reads } = this.#dispatcher;
    for (let answered = 0; answered < count; answered++) {
      const state = this.#one();
      // Nothing to ask for now: help with the oldest read instead of waiting.
      if (state === "empty" && reads.answerOldest()) continue;
      if (state !== "more") return state;
      if (reads.size > 0) reads.answerSettled();
      if (this.#dispatcher.broken !== null) return "more";
    }
    return "more";
  }

  #one(): Drained {
    const buffer = this.#buffers.take();
    const { symbols } = this.#libc;
    const length = symbols.read(this.#descriptor, buffer.pointer, this.#readBytes);
    if (length > 0) {
      this.#answered++;
      this.#dispatcher.answer(buffer, length);
      return "more";
    }
    // Another thread aborted: it put /dev/null in the device's place.
    if (length === 0) return "gone";
    const errno = this.#libc.errno();
    if (errno === ERRNO.EAGAIN) return "empty";
    // ENOENT: the request was interrupted before it could be read.
    if (errno === ERRNO.EINTR || errno === ERRNO.ENOENT) return "more";
    if (errno === ERRNO.ENODEV || errno === ERRNO.ECONNABORTED) return "gone";
    throw new VaultError("unavailable", `Cannot read requests: ${errnoName(errno)}`);
  }

  /** Looks for a request for a short while; stops doing so as long as it does not pay. */
  #spin(): boolean {
    if (this.#misses >= SPIN_MISSES && (++this.#waits & 15) !== 0) return false;
    const end = performance.now() + SPIN_MS;
    do {
      if (this.#one() !== "empty") {
        this.#misses = 0;
        if (++this.#row === DENSE_HITS) this.#polling.begin();
        return true;
      }
    } while (performance.now() < end);
    this.#misses++;
    this.#row = 0;
    return false;
  }

  get #waiting(): boolean {
    return this.#dispatcher.pending.size > 0 || this.#options.busy?.() === true ||
      performance.now() < this.#listenUntilMs;
  }

  async #waitForPromises(): Promise<void> {
    const { pending } = this.#dispatcher;
    for (let turns = 0; turns < PENDING_TURNS; turns++) {
      await turn();
      if (!this.#waiting || this.#one() !== "empty") return;
    }
    if (this.#answeredBefore === this.#answered) this.#polling.end();
    this.#answeredBefore = this.#answered;
    if (this.#options.idle?.() !== true) {
      const { promise: noticed } = this.#noticed;
      await Promise.race([this.#wait.inPool(PENDING_WAIT_MS), pending.nextSettled(), noticed]);
    }
    pending.expire(performance.now());
    await this.#tickIfDue(false);
  }

  #untilTickMs(): number {
    return Math.max(0, Math.min(TICK_MS, Math.ceil(this.#tickAtMs - performance.now())));
  }

  /** Runs the timers' hook once a second; `yielding` gives the event loop a turn in any case. Always true. */
  async #tickIfDue(yielding: boolean): Promise<boolean> {
    const now = performance.now();
    const due = now >= this.#tickAtMs;
    if (due) {
      this.#tickAtMs = now + TICK_MS;
      this.#options.tick?.();
    }
    if (due || yielding) await turn();
    return true;
  }
}
