import { isoTime } from "../dates.ts";
import type { ObjectStore } from "../storage/object_store.ts";

/** A version that needs a name beside its own. */
export interface ConflictVersion {
  readonly path: string;
  readonly lastModified: Date;
  /** Configured name of the provider that has it. */
  readonly provider: string;
  /** 1, and more where others have that name already. */
  readonly number: number;
}

type Limited = Pick<ObjectStore, "capabilities">;

const encoder = new TextEncoder();

/**
 * `NAME (conflict DATE PROVIDER).EXT`, shortened until all stores take it. The date is the version's own: whoever begins again
 * finds the copy that he made before.
 */
export function conflictName(version: ConflictVersion, stores: readonly Limited[]): string {
  const { path, lastModified, provider, number } = version;
  const start = path.lastIndexOf("/") + 1;
  const dot = path.lastIndexOf(".");
  const end = dot > start ? dot : path.length;
  const date = isoTime(lastModified.getTime()).slice(0, 19).replace("T", " ").replaceAll(":", "-");
  const place = provider.replace(/[^\p{L}\p{N}._-]+/gu, "-");
  const mark = ` (conflict ${date} ${place}${number === 1 ? "" : ` ${number}`})`;
  const [directory, extension] = [path.slice(0, start), path.slice(end)];
  const characters = [...path.slice(start, end)];
  for (;; characters.pop()) {
    const name = characters.join("") + mark + extension;
    const fits = ({ capabilities: { pathBytesMax, partBytesMax } }: Limited) =>
      encoder.encode(name).length <= partBytesMax &&
      encoder.encode(directory + name).length <= pathBytesMax;
    if (characters.length === 0 || stores.every(fits)) return directory + name;
  }
}
