import { VaultError } from "../errors.ts";
import { comparePaths } from "../storage/object_path.ts";

/** Which state of an object is meant. */
export interface ObjectState {
  readonly etag: string;
  /** Bytes. */
  readonly size: number;
}

/** Two states that were found to have the same bytes. With nulls: nothing is known of the path any more. */
export interface JournalRecord {
  readonly path: string;
  readonly from: ObjectState | null;
  readonly to: ObjectState | null;
}

/** A file of lines. Nobody else writes to it while it is open. */
export interface JournalFile {
  /** For messages. */
  readonly name: string;
  /** All its bytes from the start; what is added meanwhile may come or not. None where it is new. */
  read(): AsyncIterable<Uint8Array>;
  /** Adds bytes at the end; durable when it resolves. */
  append(bytes: Uint8Array): Promise<void>;
  /** Puts other bytes in place of all; durable when it resolves, and after a crash there is one of the two. */
  replace(chunks: AsyncIterable<Uint8Array>): Promise<void>;
  /** Gives it back. Idempotent. */
  close(): Promise<void>;
}

/** Between which two places, so that a journal is not used for others. */
export interface JournalSides {
  readonly from: string;
  readonly to: string;
}

const MAGIC = "sigmavault storage journal";
/** Characters of a line. */
const LINE_CHARACTERS_MAX = 64 * 1024;
/** Records that are sorted in memory at once: some tens of MB. */
const SORTED_AT_ONCE = 100_000;
/** Characters that are written at once. */
const WRITTEN_AT_ONCE = 64 * 1024;

/**
 * Which states of two sides are known to be the same, one line of JSON each: first records in ascending order of their paths,
 * then what was noted since, in any order. Opening sorts the latter in, so that records can be read beside listings in constant
 * memory. What a crash cut off is dropped: then less is known, and nothing wrong.
 */
export class TransferJournal {
  readonly #file: JournalFile;
  /** Records in ascending order at the start of the file. */
  #sorted = 0;
  #pending: string[] = [];
  #writing: Promise<void> | null = null;
  /** Why nothing can be noted any more. */
  failure: unknown = null;

  private constructor(file: JournalFile) {
    this.#file = file;
  }

  /** Reads a file; `invalid` where it is none of these, or one for others. It stays the caller's to close. */
  static async open(
    file: JournalFile,
    sides: JournalSides,
    sortedAtOnce: number = SORTED_AT_ONCE,
  ): Promise<TransferJournal> {
    const journal = new TransferJournal(file);
    const header = lineOf({ journal: MAGIC, from: sides.from, to: sides.to });
    const first = await firstOf(linesIn(file, "torn"));
    if (first === null) await file.replace(encoded([header]));
    else checkHeader(file, first, header);
    while (true) {
      const { sorted, more } = await journal.#look();
      journal.#sorted = sorted;
      if (!more) return journal;
      await file.replace(encoded(journal.#sortedIn(header, sortedAtOnce)));
    }
  }

  /** What was known when it was opened, in ascending order. */
  async *records(): AsyncGenerator<JournalRecord> {
    let read = 0;
    for await (const record of this.#all()) {
      if (read++ === this.#sorted) return;
      if (record.from !== null || record.to !== null) yield record;
    }
  }

  /** Notes what is known now; durable when it resolves. Those that wait are written together. */
  async note(record: JournalRecord): Promise<void> {
    this.#pending.push(lineOf(record));
    // Whoever is writing does not write these.
    if (this.#writing !== null) await this.#writing;
    if (this.#pending.length > 0) this.#writing ??= this.#write();
    await this.#writing;
    if (this.failure !== null) throw this.failure;
  }

  async #write(): Promise<void> {
    const lines = this.#pending.join("");
    this.#pending = [];
    try {
      if (this.failure === null) await this.#file.append(new TextEncoder().encode(lines));
    } catch (error) {
      this.failure = error;
    } finally {
      this.#writing = null;
    }
  }

  /** Resolves when nothing is being written. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  async *#all(): AsyncGenerator<JournalRecord> {
    let isFirst = true;
    for await (const line of linesIn(this.#file)) {
      const record = isFirst ? null : recordIn(line);
      if (record !== null) yield record;
      // What stands behind a broken line is not believed.
      else if (!isFirst) return;
      isFirst = false;
    }
  }

  /** How many records ascend, and whether something follows them. */
  async #look(): Promise<{ sorted: number; more: boolean }> {
    let sorted = 0, last: string | null = null, lines = 0;
    for await (const { path } of this.#all()) {
      if (last !== null && comparePaths(path, last) <= 0) return { sorted, more: true };
      last = path;
      sorted++;
    }
    for await (const _ of linesIn(this.#file, "torn")) lines++;
    return { sorted, more: lines > sorted + 1 };
  }

  /** The lines of a file in which the first of the unsorted records are among the sorted ones. */
  async *#sortedIn(header: string, atOnce: number): AsyncGenerator<string> {
    yield header;
    const noted = new Map<string, JournalRecord>();
    const unsorted = this.#unsorted();
    while (noted.size < atOnce) {
      const { done, value } = await unsorted.next();
      if (done) break;
      noted.set(value.path, value);
    }
    const fresh = [...noted.values()].sort((a, b) => comparePaths(a.path, b.path));
    let next = 0;
    const isKnown = (record: JournalRecord) => record.from !== null || record.to !== null;
    for await (const record of this.records()) {
      for (; next < fresh.length && comparePaths(fresh[next].path, record.path) < 0; next++) {
        if (isKnown(fresh[next])) yield lineOf(fresh[next]);
      }
      if (!noted.has(record.path)) yield lineOf(record);
    }
    for (; next < fresh.length; next++) if (isKnown(fresh[next])) yield lineOf(fresh[next]);
    for await (const record of unsorted) yield lineOf(record);
  }

  async *#unsorted(): AsyncGenerator<JournalRecord> {
    let read = 0;
    for await (const record of this.#all()) if (read++ >= this.#sorted) yield record;
  }
}

/** True where an object is in this state. */
export function isState(state: ObjectState | null, object: ObjectState | null): boolean {
  return state !== null && object !== null && state.etag === object.etag &&
    state.size === object.size;
}

function lineOf(value: JournalRecord | (JournalSides & { readonly journal: string })): string {
  return JSON.stringify(value) + "\n";
}

function checkHeader(file: JournalFile, line: string, header: string): void {
  if (`${line}\n` === header) return;
  const found = parsed(line) as { readonly journal?: unknown; from?: unknown; to?: unknown } | null;
  const why = found?.journal === MAGIC
    ? `it is one from ${JSON.stringify(found.from)} to ${
      JSON.stringify(found.to)
    }; use another file`
    : "it is no journal";
  throw new VaultError("invalid", `Cannot use journal "${file.name}": ${why}`);
}

function recordIn(line: string): JournalRecord | null {
  const record = parsed(line) as Partial<JournalRecord> | null;
  if (typeof record?.path !== "string") return null;
  const { path, from, to } = record;
  return isStateOrNull(from) && isStateOrNull(to) ? { path, from, to } : null;
}

function isStateOrNull(state: ObjectState | null | undefined): state is ObjectState | null {
  return state === null ||
    (typeof state === "object" && typeof state.etag === "string" && Number.isInteger(state.size));
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}

/** Lines that are whole; with "torn" also a last one without an end. */
async function* linesIn(file: JournalFile, last: "whole" | "torn" = "whole") {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of file.read()) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop()!;
    for (const line of lines) yield line;
    if (rest.length > LINE_CHARACTERS_MAX) break;
  }
  if (last === "torn" && rest !== "") yield rest;
}

async function firstOf(lines: AsyncIterable<string>): Promise<string | null> {
  for await (const line of lines) return line;
  return null;
}

/** Lines as bytes, many at once. */
async function* encoded(lines: AsyncIterable<string> | Iterable<string>) {
  const encoder = new TextEncoder();
  let held = "";
  for await (const line of lines) {
    held += line;
    if (held.length < WRITTEN_AT_ONCE) continue;
    yield encoder.encode(held);
    held = "";
  }
  if (held !== "") yield encoder.encode(held);
}
