import type { Page } from "../btree/page.ts";
import { VaultError } from "../errors.ts";
import {
  CATALOG_KEY,
  type Compression,
  decodeBranch,
  decodeVolume,
  readNumberedKey,
  type VolumeRecord,
} from "../format/catalog_record.ts";
import { readLockKey } from "../format/lock_record.ts";
import { TREE } from "../format/node.ts";
import type { RootRecord } from "../format/root_record.ts";
import { KIND } from "../format/seal_aad.ts";
import type { BrokenMedium } from "./broken_medium.ts";
import type { SalvageSource } from "./salvage_source.ts";

/** A volume, and the root nodes that its tree has had, the newest first. */
export interface FoundVolume {
  readonly name: string;
  readonly blockBytes: number;
  readonly compression: Compression;
  readonly roots: readonly number[];
  /** Inodes that are, or may be, locked: what trees have of their content is not theirs. */
  readonly locked: ReadonlySet<number>;
}

/**
 * The volumes that the newest root names. Where its catalog has holes, or there is no root, those of all leaves of the
 * catalog that were found: then a volume may be there that had been deleted.
 */
export function findVolumes(
  broken: BrokenMedium,
  source: Pick<SalvageSource, "physical">,
  newest: RootRecord | null,
): FoundVolume[] {
  const records = new Records();
  const isWhole = newest !== null && addCatalog(broken, newest, records);
  const known = isWhole ? new Set(records.volumes.keys()) : null;
  const locked = isWhole ? new Set(records.locked) : records.locked;
  for (const node of broken.found.ofTree(TREE.catalog, 0)) {
    const page = source.physical(node, KIND.catalogNode);
    if (page !== null) records.addLeaf(page);
  }
  return [...records.volumes].filter(([id]) => known === null || known.has(id))
    .sort(([a], [b]) => a - b)
    .map(([, { name, blockBytes, compression, branch }]) => {
      const roots = records.branches.get(branch) ?? [];
      return { name, blockBytes, compression, roots, locked };
    });
}

/** True where all of a root's catalog can be read. */
function addCatalog({ inspector }: BrokenMedium, root: RootRecord, records: Records): boolean {
  let isWhole = true;
  const visitor = {
    node: () => true,
    degraded: () => {},
    damaged: () => void (isWhole = false),
  };
  for (const leaf of inspector.leaves(root.catalog, KIND.catalogNode, visitor)) {
    records.addLeaf(leaf);
  }
  return isWhole;
}

/** What was found first counts: it is the newest. */
class Records {
  readonly volumes = new Map<number, VolumeRecord>();
  readonly branches = new Map<number, number[]>();
  readonly locked = new Set<number>();

  addLeaf(page: Page): void {
    for (let i = 0; i < page.count; i++) {
      try {
        this.#add(page.key(i), page.value(i));
      } catch (error) {
        if (!(error instanceof VaultError)) throw error;
      }
    }
  }

  #add(key: Uint8Array, value: Uint8Array): void {
    if (key[0] === CATALOG_KEY.lock) this.locked.add(readLockKey(key).ino);
    if (key[0] === CATALOG_KEY.volume) {
      const id = readNumberedKey(key);
      if (!this.volumes.has(id)) this.volumes.set(id, decodeVolume(value));
    } else if (key[0] === CATALOG_KEY.branch) {
      const id = readNumberedKey(key);
      const { root } = decodeBranch(value);
      const roots = this.branches.get(id) ?? [];
      if (root !== 0 && !roots.includes(root)) roots.push(root);
      this.branches.set(id, roots);
    }
  }
}
