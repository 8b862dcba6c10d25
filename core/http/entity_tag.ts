/** An etag as HTTP has it. */
export function quotedTag(etag: string): string {
  return `"${etag.replaceAll(/[^!#-~]/g, "_")}"`;
}

/** True where a header of etags (`If-None-Match`, `If-Match`) names this one, or all. */
export function namesTag(header: string, etag: string): boolean {
  if (header.trim() === "*") return true;
  const tags = header.match(/(?:W\/)?"[^"]*"/g) ?? [];
  return tags.some((tag) => tag.replace(/^W\//, "") === quotedTag(etag));
}
