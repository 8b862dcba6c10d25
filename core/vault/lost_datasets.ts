import type { Engine } from "../volume/engine.ts";
import { findLostFiles, type LostFile } from "./lost_files.ts";
import type { LostIds } from "./lost_ids.ts";
import { TolerantTree } from "./tolerant_tree.ts";

/** Files that a report names. */
const FILES_MAX = 100_000;

/** A lost file, and where it is lost. */
export interface PlacedLoss extends LostFile {
  /** The name of the volume. */
  readonly volume: string;
  /** Name or sequence of a snapshot; null: the volume as it is. */
  readonly snapshot: string | null;
}

/** What is lost, and whose it was. */
export interface LostReport {
  /** Blocks and tree nodes that cannot be read. */
  readonly lost: number;
  /** Files that they belong to. */
  readonly files: readonly PlacedLoss[];
  /** Files beyond those listed. */
  readonly more: number;
}

/** Names the files of all volumes and snapshots that lost blocks belong to. */
export function describeLost(engine: Engine, hurt: LostIds, lost: number): LostReport {
  const files: PlacedLoss[] = [];
  let more = 0;
  if (lost === 0) return { lost, files, more };
  for (const { volume, snapshot, root } of datasets(engine)) {
    const pages = engine.store.readPages();
    const tree = new TolerantTree(root, (id) => pages.page(id));
    for (const file of findLostFiles(tree, hurt)) {
      if (files.length < FILES_MAX) files.push({ ...file, volume, snapshot });
      else more++;
    }
    engine.store.trim();
  }
  return { lost, files, more };
}

/** A tree with the names of what it is. */
export interface NamedTree {
  readonly volume: string;
  /** Name or sequence of a snapshot; null: the volume as it is. */
  readonly snapshot: string | null;
  /** Block id of its root node. */
  readonly root: number;
}

/** What all volumes are in the newest root, and their snapshots. */
export function datasets({ store: { catalog } }: Engine): NamedTree[] {
  const volumes = new Map(catalog.volumes().map(({ id, name }) => [id, name]));
  volumes.set(0, "(being received)");
  const found: NamedTree[] = [];
  for (const branch of catalog.branches()) {
    const volume = volumes.get(branch.volume) ?? "(deleted)";
    if (branch.root !== 0) found.push({ volume, snapshot: null, root: branch.root });
    catalog.snapshots(branch.id, 0, ({ name, sequence, hidden, root }) => {
      if (!hidden) found.push({ volume, snapshot: name || String(sequence), root });
      return true;
    });
  }
  return found;
}
