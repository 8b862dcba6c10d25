import { DEFAULT_CONTENT_TYPE, type ObjectDescription } from "./object_store.ts";

/** All that is said of an object. */
export type Said = Required<ObjectDescription>;

/** Said of an object of which nothing was said. */
export const NOTHING_SAID: Said = { contentType: DEFAULT_CONTENT_TYPE, metadata: {}, tags: {} };

/** What is said after a change: what the change leaves out stays as it was. */
export function saidAfter(
  { contentType, metadata, tags }: ObjectDescription,
  before: Said = NOTHING_SAID,
): Said {
  return {
    contentType: contentType ?? before.contentType,
    metadata: { ...metadata ?? before.metadata },
    tags: { ...tags ?? before.tags },
  };
}
