import type { ObjectInfo, ObjectStore } from "../storage/object_store.ts";

/** Metadata of what was carried home: when it was noted where it comes from. It stays, and is not shown here. */
export const CARRIED = "sigmavault-carried";
/** Metadata of what was put at home: which change it was, so that one that comes late is known. It is not shown either. */
export const CHANGE = "sigmavault-change";

/** When it was changed, by the clocks of the providers. What was carried home is as old as it was where it comes from. */
export function timeOf({ metadata, lastModified }: ObjectInfo): number {
  return CARRIED in metadata ? Number(metadata[CARRIED]) : lastModified.getTime();
}

/** As it was before it was carried home, or put there. */
export function unmarked(info: ObjectInfo): ObjectInfo {
  const { [CARRIED]: _, [CHANGE]: _change, ...metadata } = info.metadata;
  return { ...info, metadata };
}

/** Metadata with the mark of a change, where the store takes so much; else as it is. */
export function withMark(
  { capabilities: { metadataBytesMax } }: Pick<ObjectStore, "capabilities">,
  metadata: Readonly<Record<string, string>> | undefined,
  id: string,
): Readonly<Record<string, string>> | undefined {
  const marked = { ...metadata, [CHANGE]: id };
  const text = Object.entries(marked).flat().join("");
  return new TextEncoder().encode(text).length <= metadataBytesMax ? marked : metadata;
}
