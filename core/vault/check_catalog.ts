import type { Page } from "../btree/page.ts";
import { getU64, viewOf } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { decodeExtent, emptyExtent, type Extent } from "../format/extent.ts";
import type { DeadRun, Pending, PendingRuns, PendingTree } from "../format/freeing_record.ts";
import { contentCells } from "../format/map_entry.ts";
import { KEY_TYPE } from "../format/volume_key.ts";
import type { Catalog, NumberedBranch, PlacedSnapshot } from "../tree/catalog.ts";
import { type Dataset, datasetOf, headOf, Lineage } from "../tree/lineage.ts";
import { checkHead, checkSnapshot, type TreeCheckParts, type TreeCounts } from "./check_tree.ts";

/** What was counted in all volumes and snapshots. */
export interface CatalogCounts {
  files: number;
  directories: number;
  lostNodes: number;
}

/**
 * Checks every tree that the catalog names, and its counters. Each block is claimed where it was born: by the first
 * dataset that has it and not the one before, or by what is being freed.
 */
export class CatalogCheck {
  private readonly catalog: Catalog;
  private readonly lineage: Lineage;
  private readonly parts: TreeCheckParts;
  private readonly counts: CatalogCounts = { files: 0, directories: 0, lostNodes: 0 };
  /** Dead runs that something accounts for. */
  private runs = 0;

  constructor(catalog: Catalog, parts: TreeCheckParts) {
    this.catalog = catalog;
    this.lineage = new Lineage(catalog);
    this.parts = parts;
  }

  async run(): Promise<CatalogCounts> {
    const names = new Map(this.catalog.volumes().map(({ id, name }) => [id, name]));
    for (const branch of this.catalog.branches()) {
      await this.checkBranch(branch, `volume "${names.get(branch.volume) ?? "(deleted)"}"`);
    }
    this.checkReceives();
    await this.checkPending();
    this.checkSessions();
    if (this.counts.lostNodes === 0) this.checkRuns();
    return this.counts;
  }

  private async checkBranch(branch: NumberedBranch, volume: string): Promise<void> {
    const snapshots: PlacedSnapshot[] = [];
    this.catalog.snapshots(branch.id, 0, (snapshot) => snapshots.push(snapshot) > 0);
    for (const snapshot of snapshots) {
      const what = snapshot.hidden ? "(deleted)" : `"${snapshot.name || snapshot.sequence}"`;
      const name = `${volume}, snapshot ${what}`;
      await this.checkDataset(datasetOf(snapshot), snapshot.birth, name);
    }
    if (branch.root !== 0) await this.checkDataset(headOf(branch), branch.birth, volume);
  }

  private async checkDataset(dataset: Dataset, birth: number, name: string): Promise<void> {
    const predecessor = this.lineage.predecessor(dataset);
    const bornAfter = predecessor?.sequence ?? 0;
    const firstId = predecessor?.nextBlockId ?? 0;
    const { volume, inodes, setAside } = this.catalog.branch(dataset.branch);
    const record = this.catalog.volumes().find(({ id }) => id === volume);
    const blockBytes = record?.blockBytes ?? 0;
    const tree = { name, root: dataset.root, birth, bornAfter, firstId, blockBytes };
    // What is being received is not whole yet: its records have nothing to be compared with.
    const isHead = dataset.snapshot === null && record !== undefined;
    const counts = await (isHead ? checkHead : checkSnapshot)(tree, this.parts);
    this.add(counts);
    for (const range of this.lineage.deaths(dataset, bornAfter)) {
      this.catalog.deadRuns(range, (run) => {
        if (run.birth <= bornAfter) this.runs++;
        return true;
      });
    }
    const shared = predecessor === null
      ? 0
      : predecessor.cells - this.lineage.deadCells(dataset, predecessor);
    if (counts.lostNodes > 0) return;
    const expect = (what: string, counted: number, met: number) => {
      if (counted === met) return;
      this.parts.problems.add("catalog", `${name}: ${counted} ${what} counted, ${met} met`);
    };
    expect("cells", dataset.cells, counts.cells + shared);
    if (!isHead) return;
    expect("inodes", inodes, counts.inodes);
    expect("blocks set aside", setAside, counts.setAside);
  }

  /** A branch is some volume's, or a snapshot is being received on it. */
  private checkReceives(): void {
    const received = new Set(this.catalog.receives().map(({ branch }) => branch));
    const ofNone = this.catalog.branches().filter(({ volume }) => volume === 0);
    if (ofNone.length === received.size && ofNone.every(({ id }) => received.has(id))) return;
    this.parts.problems.add("catalog", "what is being received is not what branches are for");
  }

  private add({ files, directories, lostNodes }: TreeCounts): void {
    this.counts.files += files;
    this.counts.directories += directories;
    this.counts.lostNodes += lostNodes;
  }

  private async checkPending(): Promise<void> {
    const waiting: Pending[] = [];
    this.catalog.pending(({ work }) => waiting.push(work) > 0);
    for (const work of waiting) {
      if (work.kind === "tree") await this.claimTree(work, work.root);
      else this.claimRuns(work);
    }
  }

  private checkSessions(): void {
    let before = 0;
    this.catalog.sessions(({ number }) => {
      if (before > 0 && number !== before + 1) {
        this.parts.problems.add("catalog", `session ${number} comes after session ${before}`);
      }
      before = number;
    });
  }

  private claimRuns(work: PendingRuns): void {
    const { claims, problems } = this.parts;
    this.catalog.deadRuns(work, (run: DeadRun) => {
      if (run.birth <= work.bornAfter || run.birth > work.bornUntil) return true;
      this.runs++;
      if (work.kind === "free") claims.claim(run.firstId, run.count, problems);
      return true;
    });
  }

  private checkRuns(): void {
    let runs = 0;
    this.catalog.allDeadRuns(() => runs++);
    if (runs === this.runs) return;
    this.parts.problems.add("catalog", `${runs} dead runs are there, ${this.runs} of snapshots`);
  }

  private async claimTree(work: PendingTree, id: number): Promise<void> {
    const { inspector, claims, problems, pause } = this.parts;
    const entry = claims.node(id);
    try {
      if (entry === undefined || !claims.claimNode(id)) {
        throw new VaultError("corrupt", "it is not in the block map, or referred to twice");
      }
      const page = inspector.volumeNode({ id, entry });
      await pause(contentCells(entry));
      if (page.level === 0) return this.claimRest(page, work);
      for (let i = page.childIndex(work.cursor); i < page.count; i++) {
        const pointer = viewOf(page.value(i));
        if (getU64(pointer, 8) > work.bornAfter) await this.claimTree(work, getU64(pointer, 0));
      }
    } catch (error) {
      if (!(error instanceof VaultError)) throw error;
      this.counts.lostNodes++;
      problems.add("damaged", `tree node ${id} of something deleted: ${error.message}`);
    }
  }

  private claimRest(page: Page, work: PendingTree): void {
    const extent: Extent = emptyExtent();
    const found = page.search(work.cursor);
    for (let i = found < 0 ? -found - 1 : found; i < page.count; i++) {
      if (page.key(i)[0] !== KEY_TYPE.extent) continue;
      decodeExtent(page.value(i), extent);
      const done = i === found ? work.skip : 0;
      const skip = Math.max(done, work.firstId - extent.firstId);
      if (extent.unwritten || skip >= extent.count) continue;
      this.parts.claims.claimData(extent.firstId + skip, extent.count - skip, this.parts.problems);
    }
  }
}
