import { VaultError } from "../errors.ts";
import { systemRuntime } from "../runtime.ts";
import { objectError } from "../storage/object_body.ts";
import type { ListedObject, WriteCondition } from "../storage/object_store.ts";
import type { FoundPath } from "./side_by_side.ts";
import { isState } from "./transfer_journal.ts";
import {
  MARK_NAME,
  type TransferOptions,
  type TransferReport,
  TransferRun,
  type TransferSides,
} from "./transfer_run.ts";
import { compareObjects, copyVerified, isSaidSame, type SameObjects } from "./verified_copy.ts";

/** How to migrate. */
export interface MigrationOptions extends TransferOptions {
  /** Removes from the source what was found to be the same at the target: just the state that was compared. */
  readonly deleteSource?: boolean;
  /** Replaces what else is at the target. Without it that is `conflict`, unless the journal says that it is an earlier copy. */
  readonly overwrite?: boolean;
}

/**
 * Copies objects from one provider to another, with all that is said of them. An object counts when its copy was read back and
 * has the SHA-256 of what was read. What is there already is compared, or known by the journal, and not copied again.
 *
 * @example
 * ```ts
 * import { createStorage, migrate } from "@sigmavault/sigmavault/storage";
 * import assert from "node:assert/strict";
 *
 * await using storage = await createStorage({
 *   provider: "old",
 *   providers: { old: { type: "memory" }, fresh: { type: "memory" } },
 * });
 * await storage.upload("docs/one.txt", "Dear Ada,");
 * const sides = { from: storage.named("old"), to: storage.named("fresh") };
 * const report = await migrate(sides, { pattern: "docs/*", deleteSource: true });
 * assert.deepEqual([report.copied, report.deleted, report.failures], [1, 1, 0]);
 * ```
 */
export async function migrate(
  sides: TransferSides,
  options: MigrationOptions = {},
): Promise<TransferReport> {
  return await TransferRun.over(sides, options, async (run) => {
    if (options.deleteSource === true && !run.dryRun) await refuseSamePlace(run);
    await run.eachPath(async (found) => {
      if (found.from === null) return;
      await migrateOne(run, { ...found, from: found.from }, options);
    });
  });
}

/**
 * Throws where both sides are one place under two names: what is equal there is no copy, and deleting it would lose it. A mark at
 * the target that the source shows as well tells. One that a killed process left is replaced.
 */
async function refuseSamePlace({ from, to, prefix, signal }: TransferRun): Promise<void> {
  const random = new Uint8Array(8);
  systemRuntime.random(random);
  const path = prefix.slice(0, prefix.lastIndexOf("/") + 1) + MARK_NAME;
  const mark = random.toHex();
  const { etag } = await to.put(path, new Uint8Array(), { metadata: { mark }, signal });
  try {
    if ((await from.head(path, { signal }))?.metadata.mark !== mark) return;
  } finally {
    await to.delete(path, { match: etag, signal });
  }
  const why = "they are one and the same place";
  throw new VaultError("invalid", `Cannot delete at "${from.name}" for "${to.name}": ${why}`);
}

/** A path that the source has. */
export type SourcePath = FoundPath & { readonly from: ListedObject };

/** Makes the target's object the same as the source's. */
export async function migrateOne(
  run: TransferRun,
  found: SourcePath,
  options: Pick<MigrationOptions, "deleteSource" | "overwrite">,
): Promise<void> {
  const { path, from, to, record } = found;
  if (record !== null && isState(record.from, from) && isState(record.to, to)) {
    run.did("skip", path);
    return await deleteSource(run, from, options);
  }
  if (run.dryRun) return plan(run, found, options);
  const mayBeSame = to !== null && to.size === from.size && !isOurs(found);
  let same = mayBeSame ? await compared(run, path) : null;
  if (same === null) {
    if (to !== null && !isOurs(found) && options.overwrite !== true) throw taken(run, path);
    const condition: WriteCondition = to === null ? { create: true } : { match: to.etag };
    const places = [{ store: run.from, path }, { store: run.to, path }] as const;
    same = await copyVerified(...places, run, condition);
    run.did("copy", path);
  }
  await run.note(path, same);
  await deleteSource(run, same.from, options);
}

function plan(
  run: TransferRun,
  found: SourcePath,
  options: Pick<MigrationOptions, "deleteSource" | "overwrite">,
): void {
  const { path, from, to } = found;
  if (to !== null && !isOurs(found) && to.size === from.size) run.did("compare", path);
  else {
    if (to !== null && !isOurs(found) && options.overwrite !== true) throw taken(run, path);
    run.did("copy", path);
    run.onBytes(from.size);
  }
  if (options.deleteSource === true) run.did("delete", path);
}

/** True where the target's object is an earlier copy of the source's. */
function isOurs({ record, to }: SourcePath): boolean {
  return record !== null && isState(record.to, to);
}

/** Both, if they have the same bytes; the target's then has the source's description as well. */
async function compared(run: TransferRun, path: string): Promise<SameObjects | null> {
  const places = [{ store: run.from, path }, { store: run.to, path }] as const;
  let same = await compareObjects(...places, run);
  if (same !== null && !isSaidSame(same.from, same.to)) {
    const { contentType, metadata, tags } = same.from;
    const { signal } = run;
    await run.to.describe(path, { contentType, metadata, tags, signal });
    run.did("describe", path);
    // Its etag may be another now, and somebody may have replaced it.
    same = await compareObjects(...places, run);
  }
  if (same === null) return null;
  run.did("compare", path);
  run.did("skip", path);
  return same;
}

async function deleteSource(
  run: TransferRun,
  { path, etag }: { readonly path: string; readonly etag: string },
  options: Pick<MigrationOptions, "deleteSource">,
): Promise<void> {
  if (options.deleteSource !== true) return;
  if (!run.dryRun) await run.from.delete(path, { match: etag, signal: run.signal });
  run.did("delete", path);
}

function taken(run: TransferRun, path: string) {
  const call = { provider: run.to.provider, operation: "copy", path };
  return objectError("conflict", call, "something else is at the target; to replace it, overwrite");
}
