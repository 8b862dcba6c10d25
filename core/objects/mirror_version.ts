import { VaultError } from "../errors.ts";
import type { Runtime } from "../runtime.ts";
import type { ObjectInfo } from "../storage/object_store.ts";

/** Metadata of an object in a mirror: its version, and whether it stands for one that was removed. It is not shown. */
const MIRRORED = "sigmavault-mirror";
const REMOVED = " removed";
/** Bytes that it takes of an object's metadata. */
export const MARK_BYTES = MIRRORED.length + 51 + REMOVED.length;

/** Turn (48 bits), step (32), milliseconds since 1970 (48) and chance (64): texts of equal length, the greater is newer. */
const VERSION = /^[0-7][0-9a-f]{11}-[0-9a-f]{8}-[0-9a-f]{12}-[0-9a-f]{16}$/;
const TURN_MAX = 2 ** 47 - 1;
const STEP_MAX = 2 ** 32 - 1;
/** Milliseconds in which a change may be under way that nobody sees yet. */
const UNSEEN_MS = 600_000;

/** One state of a path: the same on every member that has it. */
export interface Versioned {
  /** Versions are compared as texts. */
  readonly version: string;
  /** The path is gone. */
  readonly removed: boolean;
}

/** What makes versions. */
export interface VersionSource {
  readonly runtime: Runtime;
  /** It takes place only on the state before it. */
  readonly isConditional: boolean;
}

/**
 * The version that follows another one (null: nothing). One without a condition begins a turn: now, where clocks go on. One with
 * a condition is a step inside the turn that was there, or begins one some time ago. So whoever writes without looking comes
 * after all who change, step by step, the state that he did not see, whichever of them is faster; and what such a writer left
 * behind long ago, at a member that nobody could ask, does not come back.
 */
export function nextVersion(before: string | null, source: VersionSource): string {
  const now = Math.floor(source.runtime.now());
  const [turn, step] = before === null ? [0, 0] : [partOf(before, 0, 12), partOf(before, 13, 21)];
  const isStep = source.isConditional && turn >= now - UNSEEN_MS && step < STEP_MAX;
  const ended = source.isConditional ? now - UNSEEN_MS : now;
  const next = isStep ? turn : Math.max(turn + 1, ended);
  if (next > TURN_MAX) {
    throw new VaultError("corrupt", `Cannot follow version "${before}": it is the last one`);
  }
  const chance = new Uint8Array(8);
  source.runtime.random(chance);
  return versionText([next, isStep ? step + 1 : 0, now], chance.toHex());
}

/** The version of what somebody put at a member itself, once it is the mirror's: the same time, after all that has none. */
export function adoptedVersion(version: string): string {
  return versionText([0, partOf(version, 13, 21) + 1, partOf(version, 22, 34)], "0".repeat(16));
}

function versionText([turn, step, time]: readonly [number, number, number], id: string): string {
  return `${hex(turn, 12)}-${hex(step, 8)}-${hex(time, 12)}-${id}`;
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}

function partOf(version: string, start: number, end: number): number {
  return parseInt(version.slice(start, end), 16);
}

/** True where the mirror has written it. */
export function isMirrored({ metadata }: ObjectInfo): boolean {
  return VERSION.test(markOf(metadata).version);
}

function markOf(metadata: ObjectInfo["metadata"]): Versioned {
  const mark = Object.hasOwn(metadata, MIRRORED) ? metadata[MIRRORED] : "";
  const removed = mark.endsWith(REMOVED);
  return { version: removed ? mark.slice(0, -REMOVED.length) : mark, removed };
}

/** Which state a member has. What somebody put there himself is older than all that the mirror has written. */
export function versionOf(info: ObjectInfo): Versioned {
  if (isMirrored(info)) return markOf(info.metadata);
  const time = Math.max(0, Math.floor(info.lastModified.getTime()));
  return { version: versionText([0, 0, time], info.etag), removed: false };
}

/** Bytes of what stands for a removed object. No two are equal: some providers make etags of bytes alone. */
export function removalBytes(version: string): Uint8Array {
  return new TextEncoder().encode(version);
}

/** When a version was made, in milliseconds since 1970, by the clock of who made it. */
export function timeOfVersion(version: string): number {
  return partOf(version, 22, 34);
}

/** Metadata with the mark of a state. */
export function marked(
  metadata: ObjectInfo["metadata"],
  { version, removed }: Versioned,
): Record<string, string> {
  return { ...metadata, [MIRRORED]: version + (removed ? REMOVED : "") };
}

/** What a mirror tells of an object: the same, whichever member answers. */
export function shownInfo(info: ObjectInfo): ObjectInfo {
  const { version } = versionOf(info);
  const { [MIRRORED]: _, ...metadata } = info.metadata;
  return { ...info, metadata, etag: version, lastModified: new Date(timeOfVersion(version)) };
}
