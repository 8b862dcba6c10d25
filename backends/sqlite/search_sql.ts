import type { SearchQuery } from "../../core/objects/catalogue.ts";
import { searchedAfter, searchLimit, textBehind } from "../../core/objects/search_page.ts";

/** A statement and what stands for its question marks. */
export interface Statement {
  readonly sql: string;
  readonly values: (string | number)[];
}

/** The statement that finds the files of a page, and one more. */
export function searchStatement(query: SearchQuery): Statement {
  const conditions: string[] = [];
  const values: (string | number)[] = [];
  const want = (condition: string, ...given: (string | number)[]) => {
    conditions.push(condition);
    values.push(...given);
  };
  const { prefix, provider, contentType, size, modified } = query;
  const after = searchedAfter(query);
  if (after !== null) want("(path, provider) > (?, ?)", after.path, after.provider);
  if (provider !== undefined) want("provider = ?", provider);
  if (prefix !== undefined && prefix !== "") {
    want("path >= ?", prefix);
    const end = textBehind(prefix);
    if (end !== null) want("path < ?", end);
  }
  if (contentType?.endsWith("/*")) {
    const kind = contentType.slice(0, -1);
    want("substr(content_type, 1, ?) = ?", [...kind].length, kind);
  } else if (contentType !== undefined) {
    want(
      "(content_type = ? OR substr(content_type, 1, ?) = ?)",
      contentType,
      [...contentType].length + 1,
      `${contentType};`,
    );
  }
  if (size?.min !== undefined) want("size >= ?", size.min);
  if (size?.max !== undefined) want("size <= ?", size.max);
  if (modified?.min !== undefined) want("modified >= ?", modified.min.getTime());
  if (modified?.max !== undefined) want("modified <= ?", modified.max.getTime());
  for (const [kind, labels] of [["tag", query.tags], ["metadata", query.metadata]] as const) {
    for (const [name, value] of Object.entries(labels ?? {})) {
      want(
        "EXISTS (SELECT 1 FROM labels l WHERE l.path = files.path AND l.provider = files.provider" +
          " AND l.kind = ? AND l.name = ? AND l.value = ?)",
        kind,
        name,
        value,
      );
    }
  }
  const where = conditions.length === 0 ? "" : ` WHERE ${conditions.join(" AND ")}`;
  return {
    sql: `SELECT * FROM files${where} ORDER BY path, provider LIMIT ?`,
    values: [...values, searchLimit(query)],
  };
}
