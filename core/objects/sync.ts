import { VaultError } from "../errors.ts";
import { objectError } from "../storage/object_body.ts";
import { migrateOne } from "./migration.ts";
import type { FoundPath } from "./side_by_side.ts";
import type { JournalFile } from "./transfer_journal.ts";
import {
  type TransferOptions,
  type TransferReport,
  TransferRun,
  type TransferSides,
} from "./transfer_run.ts";
import { refuseEmptySide, syncBoth } from "./two_way.ts";

/** How to make one side the same as the other. */
export interface SyncOptions extends TransferOptions {
  /** Removes from the target what the source does not have. */
  readonly delete?: boolean;
  /** Removes everything where a side is empty. Without it that is `conflict`: it may be a disk that is not there. */
  readonly acceptEmpty?: boolean;
}

/** How to make both sides the same. */
export interface TwoWaySyncOptions extends TransferOptions {
  /** What both had in common when they were last the same; empty at first. */
  readonly journal: JournalFile;
  /** As in {@linkcode SyncOptions}. */
  readonly acceptEmpty?: boolean;
}

/** Makes the target the same as the source, whatever is there. */
export async function sync(
  sides: TransferSides,
  options: SyncOptions = {},
): Promise<TransferReport> {
  return await TransferRun.over(sides, options, async (run) => {
    let [has, more] = [false, false];
    await run.eachPath(async (found) => {
      if (found.from === null) more ||= found.to !== null;
      else {
        has = true;
        await migrateOne(run, { ...found, from: found.from }, { overwrite: true });
      }
    });
    if (options.delete !== true || !more) return;
    if (!has && options.acceptEmpty !== true) throw emptySource(sides);
    // The source was listed to its end by now.
    await run.eachPath((found) => removeExtra(run, found));
  });
}

/**
 * Carries over what was changed on one side since both were last the same. What was changed on both is kept twice: the target's
 * version as `NAME (conflict DATE PROVIDER).EXT`. What was deleted on one side is deleted on the other, unless it was changed there.
 * Where a store's conditions are not atomic among all writers (`atomicMatch`), what somebody else writes in the very moment in which
 * a newer state is put in its place can be lost.
 *
 * @example
 * ```ts
 * import { createStorage, openJournal, syncTwoWay } from "@sigmavault/sigmavault/storage";
 * import assert from "node:assert/strict";
 *
 * await using storage = await createStorage({
 *   provider: "laptop",
 *   providers: { laptop: { type: "memory" }, server: { type: "memory" } },
 * });
 * await storage.upload("a.txt", "mine", { provider: "laptop" });
 * await storage.upload("b.txt", "yours", { provider: "server" });
 * const sides = { from: storage.named("laptop"), to: storage.named("server") };
 * const file = await Deno.makeTempFile();
 * const report = await syncTwoWay(sides, { journal: await openJournal(file) });
 * assert.deepEqual([report.copied, report.failures], [2, 0]);
 * assert.equal(await storage.downloadText("b.txt", { provider: "laptop" }), "yours");
 * await Deno.remove(file);
 * ```
 */
export async function syncTwoWay(
  sides: TransferSides,
  options: TwoWaySyncOptions,
): Promise<TransferReport> {
  return await TransferRun.over(sides, options, async (run) => {
    if (options.acceptEmpty !== true) await refuseEmptySide(run, sides);
    await run.eachPath((found) => syncBoth(run, found, sides.to.name));
  });
}

async function removeExtra(run: TransferRun, { path, from, to }: FoundPath): Promise<void> {
  if (from !== null || to === null) return;
  if (await run.from.head(path, run) !== null) {
    const call = { provider: run.to.provider, operation: "delete", path };
    throw objectError("conflict", call, "the source has it again");
  }
  if (!run.dryRun) {
    await run.to.delete(path, { match: to.etag, signal: run.signal });
    await run.forget(path);
  }
  run.did("delete", path);
}

function emptySource({ from, to }: TransferSides): VaultError {
  const why = `"${from.name}" has nothing; if it should be so, accept that it is empty`;
  return new VaultError("conflict", `Cannot delete everything at "${to.name}": ${why}`);
}
