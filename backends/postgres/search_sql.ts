import type { PendingQuery, Row } from "postgres";
import type { SearchQuery } from "../../core/objects/catalogue.ts";
import { searchedAfter, searchLimit, textBehind } from "../../core/objects/search_page.ts";
import type { Statements } from "./session.ts";

/** Asks for the files of a page, and one more. All that is searched for goes to the server as parameters. */
export function searchFiles(sql: Statements, query: SearchQuery): PendingQuery<Row[]> {
  const { prefix, provider, contentType, size, modified, tags = {}, metadata = {} } = query;
  const after = searchedAfter(query);
  const conditions = [sql`TRUE`];
  const want = (condition: PendingQuery<Row[]>) => void conditions.push(sql`AND ${condition}`);
  if (after !== null) want(sql`(path, provider) > (${after.path}, ${after.provider})`);
  if (provider !== undefined) want(sql`provider = ${provider}`);
  if (prefix !== undefined && prefix !== "") {
    want(sql`path >= ${prefix}`);
    const end = textBehind(prefix);
    if (end !== null) want(sql`path < ${end}`);
  }
  if (contentType?.endsWith("/*")) {
    want(sql`starts_with(content_type, ${contentType.slice(0, -1)})`);
  } else if (contentType !== undefined) {
    want(sql`(content_type = ${contentType} OR starts_with(content_type, ${`${contentType};`}))`);
  }
  // Whoever searches may give infinity and fractions.
  if (size?.min !== undefined) want(sql`size >= ${size.min}::float8`);
  if (size?.max !== undefined) want(sql`size <= ${size.max}::float8`);
  if (modified?.min !== undefined) want(sql`modified >= ${modified.min.getTime()}::float8`);
  if (modified?.max !== undefined) want(sql`modified <= ${modified.max.getTime()}::float8`);
  if (Object.keys(tags).length > 0) want(sql`tags @> ${sql.json(tags)}`);
  if (Object.keys(metadata).length > 0) want(sql`metadata @> ${sql.json(metadata)}`);
  return sql`
    SELECT path, provider, size, etag, modified, content_type, tags, metadata FROM files
    WHERE ${conditions} ORDER BY path, provider LIMIT ${searchLimit(query)}
  `;
}
