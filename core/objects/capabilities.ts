import type { StoreCapabilities } from "../storage/object_store.ts";

/** What can be relied on wherever an object may be. */
export function narrowest(all: readonly StoreCapabilities[]): StoreCapabilities {
  const least = (pick: (each: StoreCapabilities) => number) => Math.min(...all.map(pick));
  return {
    atomicCreate: all.every(({ atomicCreate }) => atomicCreate),
    atomicMatch: all.every(({ atomicMatch }) => atomicMatch),
    nested: all.every(({ nested }) => nested),
    signedUrls: all.every(({ signedUrls }) => signedUrls),
    objectBytesMax: least(({ objectBytesMax }) => objectBytesMax),
    pathBytesMax: least(({ pathBytesMax }) => pathBytesMax),
    partBytesMax: least(({ partBytesMax }) => partBytesMax),
    refusedCharacters: [
      ...new Set(all.flatMap(({ refusedCharacters = "" }) => [...refusedCharacters])),
    ]
      .join(""),
    metadataBytesMax: least(({ metadataBytesMax }) => metadataBytesMax),
  };
}
