import { VaultError } from "../errors.ts";
import { objectError } from "../storage/object_body.ts";
import type { ListedObject, WriteCondition } from "../storage/object_store.ts";
import { isConflict } from "../storage/store_failures.ts";
import { conflictName } from "./conflict_name.ts";
import type { FoundPath } from "./side_by_side.ts";
import { isState, type JournalRecord } from "./transfer_journal.ts";
import type { TransferRun, TransferSides } from "./transfer_run.ts";
import { compareObjects, copyVerified, type SameObjects } from "./verified_copy.ts";

type Side = "from" | "to";

/** Versions of one path and second that have names of their own. */
const CONFLICTS_MAX = 100;

const across = { from: "to", to: "from" } as const;

/** Makes a path the same on both sides. */
export async function syncBoth(run: TransferRun, found: FoundPath, toName: string): Promise<void> {
  const { path, from, to, record } = found;
  if (record === null) {
    if (from === null) return to === null ? undefined : await carry(run, to, "to", null);
    if (to === null) return await carry(run, from, "from", null);
    return await keepBoth(run, { path, to }, toName);
  }
  const [isFromOld, isToOld] = [isState(record.from, from), isState(record.to, to)];
  if (isFromOld && isToOld) return run.did("skip", path);
  if (from === null) {
    if (to === null) return await run.forget(path);
    return isToOld ? await remove(run, "to", record) : await carry(run, to, "to", null);
  }
  if (to === null) {
    return isFromOld ? await remove(run, "from", record) : await carry(run, from, "from", null);
  }
  if (isToOld) return await carry(run, from, "from", to);
  if (isFromOld) return await carry(run, to, "to", from);
  await keepBoth(run, { path, to }, toName);
}

/** Copies from a side to the other, over `replaced` only. */
async function carry(
  run: TransferRun,
  { path, size }: Pick<ListedObject, "path" | "size">,
  side: Side,
  replaced: ListedObject | null,
): Promise<void> {
  if (run.dryRun) {
    run.onBytes(size);
    return run.did("copy", path);
  }
  const places = [{ store: run[side], path }, { store: run[across[side]], path }] as const;
  const condition: WriteCondition = replaced === null ? { create: true } : { match: replaced.etag };
  let same: SameObjects | null;
  try {
    same = await copyVerified(...places, run, condition);
    run.did("copy", path);
  } catch (error) {
    if (replaced !== null || !isConflict(error)) throw error;
    // Somebody was there first, perhaps an earlier try whose answer was lost.
    same = await compareObjects(...places, run).catch(() => null);
    if (same === null) throw error;
    run.did("compare", path);
    run.did("skip", path);
  }
  await run.note(path, side === "from" ? same : { from: same.to, to: same.from });
}

/**
 * Removes what the other side has no more. The journal forgets the path before, so that it never knows what is gone: who is killed
 * in between finds an object on one side only, and keeps it.
 */
async function remove(run: TransferRun, side: Side, record: JournalRecord): Promise<void> {
  const { path } = record;
  const { signal } = run;
  const [store, match] = [run[side], record[side]!.etag];
  const call = { provider: store.provider, operation: "delete", path };
  if (await run[across[side]].head(path, { signal }) !== null) {
    throw objectError("conflict", call, "the other side has it again");
  }
  if (run.dryRun) return run.did("delete", path);
  await run.forget(path);
  try {
    await store.delete(path, { match, signal });
  } catch (error) {
    // What was refused is to be tried again.
    if ((await store.head(path, { signal }))?.etag === match) await run.noteAgain(record);
    throw error;
  }
  run.did("delete", path);
}

/** Both versions have names in the end: the target's first gets one of its own, then the source's takes its place. */
async function keepBoth(
  run: TransferRun,
  { path, to }: { readonly path: string; readonly to: ListedObject },
  toName: string,
): Promise<void> {
  if (run.dryRun) return run.did("conflict", path);
  const places = [{ store: run.from, path }, { store: run.to, path }] as const;
  let same = await compareObjects(...places, run);
  if (same === null) {
    const kept = await copyAside(run, to, toName);
    same = await copyVerified(...places, run, { match: to.etag });
    run.did("conflict", path);
    await run.note(path, same);
    return await carry(run, { path: kept, size: to.size }, "to", null);
  }
  run.did("compare", path);
  run.did("skip", path);
  await run.note(path, same);
}

/** Gives the target's version another name as well; returns that. */
async function copyAside(run: TransferRun, to: ListedObject, provider: string): Promise<string> {
  const { path, lastModified } = to;
  for (let number = 1;; number++) {
    const aside = conflictName({ path, lastModified, provider, number }, [run.from, run.to]);
    const places = [{ store: run.to, path }, { store: run.to, path: aside }] as const;
    try {
      await copyVerified(...places, run, { create: true });
      return aside;
    } catch (error) {
      if (!isConflict(error) || number === CONFLICTS_MAX) throw error;
      if (await compareObjects(...places, run) !== null) return aside;
    }
  }
}

/** Throws where a side is empty that was not: it may be a disk that is not there. */
export async function refuseEmptySide(
  run: TransferRun,
  { from, to }: TransferSides,
): Promise<void> {
  const held = await run.holding();
  if (!held.record || held.from === held.to) return;
  const [empty, other] = held.from ? [to, from] : [from, to];
  const why = `"${empty.name}" is empty and was not; if it should be so, accept that it is empty`;
  throw new VaultError("conflict", `Cannot delete everything at "${other.name}": ${why}`);
}
