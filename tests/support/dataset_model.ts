/** What a volume or a snapshot must hold, and what it was made from: a model without births and dead runs. */
export interface ModelDataset {
  /** Of a snapshot; null for a head. */
  sequence: number | null;
  name: string;
  content: string;
  parent: ModelDataset | null;
  hidden: boolean;
}

/** A volume of the model. */
export interface ModelVolume {
  head: ModelDataset;
  /** Those that were not deleted. */
  snapshots: ModelDataset[];
}

/** Volumes, snapshots and clones as a tree of datasets. */
export class DatasetModel {
  readonly volumes: Map<string, ModelVolume> = new Map();
  readonly datasets: Set<ModelDataset> = new Set();

  private add(dataset: Omit<ModelDataset, "hidden">): ModelDataset {
    const added = { ...dataset, hidden: false };
    this.datasets.add(added);
    return added;
  }

  /** A volume, empty or made from a snapshot. */
  addVolume(name: string, origin: ModelDataset | null): void {
    const head = { sequence: null, name, content: origin?.content ?? "", parent: origin };
    this.volumes.set(name, { head: this.add(head), snapshots: [] });
  }

  /** The head becomes a snapshot's successor. */
  snapshot(volume: ModelVolume, sequence: number, name: string): void {
    const { content, parent } = volume.head;
    const snapshot = this.add({ sequence, name, content, parent });
    volume.head.parent = snapshot;
    volume.snapshots.push(snapshot);
  }

  /** Another head, made from a snapshot; the old one is kept under a sequence, or goes. */
  rollback(volume: ModelVolume, to: ModelDataset, kept: number | null): void {
    const old = volume.head;
    volume.head = this.add({ sequence: null, name: old.name, content: to.content, parent: to });
    if (kept === null) return this.remove(old);
    Object.assign(old, { sequence: kept, name: "" });
    volume.snapshots.push(old);
  }

  /** Deletes a snapshot. */
  deleteSnapshot(volume: ModelVolume, snapshot: ModelDataset): void {
    volume.snapshots = volume.snapshots.filter((other) => other !== snapshot);
    this.remove(snapshot);
  }

  /** Deletes a volume with its snapshots. */
  deleteVolume(name: string): void {
    const { head, snapshots } = this.volumes.get(name)!;
    this.volumes.delete(name);
    this.remove(head);
    for (const snapshot of snapshots.toReversed()) this.remove(snapshot);
  }

  /** The datasets that were made from this one. */
  children(dataset: ModelDataset): ModelDataset[] {
    return [...this.datasets].filter(({ parent }) => parent === dataset);
  }

  private remove(dataset: ModelDataset): void {
    const children = this.children(dataset);
    if (children.length > 1) {
      dataset.hidden = true;
      return;
    }
    this.datasets.delete(dataset);
    const { parent } = dataset;
    if (children.length === 1) children[0].parent = parent;
    else if (parent?.hidden && this.children(parent).length < 2) this.remove(parent);
  }
}
