import type { ObjectInfo } from "../storage/object_store.ts";

/** Metadata of what was carried home: when it was noted where it comes from. It stays, and is not shown here. */
export const CARRIED = "sigmavault-carried";

/** When it was changed, by the clocks of the providers. What was carried home is as old as it was where it comes from. */
export function timeOf({ metadata, lastModified }: ObjectInfo): number {
  return CARRIED in metadata ? Number(metadata[CARRIED]) : lastModified.getTime();
}

/** As it was before it was carried home. */
export function unmarked(info: ObjectInfo): ObjectInfo {
  const { [CARRIED]: _, ...metadata } = info.metadata;
  return { ...info, metadata };
}
