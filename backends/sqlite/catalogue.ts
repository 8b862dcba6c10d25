import { DatabaseSync, type SQLOutputValue } from "node:sqlite";
import { VaultError } from "../../core/errors.ts";
import type {
  Announced,
  Announcement,
  Catalogue,
  CataloguedFile,
  FilePlace,
  Reindexing,
  SearchPage,
  SearchQuery,
} from "../../core/objects/catalogue.ts";
import { foundPage } from "../../core/objects/search_page.ts";
import { APPLICATION_ID, SCHEMA } from "./schema.ts";
import { searchStatement } from "./search_sql.ts";

/** Milliseconds to wait for another process that writes. */
const BUSY_MS = 10_000;
/** Announced places that are told at once. */
const ANNOUNCED_MAX = 1000;

type Row = Record<string, SQLOutputValue>;

/** A catalogue in a file of SQLite; several processes of one machine may use it. */
export class SqliteCatalogue implements Catalogue {
  readonly #database: DatabaseSync;
  readonly #now: () => number;

  /** Use {@linkcode openSqliteCatalogue}. */
  constructor(database: DatabaseSync, now: () => number) {
    this.#database = database;
    this.#now = now;
  }

  announce({ path, provider }: FilePlace): Promise<Announcement> {
    const announced = { path, provider, id: crypto.randomUUID() };
    return this.#change(() => {
      const changes = this.#all(
        "SELECT 1 FROM announcements WHERE path = ? AND provider = ? AND is_change = 1 LIMIT 1",
        ...[path, provider],
      );
      this.#contestOthers(announced);
      this.#write(announced, { isChange: 1, contested: changes.length });
      return announced;
    });
  }

  look(at: FilePlace | Announcement): Promise<Announcement> {
    const { path, provider } = at;
    const [look, known] = "id" in at
      ? [at, true]
      : [{ path, provider, id: crypto.randomUUID() }, false];
    // A look that a power cut forgets has not been settled, and is not missed.
    return this.#change(() => {
      const [row] = known ? this.#own(look) : [];
      if (known && row?.is_change !== 0) this.#contestOthers(look);
      this.#write(look, { isChange: 0, contested: 0 });
      return look;
    }, known ? "FULL" : "NORMAL");
  }

  settle(announced: Announcement, file: CataloguedFile | null): Promise<boolean> {
    return this.#change(() => {
      const [row] = this.#own(announced);
      if (row?.contested !== 0) return false;
      if (row.is_change !== 0) this.#contestOthers(announced);
      this.#drop(announced);
      if (file === null) this.#forget(announced);
      else this.#put(file);
      return true;
    });
  }

  #own({ path, provider, id }: Announcement): Row[] {
    return this.#all(
      "SELECT * FROM announcements WHERE path = ? AND provider = ? AND id = ?",
      ...[path, provider, id],
    );
  }

  #contestOthers({ path, provider, id }: Announcement): void {
    this.#run(
      "UPDATE announcements SET contested = 1 WHERE path = ? AND provider = ? AND id <> ?",
      ...[path, provider, id],
    );
  }

  #write(
    { path, provider, id }: Announcement,
    { isChange, contested }: { readonly isChange: number; readonly contested: number },
  ): void {
    this.#run(
      "INSERT INTO announcements (path, provider, id, since, is_change, contested)" +
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (path, provider, id)" +
        " DO UPDATE SET is_change = excluded.is_change, contested = excluded.contested",
      ...[path, provider, id, Math.floor(this.#now()), isChange, contested],
    );
  }

  #drop({ path, provider, id }: Announcement): void {
    this.#run(
      "DELETE FROM announcements WHERE path = ? AND provider = ? AND id = ?",
      ...[path, provider, id],
    );
  }

  #put(file: CataloguedFile): void {
    const { path, provider, size, etag, contentType, metadata, tags } = file;
    const modified = file.lastModified.getTime();
    this.#run(
      "INSERT OR REPLACE INTO files (path, provider, size, etag, modified, content_type, round)" +
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
      ...[path, provider, size, etag, modified, contentType, this.#round(provider)],
    );
    this.#run("DELETE FROM labels WHERE path = ? AND provider = ?", path, provider);
    for (const [kind, labels] of [["tag", tags], ["metadata", metadata]] as const) {
      for (const [name, value] of Object.entries(labels)) {
        this.#run(
          "INSERT INTO labels (path, provider, kind, name, value) VALUES (?, ?, ?, ?, ?)",
          ...[path, provider, kind, name, value],
        );
      }
    }
  }

  #forget({ path, provider }: FilePlace): void {
    this.#run("DELETE FROM files WHERE path = ? AND provider = ?", path, provider);
    this.#run("DELETE FROM labels WHERE path = ? AND provider = ?", path, provider);
  }

  announced(): Promise<readonly Announced[]> {
    return this.#ask(() => {
      const now = this.#now();
      return this.#all("SELECT * FROM announcements ORDER BY since LIMIT ?", ANNOUNCED_MAX)
        .map((row) => ({ ...placeOf(row), id: `${row.id}`, age: now - Number(row.since) }));
    });
  }

  forget(announced: Announcement): Promise<void> {
    return this.#change(() => this.#drop(announced));
  }

  check(): Promise<void> {
    return this.#ask(() => void this.#all("SELECT 1 FROM announcements LIMIT 1"));
  }

  search(query: SearchQuery): Promise<SearchPage> {
    return this.#ask(() => {
      const { sql, values } = searchStatement(query);
      return foundPage(query, this.#all(sql, ...values).map((row) => this.#fileOf(row)));
    });
  }

  #fileOf(row: Row): CataloguedFile {
    const place = placeOf(row);
    const labels = this.#all(
      "SELECT kind, name, value FROM labels WHERE path = ? AND provider = ?",
      ...[place.path, place.provider],
    );
    const of = (kind: string) =>
      Object.fromEntries(
        labels.filter((label) => label.kind === kind).map(({ name, value }) => [name, `${value}`]),
      );
    return {
      ...place,
      size: Number(row.size),
      etag: `${row.etag}`,
      lastModified: new Date(Number(row.modified)),
      contentType: `${row.content_type}`,
      metadata: of("metadata"),
      tags: of("tag"),
    };
  }

  beginReindex(provider: string): Promise<Reindexing> {
    return this.#change(() => {
      const round = this.#round(provider) + 1;
      this.#run("INSERT OR REPLACE INTO rounds (provider, round) VALUES (?, ?)", provider, round);
      return { end: () => this.#endReindex(provider, round) };
    });
  }

  #endReindex(provider: string, round: number): Promise<number> {
    return this.#change(() => {
      const rows = this.#all(
        "SELECT path, provider FROM files WHERE provider = ? AND round < ?",
        ...[provider, round],
      );
      for (const row of rows) this.#forget(placeOf(row));
      return rows.length;
    });
  }

  close(): Promise<void> {
    if (this.#database.isOpen) this.#database.close();
    return Promise.resolve();
  }

  #round(provider: string): number {
    const [row] = this.#all("SELECT round FROM rounds WHERE provider = ?", provider);
    return Number(row?.round ?? 0);
  }

  #run(sql: string, ...values: (string | number)[]): void {
    this.#database.prepare(sql).run(...values);
  }

  #all(sql: string, ...values: (string | number)[]): Row[] {
    return this.#database.prepare(sql).all(...values);
  }

  /** `synchronous`: what a power cut may take, see SQLite's pragma. */
  #change<T>(change: () => T, synchronous: "FULL" | "NORMAL" = "FULL"): Promise<T> {
    return this.#ask(() => {
      // What is announced must be there after a power cut, or a change would be overlooked.
      this.#database.exec(`PRAGMA synchronous = ${synchronous}; BEGIN IMMEDIATE`);
      try {
        const value = change();
        this.#database.exec("COMMIT");
        return value;
      } catch (error) {
        if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
        throw error;
      }
    });
  }

  // deno-lint-ignore require-await
  async #ask<T>(ask: () => T): Promise<T> {
    try {
      return ask();
    } catch (error) {
      throw failure(error, "use the catalogue");
    }
  }
}

/** Opens a catalogue, and makes it where there is none. */
export function openSqliteCatalogue(
  path: string,
  now: () => number = Date.now,
): SqliteCatalogue {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: BUSY_MS });
    const [id] = database.prepare("PRAGMA application_id").all();
    const [{ count }] = database.prepare("SELECT count(*) AS count FROM sqlite_schema").all();
    if (Number(count) > 0 && id.application_id !== APPLICATION_ID) {
      throw new VaultError("invalid", `Cannot open catalogue "${path}": it is another database`);
    }
    database.exec("PRAGMA journal_mode = WAL;");
    database.exec(`PRAGMA application_id = ${APPLICATION_ID};`);
    database.exec(SCHEMA);
    return new SqliteCatalogue(database, now);
  } catch (error) {
    if (database?.isOpen) database.close();
    throw failure(error, `open catalogue "${path}"`);
  }
}

function failure(error: unknown, what: string): unknown {
  if (!(error instanceof Error) || error instanceof VaultError) return error;
  if (error instanceof Deno.errors.NotCapable) return error;
  return new VaultError("unavailable", `Cannot ${what}: ${error.message}`, { cause: error });
}

function placeOf({ path, provider }: Row): FilePlace {
  return { path: `${path}`, provider: `${provider}` };
}
