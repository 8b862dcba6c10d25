import { InlineLane } from "../block/lane.ts";
import { MediumInspector } from "../block/medium_inspector.ts";
import { NodeIo } from "../block/node_io.ts";
import { type FoundRoot, RootFinder } from "../block/root_finder.ts";
import { SealContext } from "../block/seal_context.ts";
import { SealScan } from "../block/seal_scan.ts";
import { KeyRing } from "../crypto/key_ring.ts";
import { ObjectSeal } from "../crypto/object_seal.ts";
import { currentEpoch, type VaultKeys } from "../crypto/vault_keys.ts";
import { VaultError } from "../errors.ts";
import { CELL_BYTES, MEMBER_CELLS } from "../limits.ts";
import type { DirectAccess } from "../storage/storage_backend.ts";
import { FoundNodes } from "./found_nodes.ts";
import type { VaultParts } from "./vault.ts";

/** Roots that are tried, the newest first. */
const ROOTS_MAX = 32;

/** Where a root record may begin. */
interface RootPlace {
  readonly sequence: number;
  readonly cell: number;
  readonly epoch: number;
}

/** A root, with every copy of its record that opens. */
export interface FoundRootCopies {
  readonly root: FoundRoot;
  readonly copies: readonly FoundRoot[];
}

/** A medium without header and superblocks, to be read with keys from elsewhere. Nothing is ever written to it. */
export class BrokenMedium {
  readonly context: SealContext;
  readonly direct: DirectAccess;
  readonly nodes: NodeIo;
  readonly inspector: MediumInspector;
  readonly found: FoundNodes = new FoundNodes();
  readonly #keyRing: KeyRing;
  readonly #scan: SealScan;
  readonly #finder: RootFinder;
  readonly #roots: RootPlace[] = [];

  /** The keys may be wiped afterwards. */
  constructor({ medium, kernel, runtime }: VaultParts, keys: VaultKeys) {
    medium.unlock?.(new ObjectSeal(kernel, runtime, keys.layoutKey), "open");
    const { direct } = medium;
    if (direct === undefined) {
      throw new VaultError(
        "invalid",
        `Cannot use medium "${medium.name}": it has no direct access; use a file or memory`,
      );
    }
    this.direct = direct;
    this.#keyRing = new KeyRing(kernel);
    for (const { epoch, masterKey } of keys.epochs) this.#keyRing.addEpoch(epoch, masterKey);
    this.context = new SealContext({
      kernel,
      keys: this.#keyRing,
      lane: new InlineLane(kernel, direct),
      runtime,
      vaultId: keys.vaultId.slice(),
      epoch: currentEpoch(keys).epoch,
      isAway: (cell) => cell >= MEMBER_CELLS,
    });
    this.nodes = new NodeIo(this.context);
    this.inspector = new MediumInspector(this.context, this.nodes);
    this.#scan = new SealScan(this.context);
    this.#finder = new RootFinder(this.context, direct);
  }

  /** Whole cells of the medium. */
  get cells(): number {
    return Math.floor(this.direct.size() / CELL_BYTES);
  }

  /** Looks at every cell; yields the cells done, so that others get a turn. */
  *scan(): Generator<number> {
    for (let cell = 0; cell < this.cells;) {
      cell = this.#scan.step(this.direct, cell, this.cells, {
        root: (at, epoch) => {
          const sequence = this.#finder.sequenceAt(at, epoch);
          if (!Number.isNaN(sequence)) this.#roots.push({ sequence, cell: at, epoch });
        },
        node: (at, epoch, head) => this.found.add(at, epoch, head),
      });
      yield cell;
    }
  }

  /** The roots that open, the newest first. */
  *roots(): Generator<FoundRootCopies> {
    this.#roots.sort((a, b) => b.sequence - a.sequence);
    let tried = 0;
    for (let i = 0; i < this.#roots.length && tried < ROOTS_MAX;) {
      const { sequence } = this.#roots[i];
      const copies: FoundRoot[] = [];
      for (; i < this.#roots.length && this.#roots[i].sequence === sequence; i++) {
        const copy = this.#finder.at(this.#roots[i].cell, this.#roots[i].epoch);
        if (copy?.record.sequence === sequence) copies.push(copy);
      }
      if (copies.length === 0) continue;
      tried++;
      yield { root: copies[0], copies };
    }
  }

  /** Overwrites the keys, and what was decrypted. */
  wipe(): void {
    this.#scan.wipe();
    this.#keyRing.wipe();
  }
}
