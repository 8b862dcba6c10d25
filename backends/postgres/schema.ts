import { VaultError, type VaultErrorKind } from "../../core/errors.ts";
import type { Statements } from "./session.ts";

/** Of the tables below: others belong to another program, or to a later one. */
const LAYOUT = "1";
/** The lock of who makes the tables: of two that do it at once, one would fail. */
const MAKING = 0x53566361;

/** The schema, where settings name none. */
export const DEFAULT_SCHEMA = "sigmavault";

/**
 * Files by place, and what is announced. Text is compared by bytes, whatever the database's order is. `round` counts reindexings of a
 * provider: a row keeps that in which it was last written. What is announced is `contested` when another change of the file has
 * begun or ended since.
 */
const TABLES = `
CREATE TABLE layout (number TEXT NOT NULL);
CREATE TABLE files (
  provider TEXT COLLATE "C" NOT NULL, path TEXT COLLATE "C" NOT NULL, size BIGINT NOT NULL,
  etag TEXT NOT NULL, modified BIGINT NOT NULL, content_type TEXT COLLATE "C" NOT NULL,
  tags JSONB NOT NULL, metadata JSONB NOT NULL, round BIGINT NOT NULL,
  PRIMARY KEY (path, provider)
);
CREATE INDEX files_by_tag ON files USING gin (tags jsonb_path_ops);
CREATE INDEX files_by_metadata ON files USING gin (metadata jsonb_path_ops);
CREATE INDEX files_by_round ON files (provider, round);
CREATE TABLE announcements (
  provider TEXT COLLATE "C" NOT NULL, path TEXT COLLATE "C" NOT NULL, id UUID NOT NULL,
  since TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(), is_change BOOLEAN NOT NULL,
  contested BOOLEAN NOT NULL, PRIMARY KEY (path, provider, id)
);
CREATE TABLE rounds (provider TEXT COLLATE "C" PRIMARY KEY, round BIGINT NOT NULL);
INSERT INTO layout (number) VALUES ('${LAYOUT}');
`;

/** True where the tables are there; throws where they are of another layout. The schema is the transaction's search path. */
export async function hasTables(sql: Statements): Promise<boolean> {
  const [{ encoding, there }] = await sql`
    SELECT current_setting('server_encoding') AS encoding, to_regclass('layout') IS NOT NULL AS there
  `;
  if (encoding !== "UTF8") throw refused(`its database keeps text as ${encoding}: want UTF8`);
  if (there !== true) return false;
  const [row] = await sql`SELECT number FROM layout`;
  if (row?.number === LAYOUT) return true;
  throw refused("its tables are of another program or release");
}

/** Makes the tables in a schema that is not there, or empty. A transaction after this one sees whether they are there. */
export async function makeTables(sql: Statements, schema: string): Promise<void> {
  await sql`SELECT pg_advisory_xact_lock(${MAKING})`;
  // What somebody else has just made is in these tables, but not yet in what this session remembers of names.
  const [known] = await sql`
    SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = pg_namespace.oid) AS relations,
      has_schema_privilege(oid, 'USAGE') AS usable
    FROM pg_namespace WHERE nspname = ${schema}
  `;
  if (known?.usable === false) throw refused(`its role may not use schema "${schema}"`, "denied");
  if (known === undefined) await sql`CREATE SCHEMA ${sql(schema)}`;
  if (known === undefined || known.relations === "0") await sql.unsafe(TABLES);
}

/** Where there are no tables although they have been made. */
export function noTables(schema: string): VaultError {
  return refused(`schema "${schema}" has other tables`);
}

function refused(why: string, kind: VaultErrorKind = "invalid"): VaultError {
  return new VaultError(kind, `Cannot use the catalogue in PostgreSQL: ${why}`, {
    provider: "postgres",
  });
}
