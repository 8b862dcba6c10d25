import { DEFAULT_CONTENT_TYPE, type ObjectDescription } from "./object_store.ts";

/** All that is said of an object. */
export type Said = Required<ObjectDescription>;

/** Said of an object of which nothing was said. */
export const NOTHING_SAID: Said = { contentType: DEFAULT_CONTENT_TYPE, metadata: {}, tags: {} };

/** What is said, from its JSON; nothing where others have written there and it is not of this form. */
export function decodeSaid(text: string): Said {
  try {
    const { contentType, metadata, tags } = JSON.parse(text);
    const isSaid = typeof contentType === "string" && isTexts(metadata) && isTexts(tags);
    return isSaid ? { contentType, metadata, tags } : NOTHING_SAID;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return NOTHING_SAID;
    throw error;
  }
}

function isTexts(value: unknown): value is Record<string, string> {
  return typeof value === "object" && value !== null &&
    Object.values(value).every((each) => typeof each === "string");
}

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
