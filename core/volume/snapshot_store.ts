import type { BytesPart } from "../bytes.ts";
import type { PutRun } from "../block/block_writer.ts";
import { assert } from "../assert.ts";
import { Tree } from "../btree/tree.ts";
import type { Kernel } from "../crypto/kernel.ts";
import { VaultError } from "../errors.ts";
import type { Runtime } from "../runtime.ts";
import type { PlacedSnapshot } from "../tree/catalog.ts";
import type { Engine } from "./engine.ts";
import type {
  ContentLocks,
  DataBlocks,
  KeyValueTree,
  PendingGet,
  VolumeStore,
} from "./volume_store.ts";

/** A snapshot that is open: what a volume held, to be read only. It shares every cache with the volumes. */
export class SnapshotStore implements VolumeStore, DataBlocks {
  readonly kernel: Kernel;
  readonly runtime: Runtime;
  readonly readOnly = true;
  readonly locks: ContentLocks;
  readonly tree: KeyValueTree;
  readonly snapshot: PlacedSnapshot;
  readonly blockBytes: number;
  private readonly engine: Engine;
  private current: Tree;
  private readonly closed: (store: SnapshotStore) => void;

  /** Of a volume with blocks of `blockBytes`; `closed` is told when nobody reads it any more. */
  constructor(
    engine: Engine,
    { snapshot, blockBytes }: { readonly snapshot: PlacedSnapshot; readonly blockBytes: number },
    closed: (store: SnapshotStore) => void,
  ) {
    this.engine = engine;
    this.snapshot = snapshot;
    this.blockBytes = blockBytes;
    this.closed = closed;
    this.kernel = engine.kernel;
    this.runtime = engine.runtime;
    this.locks = engine.locks.lineOfBranch(snapshot.branch);
    this.current = this.read();
    this.tree = readOnly(() => this.current, () => engine.store.trim());
  }

  private read(): Tree {
    const pages = this.engine.store.readPages();
    return new Tree(pages, pages.page(this.snapshot.root));
  }

  /** Reads the root node again: it was stored with other bytes. */
  reload(): void {
    this.current = this.read();
  }

  /** Ends reading. */
  close(): void {
    this.closed(this);
  }

  get blocks(): DataBlocks {
    return this;
  }

  nextObjectId(): number {
    throw refused();
  }

  hashName(name: Uint8Array): number {
    return this.engine.names.of(name);
  }

  admit(): void {
    throw refused();
  }

  promise(cells: number): void {
    assert(cells === 0, "nothing of a snapshot becomes dirty");
  }

  space(): { totalCells: number; freeCells: number } {
    return this.engine.space(this.blockBytes);
  }

  endGroup(): void {}

  sync(): void {}

  commit(): Promise<void> {
    return Promise.resolve();
  }

  setFlushHook(): void {}

  pendingBytes(): number {
    return 0;
  }

  allocateIds(): number {
    throw refused();
  }

  put(): PutRun {
    throw refused();
  }

  settled(ticket: number): boolean {
    return this.engine.store.blocks.settled(ticket);
  }

  settle(ticket?: number): void {
    this.engine.settle(ticket);
  }

  get(firstId: number, count: number, address: number): void {
    this.engine.store.blocks.get(firstId, count, { address, bytes: this.blockBytes });
  }

  getPart(id: number, address: number, part: BytesPart): boolean {
    return this.engine.store.blocks.getPart(id, { address, bytes: this.blockBytes }, part);
  }

  getLater(firstId: number, count: number, address: number): PendingGet | null {
    const areas = { address, bytes: this.blockBytes };
    return this.engine.store.blocks.getLater(firstId, count, areas);
  }

  cells(firstId: number, count: number): number {
    return this.engine.store.blocks.cells(firstId, count);
  }

  drop(): void {
    throw refused();
  }
}

/** No group ends here, so that pages are let go before each search. */
function readOnly(tree: () => Tree, trim: () => void): KeyValueTree {
  const refuse = () => {
    throw refused();
  };
  return {
    get: (key) => {
      trim();
      return tree().get(key);
    },
    put: refuse,
    delete: refuse,
    scan: (from, visit) => {
      trim();
      tree().scan(from, visit);
    },
    floor: (key, visit) => {
      trim();
      return tree().floor(key, visit);
    },
  };
}

function refused(): VaultError {
  return new VaultError("denied", "Cannot change a snapshot: it is read-only", { errno: "EROFS" });
}
