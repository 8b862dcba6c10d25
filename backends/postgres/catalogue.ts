import type { Row } from "postgres";
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
import { foundPage, placeText } from "../../core/objects/search_page.ts";
import type { PostgresConfig } from "./config.ts";
import { openConnections, type PostgresConnections } from "./connections.ts";
import { searchFiles } from "./search_sql.ts";
import type { Statements } from "./session.ts";

/** Announced places that are told at once. */
const ANNOUNCED_MAX = 1000;
/** Files that are forgotten in one transaction. */
const FORGOTTEN_AT_ONCE = 1000;

/** A catalogue in PostgreSQL, for any number of machines. */
export class PostgresCatalogue implements Catalogue {
  readonly #connections: PostgresConnections;

  /** Use {@linkcode openPostgresCatalogue}. */
  constructor(connections: PostgresConnections) {
    this.#connections = connections;
  }

  async announce({ path, provider }: FilePlace): Promise<Announcement> {
    const id = crypto.randomUUID();
    await this.#at({ path, provider }, async (sql) => {
      // Written twice, it may have been overtaken in between: then the file is looked at.
      await sql`
        WITH others AS (
          UPDATE announcements SET contested = TRUE
          WHERE path = ${path} AND provider = ${provider} AND id <> ${id} RETURNING is_change
        )
        INSERT INTO announcements (path, provider, id, is_change, contested)
        VALUES (${path}, ${provider}, ${id}, TRUE, EXISTS (SELECT FROM others WHERE is_change))
        ON CONFLICT (path, provider, id) DO UPDATE SET contested = TRUE
      `;
    });
    return { path, provider, id };
  }

  async look(at: FilePlace | Announcement): Promise<Announcement> {
    const { path, provider } = at;
    if (!("id" in at)) {
      const id = crypto.randomUUID();
      await this.#connections.transaction(async (sql) => {
        // A look that a crash of the server forgets has not been settled, and is not missed.
        await sql`SELECT set_config('synchronous_commit', 'off', true)`;
        await beginLook(sql, { path, provider, id });
      });
      return { path, provider, id };
    }
    await this.#at(at, async (sql) => {
      await sql`
        UPDATE announcements SET contested = TRUE
        WHERE path = ${path} AND provider = ${provider} AND id <> ${at.id} AND NOT EXISTS (
          SELECT FROM announcements
          WHERE path = ${path} AND provider = ${provider} AND id = ${at.id} AND NOT is_change
        )
      `;
      await beginLook(sql, at);
    });
    return at;
  }

  settle(announced: Announcement, file: CataloguedFile | null): Promise<boolean> {
    const { path, provider, id } = announced;
    return this.#at(announced, async (sql) => {
      const [own] = await sql`
        DELETE FROM announcements
        WHERE path = ${path} AND provider = ${provider} AND id = ${id} AND NOT contested
        RETURNING is_change
      `;
      // Gone: it was settled, and the answer lost, or somebody forgot it. Who looks again is never wrong.
      if (own === undefined) return false;
      if (own.is_change) {
        await sql`
          UPDATE announcements SET contested = TRUE WHERE path = ${path} AND provider = ${provider}
        `;
      }
      if (file === null) {
        await sql`DELETE FROM files WHERE path = ${path} AND provider = ${provider}`;
      } else await putFile(sql, file);
      return true;
    });
  }

  async announced(): Promise<readonly Announced[]> {
    const rows = await this.#connections.transaction((sql) =>
      sql`
        SELECT path, provider, id,
          (extract(epoch FROM clock_timestamp() - since) * 1000)::float8 AS age
        FROM announcements ORDER BY since LIMIT ${ANNOUNCED_MAX}
      `
    );
    return rows.map((row) => ({ ...placeOf(row), id: `${row.id}`, age: Number(row.age) }));
  }

  async forget({ path, provider, id }: Announcement): Promise<void> {
    await this.#connections.transaction((sql) =>
      sql`
        DELETE FROM announcements WHERE path = ${path} AND provider = ${provider} AND id = ${id}
      `
    );
  }

  async search(query: SearchQuery): Promise<SearchPage> {
    const rows = await this.#connections.transaction((sql) => searchFiles(sql, query));
    return foundPage(query, rows.map(fileOf));
  }

  async beginReindex(provider: string): Promise<Reindexing> {
    const round = await this.#connections.transaction(async (sql) => {
      const [row] = await sql`
        INSERT INTO rounds (provider, round) VALUES (${provider}, 1)
        ON CONFLICT (provider) DO UPDATE SET round = rounds.round + 1 RETURNING round
      `;
      return `${row.round}`;
    });
    return { end: () => this.#endReindex(provider, round) };
  }

  async #endReindex(provider: string, round: string): Promise<number> {
    let forgotten = 0;
    while (true) {
      // The condition stands twice, so that it also holds for what was put between finding and deleting.
      const { count } = await this.#connections.transaction((sql) =>
        sql`
          DELETE FROM files WHERE round < ${round} AND (path, provider) IN (
            SELECT path, provider FROM files
            WHERE provider = ${provider} AND round < ${round} LIMIT ${FORGOTTEN_AT_ONCE}
          )
        `
      );
      if (count === 0) return forgotten;
      forgotten += count;
    }
  }

  async check(): Promise<void> {
    await this.#connections.transaction((sql) => sql`SELECT FROM announcements LIMIT 1`);
  }

  async close(): Promise<void> {
    await this.#connections.close();
  }

  /** A transaction about a place; those about the same one follow one another, on all machines. */
  #at<T>(place: FilePlace, work: (sql: Statements) => Promise<T>): Promise<T> {
    return this.#connections.transaction(async (sql) => {
      const locked = sql`
        SELECT pg_advisory_xact_lock(
          hashtextextended(current_schema() || ${`\n${placeText(place)}`}, 0)
        )
      `.execute();
      const [value] = await Promise.all([work(sql), locked]);
      return value;
    });
  }
}

async function beginLook(sql: Statements, { path, provider, id }: Announcement): Promise<void> {
  await sql`
    INSERT INTO announcements (path, provider, id, is_change, contested)
    VALUES (${path}, ${provider}, ${id}, FALSE, FALSE)
    ON CONFLICT (path, provider, id) DO UPDATE SET is_change = FALSE, contested = FALSE
  `;
}

async function putFile(sql: Statements, file: CataloguedFile): Promise<void> {
  const { path, provider, size, etag, lastModified } = file;
  const [tags, metadata] = [file.tags, file.metadata].map((it) => sql.json(storableLabels(it)));
  await sql`
    INSERT INTO files (path, provider, size, etag, modified, content_type, tags, metadata, round)
    VALUES (
      ${path}, ${provider}, ${size}, ${storable(etag)}, ${lastModified.getTime()},
      ${storable(file.contentType)}, ${tags}, ${metadata},
      coalesce((SELECT round FROM rounds WHERE rounds.provider = ${provider}), 0)
    )
    ON CONFLICT (path, provider) DO UPDATE SET
      size = excluded.size, etag = excluded.etag, modified = excluded.modified,
      content_type = excluded.content_type, tags = excluded.tags, metadata = excluded.metadata,
      round = excluded.round
  `;
}

/** What other programs say of their objects may have what no text in PostgreSQL can have. */
function storable(text: string): string {
  return text.toWellFormed().replaceAll("\0", "\ufffd");
}

function storableLabels(labels: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(labels).map(([name, value]) => [storable(name), storable(value)]),
  );
}

function placeOf({ path, provider }: Row): FilePlace {
  return { path: `${path}`, provider: `${provider}` };
}

function fileOf(row: Row): CataloguedFile {
  return {
    ...placeOf(row),
    size: Number(row.size),
    etag: `${row.etag}`,
    lastModified: new Date(Number(row.modified)),
    contentType: `${row.content_type}`,
    tags: row.tags,
    metadata: row.metadata,
  };
}

/** Opens a catalogue, and makes its tables where there are none. */
export async function openPostgresCatalogue(config: PostgresConfig): Promise<PostgresCatalogue> {
  const connections = await openConnections(config);
  try {
    await connections.prepare();
    return new PostgresCatalogue(connections);
  } catch (error) {
    await connections.close();
    throw error;
  }
}
