import { isoTime } from "../dates.ts";
import { VaultError } from "../errors.ts";
import { CELL_BYTES } from "../limits.ts";
import { Tree } from "../btree/tree.ts";
import { forecastRemoval } from "../tree/removal_forecast.ts";
import { type DifferenceVisitor, treeDifference } from "../tree/tree_difference.ts";
import type { UndoneVisitor } from "../volume/logged_tree.ts";
import { outdatedSnapshots, type Retention } from "../volume/retention.ts";
import type { OldHead, SnapshotName, SnapshotStatus } from "../volume/volume_status.ts";
import { type FileChange, FileChanges } from "./file_changes.ts";
import type { OpenVolume } from "./open_views.ts";
import type { TreeReader } from "./tree_names.ts";
import { whenFree } from "./transactions.ts";
import type { VolumesParts } from "./vault_volumes.ts";

/** Where to go back to: the newest state that is as old as a time in milliseconds since 1970, or one that a list shows. */
export type UndoTarget = { readonly time: number } | { readonly sequence: number };

/** What a rule of retention lets go. */
export interface PruneReport {
  /** Deleted, or with `dryRun` to be deleted; oldest first. */
  readonly deleted: readonly SnapshotStatus[];
  /** How many stay. */
  readonly kept: number;
  /** What comes free: more than each of them had alone. */
  readonly freedBytes: number;
}

/**
 * Snapshots of a vault's volumes: what a volume held at a time, kept without a copy.
 *
 * @example
 * ```ts
 * import { createVault } from "@sigmavault/sigmavault";
 * import assert from "node:assert/strict";
 * await using vault = await createVault({ medium: "memory:", passphrase: "correct horse" });
 * await vault.files.writeFile("/plan", "first");
 * await vault.snapshots.create("main", "monday");
 * await vault.files.writeFile("/plan", "second");
 * {
 *   await using monday = await vault.snapshots.open("main", "monday");
 *   assert.equal(await monday.files.readText("/plan"), "first");
 * }
 * const [change] = await vault.snapshots.diff("main", "monday");
 * assert.deepEqual([change.kind, change.path], ["modified", "/plan"]);
 * await vault.snapshots.rollback("main", "monday");
 * assert.equal(await vault.files.readText("/plan"), "first");
 * ```
 */
export class VaultSnapshots {
  readonly #parts: VolumesParts;

  /**
   * Use `vault.snapshots`.
   *
   * @internal
   */
  constructor(parts: VolumesParts) {
    this.#parts = parts;
  }

  #step<T>(work: () => T): Promise<T> {
    return whenFree(this.#parts.enter, work);
  }

  /** Keeps what a volume holds now, in one step whatever its size. */
  create(volume: string, name: string): Promise<void> {
    return this.#step(() => void this.#parts.volumes.snapshot(volume, name));
  }

  /** The snapshots of a volume, oldest first, with what each of them has alone and shares with others, exactly. */
  list(volume: string): Promise<SnapshotStatus[]> {
    return this.#step(() => this.#list(volume));
  }

  /**
   * The states that `undo` can take a volume back to, oldest first: its undo history, which a mount keeps, and its snapshots.
   *
   * @example
   * ```ts
   * import { createVault } from "@sigmavault/sigmavault";
   * import assert from "node:assert/strict";
   * await using vault = await createVault({ medium: "memory:", passphrase: "correct horse" });
   * await vault.files.writeFile("/plan", "first");
   * await vault.snapshots.keep("main");
   * await vault.files.remove("/plan");
   * await vault.snapshots.undo("main", { time: Date.now() });
   * assert.equal(await vault.files.readText("/plan"), "first");
   * assert.equal((await vault.snapshots.history("main")).length, 3);
   * ```
   */
  async history(volume: string): Promise<SnapshotStatus[]> {
    return await this.list(volume);
  }

  /** Adds what a volume holds now to its undo history. */
  keep(volume: string): Promise<void> {
    return this.#step(() => void this.#parts.volumes.snapshot(volume, null));
  }

  /**
   * Takes a volume back to the newest state of its history, or snapshot, that is as old as `time` (milliseconds since 1970), or
   * to the one with a sequence. What it held becomes part of the history, so that this can be undone too. Throws `missing`
   * where nothing is so old.
   */
  async undo(volume: string, to: UndoTarget): Promise<SnapshotStatus> {
    const state = await this.#step(() => this.stateAt(volume, to));
    await this.rollback(volume, state.sequence, "keep");
    await this.keep(volume);
    return state;
  }

  /**
   * The state that `undo` would take a volume back to.
   *
   * @internal
   */
  stateAt(volume: string, to: UndoTarget): SnapshotStatus {
    const states = this.#parts.volumes.listSnapshots(volume);
    const found = "sequence" in to
      ? states.find(({ sequence }) => sequence === to.sequence)
      : states.findLast(({ time }) => time <= to.time);
    if (found !== undefined) return found;
    const oldest = states.length === 0 ? "" : `; the oldest is of ${isoTime(states[0].time)}`;
    const [where, which] = "sequence" in to
      ? [`to @${to.sequence}`, "there is no state of that number"]
      : ["so far", `there is no such state${oldest}`];
    throw new VaultError("missing", `Cannot take volume "${volume}" back ${where}: ${which}`);
  }

  #list(volume: string): SnapshotStatus[] {
    this.#parts.views.flush();
    return this.#parts.volumes.listSnapshots(volume);
  }

  /** Deletes a snapshot that nobody has open. What only it had comes free in the background: `vault.volumes.free` does it now. */
  delete(volume: string, name: SnapshotName): Promise<void> {
    return this.#step(() => this.#parts.volumes.deleteSnapshot(volume, name));
  }

  /**
   * Makes a volume hold what its snapshot holds. Later snapshots stay; what the volume held goes, or with `"keep"` becomes a
   * snapshot of the undo history. Open files stay open and see the older content.
   */
  rollback(volume: string, name: SnapshotName, oldHead: OldHead = "destroy"): Promise<void> {
    return this.#step(() => this.#parts.volumes.rollback(volume, name, oldHead));
  }

  /**
   * The same at once, as `MountTransaction.replaced` wants it; before that `differs` is told of each record that changes.
   *
   * @internal
   */
  replace(
    volume: string,
    to: { readonly name: SnapshotName; readonly oldHead: OldHead },
    differs: UndoneVisitor,
  ): void {
    this.#differ([this.#treeOf(volume, undefined), this.#treeOf(volume, to.name)], differs);
    this.#parts.volumes.rollback(volume, to.name, to.oldHead);
  }

  #differ([before, after]: readonly [Tree, Tree], visit: DifferenceVisitor): void {
    const pages = this.#parts.engine.store.readPages();
    treeDifference(pages, { before: before.root, after: after.root }, visit);
  }

  /** Makes a volume that holds what a snapshot holds, without a copy. Either may change and go without the other. */
  clone(volume: string, name: SnapshotName, newVolume: string): Promise<void> {
    return this.#step(() => this.#parts.volumes.clone(volume, name, newVolume));
  }

  /** Opens a snapshot for reading. Close it: it cannot be deleted meanwhile. */
  open(volume: string, name: SnapshotName): Promise<OpenVolume> {
    return this.#step(() => this.#parts.views.snapshot(volume, name));
  }

  /** What differs between a snapshot and a later one, or what the volume holds now: by what changed, not by all there is. */
  diff(volume: string, from: SnapshotName, to?: SnapshotName): Promise<FileChange[]> {
    return this.#step(() => {
      this.#parts.views.flush();
      const before = this.#treeOf(volume, from);
      const after = this.#treeOf(volume, to);
      const changes = new FileChanges(this.#readerOf(before), this.#readerOf(after));
      this.#differ([before, after], changes.add);
      return changes.list();
    });
  }

  #treeOf(volume: string, name: SnapshotName | undefined): Tree {
    const { engine: { store }, volumes } = this.#parts;
    const pages = store.readPages();
    if (name !== undefined) {
      return new Tree(pages, pages.page(volumes.placeOf(volume, name).root));
    }
    const { branch } = volumes.recordOf(volume);
    return store.branches.get(branch)?.tree ??
      new Tree(pages, pages.page(store.catalog.branch(branch).root));
  }

  #readerOf(tree: Tree): TreeReader {
    return {
      get: (key) => tree.get(key),
      scan: (from, visit) => tree.scan(from, visit),
      trim: () => this.#parts.engine.store.trim(),
    };
  }

  /** Deletes the snapshots that a rule does not keep, but for those of the undo history; with `dryRun` only says which. */
  async prune(
    volume: string,
    rule: Retention,
    options: { readonly dryRun?: boolean } = {},
  ): Promise<PruneReport> {
    const report = await this.#step(() => this.#outdated(volume, rule));
    if (options.dryRun === true) return report;
    for (const { sequence } of report.deleted) await this.delete(volume, sequence);
    return report;
  }

  #outdated(volume: string, rule: Retention): PruneReport {
    if (!Object.values(rule).some((count) => count > 0)) {
      throw new VaultError(
        "invalid",
        "Cannot prune by a rule that keeps nothing: say what to keep",
      );
    }
    const named = this.#list(volume).filter(({ history }) => !history);
    const deleted = outdatedSnapshots(named, rule);
    const { engine: { store: { catalog } }, volumes } = this.#parts;
    const placed = deleted.map(({ sequence }) => volumes.placeOf(volume, sequence));
    const freedBytes = forecastRemoval(catalog, placed) * CELL_BYTES;
    return { deleted, kept: named.length - deleted.length, freedBytes };
  }
}
