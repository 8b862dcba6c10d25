/** Of `PRAGMA application_id`: it tells our catalogues from other databases. */
export const APPLICATION_ID = 0x53566361;

/**
 * Files by place, what is said of them by name, and what is announced. `round` counts reindexings of a provider: a row keeps that
 * in which it was last written. What is announced is `contested` when another change of the file has begun or ended since.
 */
export const SCHEMA = `
CREATE TABLE IF NOT EXISTS files (
  provider TEXT NOT NULL, path TEXT NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL,
  modified INTEGER NOT NULL, content_type TEXT NOT NULL, round INTEGER NOT NULL,
  PRIMARY KEY (path, provider)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS labels (
  provider TEXT NOT NULL, path TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL,
  value TEXT NOT NULL, PRIMARY KEY (path, provider, kind, name)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS labels_by_value ON labels (kind, name, value, path, provider);
CREATE TABLE IF NOT EXISTS announcements (
  provider TEXT NOT NULL, path TEXT NOT NULL, id TEXT NOT NULL, since INTEGER NOT NULL,
  is_change INTEGER NOT NULL, contested INTEGER NOT NULL, PRIMARY KEY (path, provider, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rounds (provider TEXT PRIMARY KEY, round INTEGER NOT NULL) WITHOUT ROWID;
`;
