import { DatabaseSync, type SQLOutputValue } from "node:sqlite";
import { VaultError } from "../../core/errors.ts";
import type {
  Announced,
  Catalogue,
  CataloguedFile,
  FilePlace,
  Reindexing,
  SearchPage,
  SearchQuery,
} from "../../core/objects/catalogue.ts";
import { decodeCursor, encodeCursor, listLimit } from "../../core/storage/object_page.ts";
import { APPLICATION_ID, SCHEMA } from "./schema.ts";
import { type After, searchStatement } from "./search_sql.ts";

/** Milliseconds to wait for another process that writes. */
const BUSY_MS = 10_000;
/** Announced places that are told at once. */
const ANNOUNCED_MAX = 1000;

type Row = Record<string, SQLOutputValue>;

/** A catalogue in a file of SQLite; several processes of one machine may use it. */
export class SqliteCatalogue implements Catalogue {
  readonly #database: DatabaseSync;
  readonly #now: () => number;
  readonly #owner = crypto.randomUUID();

  /** Use {@linkcode openSqliteCatalogue}. */
  constructor(database: DatabaseSync, now: () => number) {
    this.#database = database;
    this.#now = now;
  }

  announce({ path, provider }: FilePlace): Promise<void> {
    return this.#change(() => {
      const others = this.#all(
        "SELECT 1 FROM announced WHERE path = ? AND provider = ? AND owner <> ?",
        ...[path, provider, this.#owner],
      );
      this.#run(
        "UPDATE announced SET contested = 1 WHERE path = ? AND provider = ?",
        path,
        provider,
      );
      this.#run(
        "INSERT OR REPLACE INTO announced (path, provider, owner, since, contested)" +
          " VALUES (?, ?, ?, ?, ?)",
        ...[path, provider, this.#owner, Math.floor(this.#now()), others.length > 0 ? 1 : 0],
      );
    });
  }

  isContested({ path, provider }: FilePlace): Promise<boolean> {
    return this.#ask(() => {
      const [row] = this.#all(
        "SELECT contested FROM announced WHERE path = ? AND provider = ? AND owner = ?",
        ...[path, provider, this.#owner],
      );
      return row?.contested !== 0;
    });
  }

  put(file: CataloguedFile): Promise<void> {
    return this.#change(() => {
      const { path, provider, size, etag, contentType, metadata, tags } = file;
      const modified = file.lastModified.getTime();
      const round = this.#round(provider);
      this.#run(
        "INSERT OR REPLACE INTO files (path, provider, size, etag, modified, content_type, round)" +
          " VALUES (?, ?, ?, ?, ?, ?, ?)",
        ...[path, provider, size, etag, modified, contentType, round],
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
    });
  }

  remove(place: FilePlace): Promise<void> {
    return this.#change(() => this.#forget(place));
  }

  #forget({ path, provider }: FilePlace): void {
    this.#run("DELETE FROM files WHERE path = ? AND provider = ?", path, provider);
    this.#run("DELETE FROM labels WHERE path = ? AND provider = ?", path, provider);
  }

  settle({ path, provider }: FilePlace): Promise<void> {
    return this.#change(() => {
      this.#run(
        "DELETE FROM announced WHERE path = ? AND provider = ? AND owner = ?",
        ...[path, provider, this.#owner],
      );
    });
  }

  announced(): Promise<readonly Announced[]> {
    return this.#ask(() => {
      return this.#all("SELECT * FROM announced LIMIT ?", ANNOUNCED_MAX).map((row) => ({
        ...placeOf(row),
        own: row.owner === this.#owner,
        since: Number(row.since),
      }));
    });
  }

  forgetAnnounced(before: number): Promise<void> {
    return this.#change(() => {
      this.#run(
        "DELETE FROM announced WHERE since < ? AND owner <> ?",
        Math.floor(before),
        this.#owner,
      );
    });
  }

  search(query: SearchQuery): Promise<SearchPage> {
    return this.#ask(() => {
      const limit = listLimit(query, "");
      const after = query.cursor === undefined ? null : afterOf(query.cursor);
      const { sql, values } = searchStatement(query, after, limit + 1);
      const rows = this.#all(sql, ...values);
      const files = rows.slice(0, limit).map((row) => this.#fileOf(row));
      const last = files.at(-1);
      const isLast = rows.length <= limit || last === undefined;
      return { files, cursor: isLast ? null : cursorAt(last) };
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

  #change<T>(change: () => T): Promise<T> {
    return this.#ask(() => {
      this.#database.exec("BEGIN IMMEDIATE");
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
    // What is announced must be there after a power cut, or a change would be overlooked.
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
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

/** No path has a line break. */
function cursorAt({ path, provider }: FilePlace): string {
  return encodeCursor(`${path}\n${provider}`);
}

function afterOf(cursor: string): After {
  const [path, provider = ""] = decodeCursor(cursor, "").split("\n");
  return { path, provider };
}
