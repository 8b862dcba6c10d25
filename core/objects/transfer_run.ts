import { VaultError, type VaultErrorKind } from "../errors.ts";
import { checkInteger, type Runtime, systemRuntime } from "../runtime.ts";
import { comparePaths } from "../storage/object_path.ts";
import { type Abortable, listObjects, type ObjectStore } from "../storage/object_store.ts";
import { ByteRate, waitMs } from "./byte_rate.ts";
import type { NamedProvider } from "./file_info.ts";
import { pathMatcher, patternPrefix } from "./path_pattern.ts";
import type { RetryCounts } from "./settings.ts";
import { type FoundPath, sideBySide } from "./side_by_side.ts";
import { isUnavailable } from "../storage/store_failures.ts";
import { type JournalFile, type JournalRecord, TransferJournal } from "./transfer_journal.ts";
import type { Carriage, SameObjects } from "./verified_copy.ts";

/** What happens to an object: in a dry run, what would. */
export type TransferAction = "copy" | "compare" | "skip" | "describe" | "delete" | "conflict";

/** How far a transfer is. */
export interface TransferProgress {
  /** Objects that are done with. */
  readonly objects: number;
  /** Bytes that were copied. */
  readonly bytes: number;
  /** The object that it goes on with. */
  readonly path: string;
}

/** How to carry objects from one provider to another. */
export interface TransferOptions extends Abortable {
  /** Globs between `|`, as in the rules: `docs/*`, `*.jpg|*.png`. Everything unless given. */
  readonly pattern?: string;
  /** Objects at once, 1 to 64; 8 unless given. */
  readonly parallel?: number;
  /** Bytes a second that are read, on both sides together; as fast as it goes unless given. */
  readonly bytesPerSecond?: number;
  /** Where it is noted what is the same on both sides: who begins again with it repeats nothing. Closed in the end. */
  readonly journal?: JournalFile;
  /** How often an object is tried while a side is `unavailable`: its state is looked at again first. 3 tries, 1,000 ms apart. */
  readonly retry?: Pick<RetryCounts, "attempts" | "delayMs">;
  /** Only says what would be done. */
  readonly dryRun?: boolean;
  /** Told while bytes pass, and behind each object. */
  readonly onProgress?: (progress: TransferProgress) => void;
  /** Told of every object but those that are skipped. */
  readonly onAction?: (path: string, action: TransferAction) => void;
}

/** An object that could not be carried. */
export interface TransferFailure {
  /** Of the object. */
  readonly path: string;
  /** For people. */
  readonly reason: string;
  /** How to react. */
  readonly kind: VaultErrorKind;
}

/** What a transfer came to; in a dry run, what it would come to. */
export interface TransferReport {
  /** Objects that were copied and verified. */
  readonly copied: number;
  /** Of the skipped those that the journal did not know: both sides were read. In a dry run: those that would be read. */
  readonly compared: number;
  /** Objects that were the same on both sides already. */
  readonly skipped: number;
  /** Objects that were removed: after copying, or because the other side has them no more. */
  readonly deleted: number;
  /** Objects of which both versions were kept. */
  readonly conflicts: number;
  /** Bytes that were copied. */
  readonly bytes: number;
  /** All that failed. */
  readonly failures: number;
  /** The first 1,000 of them. */
  readonly failed: readonly TransferFailure[];
  /** Nothing was done. */
  readonly dryRun: boolean;
}

/** Last part of the path of an object that is no one's: a migration makes it for a moment. */
export const MARK_NAME = "sigmavault-mark";
const PARALLEL_MAX = 64;
const FAILURES_TOLD = 1000;

/** Which sides, under their configured names. */
export interface TransferSides {
  /** The source, or one of two sides that are equal. */
  readonly from: NamedProvider;
  /** The target, or the other side. */
  readonly to: NamedProvider;
}

/** A transfer that is under way: what all its objects share. */
export class TransferRun implements Carriage {
  readonly from: ObjectStore;
  readonly to: ObjectStore;
  readonly signal: AbortSignal | undefined;
  readonly rate: ByteRate | null;
  readonly dryRun: boolean;
  /** What every path that matches begins with. */
  readonly prefix: string;
  readonly #matches: (path: string) => boolean;
  readonly #options: TransferOptions;
  readonly #journal: TransferJournal | null;
  readonly #counts = { copied: 0, compared: 0, skipped: 0, deleted: 0, conflicts: 0, bytes: 0 };
  readonly #failed: TransferFailure[] = [];
  /** Paths that are being worked on and of which the journal knows nothing any more. */
  readonly #forgotten = new Set<string>();
  #objects = 0;
  #failures = 0;
  #path = "";

  private constructor(
    { from, to }: { readonly from: ObjectStore; readonly to: ObjectStore },
    options: TransferOptions & { readonly clock: Pick<Runtime, "now"> },
    journal: TransferJournal | null,
  ) {
    const { signal, bytesPerSecond, dryRun = false, clock } = options;
    this.from = from;
    this.to = to;
    this.signal = signal;
    this.dryRun = dryRun;
    this.rate = bytesPerSecond === undefined
      ? null
      : new ByteRate(bytesPerSecond, { now: () => clock.now(), wait: waitMs });
    const { pattern } = options;
    this.prefix = pattern === undefined ? "" : patternPrefix(pattern);
    const matches = pattern === undefined ? () => true : pathMatcher(pattern);
    this.#matches = (path) => matches(path) && path.split("/").at(-1) !== MARK_NAME;
    this.#options = options;
    this.#journal = journal;
  }

  /** Runs `work` with everything open; gives its report. */
  static async over(
    { from, to }: TransferSides,
    options: TransferOptions,
    work: (run: TransferRun) => Promise<void>,
  ): Promise<TransferReport> {
    const { journal: file, parallel = 1, bytesPerSecond = 1 } = options;
    try {
      checkInteger("parallel", parallel, [1, PARALLEL_MAX]);
      checkInteger("bytes per second", bytesPerSecond, [1, Number.MAX_SAFE_INTEGER]);
      if (from.name === to.name) {
        const why = "these are one and the same";
        throw new VaultError("invalid", `Cannot carry from "${from.name}" to "${to.name}": ${why}`);
      }
      const stores = { from: await from.store(), to: await to.store() };
      const sides = { from: sideName(from, stores.from), to: sideName(to, stores.to) };
      const journal = file === undefined ? null : await TransferJournal.open(file, sides);
      const run = new TransferRun(stores, { ...options, clock: systemRuntime }, journal);
      await work(run).finally(() => journal?.settled());
      return run.#report();
    } finally {
      await file?.close();
    }
  }

  #report(): TransferReport {
    const { dryRun } = this;
    const failed = this.#failed.sort((a, b) => comparePaths(a.path, b.path));
    return { ...this.#counts, failures: this.#failures, failed, dryRun };
  }

  /** Works on every path that matches, several at once; what fails with one does not stop the others. */
  async eachPath(work: (found: FoundPath) => Promise<void>): Promise<void> {
    const { parallel = 8 } = this.#options;
    const { from, to, signal, prefix } = this;
    const matches = this.#matches;
    const paths = sideBySide({ from, to, signal, prefix, matches, records: this.#records() });
    let stopped = false;
    const worker = async () => {
      while (!stopped) {
        const { done, value } = await paths.next();
        if (done) return;
        await this.#each(value, work);
      }
    };
    const workers = Array.from({ length: parallel }, () =>
      worker().catch((error) => {
        stopped = true;
        throw error;
      }));
    const settled = await Promise.allSettled(workers);
    await paths.return(undefined);
    for (const each of settled) if (each.status === "rejected") throw each.reason;
  }

  async #each(found: FoundPath, work: (found: FoundPath) => Promise<void>): Promise<void> {
    this.signal?.throwIfAborted();
    this.#path = found.path;
    try {
      await this.#tried(found, work);
    } catch (error) {
      this.signal?.throwIfAborted();
      if (!(error instanceof VaultError) || this.#journal?.failure) throw error;
      if (++this.#failures <= FAILURES_TOLD) {
        this.#failed.push({ path: found.path, reason: error.message, kind: error.kind });
      }
    }
    this.#forgotten.delete(found.path);
    this.#objects++;
    this.#tell();
  }

  /** Works on a path; where a side was `unavailable`, again on what both sides have then. */
  async #tried(found: FoundPath, work: (found: FoundPath) => Promise<void>): Promise<void> {
    const { attempts = 3, delayMs = 1000 } = this.#options.retry ?? {};
    const { signal, from, to } = this;
    const { path } = found;
    let now = found;
    for (let attempt = 1;; attempt++) {
      try {
        if (attempt > 1) {
          await waitMs(delayMs, signal);
          const record = this.#forgotten.has(path) ? null : found.record;
          now = {
            path,
            from: await from.head(path, { signal }),
            to: await to.head(path, { signal }),
            record,
          };
        }
        return await work(now);
      } catch (error) {
        const isOver = attempt >= attempts || this.#journal?.failure;
        if (isOver || !isUnavailable(error)) throw error;
      }
    }
  }

  /** Counts what is done; says so. */
  did(action: TransferAction, path: string): void {
    const counts = this.#counts;
    if (action === "copy") counts.copied++;
    if (action === "delete") counts.deleted++;
    if (action === "conflict") counts.conflicts++;
    if (action === "compare") counts.compared++;
    if (action === "skip") counts.skipped++;
    else this.#options.onAction?.(path, action);
  }

  onBytes(bytes: number): void {
    this.#counts.bytes += bytes;
    this.#tell();
  }

  #tell(): void {
    const { bytes } = this.#counts;
    this.#options.onProgress?.({ objects: this.#objects, bytes, path: this.#path });
  }

  /** Notes that two objects are the same. */
  async note(path: string, { from, to }: SameObjects): Promise<void> {
    await this.#journal?.note({ path, from: stateOf(from), to: stateOf(to) });
  }

  /** Notes what was known before. */
  async noteAgain(record: JournalRecord): Promise<void> {
    await this.#journal?.note(record);
    this.#forgotten.delete(record.path);
  }

  /** Notes that nothing is known of a path. */
  async forget(path: string): Promise<void> {
    if (this.dryRun) return;
    this.#forgotten.add(path);
    await this.#journal?.note({ path, from: null, to: null });
  }

  /** Whether there is anything that matches: on each side, and in the journal. */
  async holding(): Promise<Readonly<Record<"from" | "to" | "record", boolean>>> {
    const { signal, from, to, prefix } = this;
    const hasAny = async (items: AsyncIterable<{ readonly path: string }>) => {
      for await (const { path } of items) if (this.#matches(path)) return true;
      return false;
    };
    return {
      from: await hasAny(listObjects(from, prefix, { signal })),
      to: await hasAny(listObjects(to, prefix, { signal })),
      record: await hasAny(this.#records()),
    };
  }

  #records(): AsyncIterable<JournalRecord> {
    return this.#journal?.records() ?? nothing();
  }
}

function stateOf({ etag, size }: { readonly etag: string; readonly size: number }) {
  return { etag, size };
}

function sideName({ name }: NamedProvider, store: ObjectStore): string {
  return `${name} (${store.provider} ${store.name})`;
}

async function* nothing(): AsyncGenerator<JournalRecord> {}
