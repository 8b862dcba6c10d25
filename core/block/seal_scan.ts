import { DESCRIPTOR, DESCRIPTOR_BYTES } from "../crypto/kernel.ts";
import { isHole, viewOf } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { NODE_CELLS_MAX, NODE_HEADER_BYTES, NODE_MARKER, readNodeHeader } from "../format/node.ts";
import { ROOT_MARKER } from "../format/root_record.ts";
import { KIND } from "../format/seal_aad.ts";
import { CELL_BYTES, NONCE_BYTES } from "../limits.ts";
import type { DirectAccess } from "../storage/storage_backend.ts";
import { reserveDescriptors, type SealContext } from "./seal_context.ts";

/** Cells that are read and looked at together. */
const CHUNK_CELLS = 256;
/** What is decrypted of each cell: the header of a node, and so the marker and the sequence of a root record. */
const HEAD_BYTES = NODE_HEADER_BYTES;

/** The start of a cell's plaintext looks like one of these; whether it is, its tag says. */
export interface ScanVisitor {
  /** A root record. */
  root(cell: number, epoch: number): void;
  /** A node of any tree. */
  node(cell: number, epoch: number, head: ReturnType<typeof readNodeHeader>): void;
}

/**
 * Finds self-contained seals on a medium of which nothing is known but the keys: of each cell it makes the first block of
 * key stream for the nonce that would stand at its start, and looks for a marker in what that decrypts.
 */
export class SealScan {
  private readonly context: SealContext;
  private readonly chunk: number;
  private readonly descriptors: number;
  private readonly zeros: number;
  private readonly streams: number;

  /** Sets aside 1.1 MiB of kernel memory. */
  constructor(context: SealContext) {
    const { kernel } = context;
    this.context = context;
    this.chunk = kernel.reserve(CHUNK_CELLS * CELL_BYTES);
    this.descriptors = reserveDescriptors(kernel, CHUNK_CELLS);
    this.zeros = kernel.reserve(HEAD_BYTES);
    this.streams = kernel.reserve(CHUNK_CELLS * HEAD_BYTES);
  }

  /** Looks at the cells from `first` on, a chunk of them; returns the cell after it. What cannot be read is left out. */
  step(medium: DirectAccess, first: number, end: number, visitor: ScanVisitor): number {
    const cells = Math.min(CHUNK_CELLS, end - first);
    const { kernel } = this.context;
    const chunk = kernel.bytes.subarray(this.chunk, this.chunk + cells * CELL_BYTES);
    if (!this.read(medium, first, chunk) || isHole(chunk)) return first + cells;
    for (const epoch of this.context.keys.epochs()) {
      this.makeStreams(cells, this.context.keyFor(KIND.root, epoch));
      this.look(cells, (i, head) => {
        if (viewOf(head).getUint32(0, true) === ROOT_MARKER) visitor.root(first + i, epoch);
      });
      this.makeStreams(cells, this.context.keyFor(KIND.mapNode, epoch));
      this.look(cells, (i, head) => {
        const node = nodeHead(head);
        if (node !== null) visitor.node(first + i, epoch, node);
      });
    }
    return first + cells;
  }

  /** Cell by cell where all at once cannot be read: a bad sector hides one cell. */
  private read(medium: DirectAccess, first: number, into: Uint8Array): boolean {
    if (readable(medium, first, into)) return true;
    let some = false;
    for (let at = 0; at < into.length; at += CELL_BYTES) {
      const cell = into.subarray(at, at + CELL_BYTES);
      if (readable(medium, first + at / CELL_BYTES, cell)) some = true;
      else cell.fill(0);
    }
    return some;
  }

  /** Zeros, sealed under the nonce that stands in the cell, are its key stream. */
  private makeStreams(cells: number, key: number): void {
    const { kernel } = this.context;
    const { words, bytes } = kernel;
    for (let i = 0; i < cells; i++) {
      const at = this.descriptors + i * DESCRIPTOR_BYTES;
      words[(at + DESCRIPTOR.source) / 4] = this.zeros;
      words[(at + DESCRIPTOR.destination) / 4] = this.streams + i * HEAD_BYTES;
      words[(at + DESCRIPTOR.length) / 4] = HEAD_BYTES;
      words[(at + DESCRIPTOR.key) / 4] = key;
      words[(at + DESCRIPTOR.aadLength) / 4] = 0;
      const cell = this.chunk + i * CELL_BYTES;
      bytes.copyWithin(at + DESCRIPTOR.nonce, cell, cell + NONCE_BYTES);
    }
    kernel.sealMany(this.descriptors, cells);
  }

  private look(cells: number, visit: (index: number, head: Uint8Array) => void): void {
    const { words } = this.context.kernel;
    for (let i = 0; i < cells; i++) {
      const sealed = (this.chunk + i * CELL_BYTES + NONCE_BYTES) / 4;
      const stream = (this.streams + i * HEAD_BYTES) / 4;
      const marker = (words[sealed] ^ words[stream]) >>> 0;
      if (marker !== ROOT_MARKER && marker !== NODE_MARKER) continue;
      const head = new Uint8Array(HEAD_BYTES);
      for (let j = 0; j < HEAD_BYTES; j += 4) {
        viewOf(head).setUint32(j, words[sealed + j / 4] ^ words[stream + j / 4], true);
      }
      visit(i, head);
    }
  }

  /** Overwrites what it decrypted. */
  wipe(): void {
    this.context.kernel.wipe(this.chunk, CHUNK_CELLS * CELL_BYTES);
    this.context.kernel.wipe(this.streams, CHUNK_CELLS * HEAD_BYTES);
  }
}

function readable(medium: DirectAccess, cell: number, into: Uint8Array): boolean {
  try {
    medium.read(cell * CELL_BYTES, into);
    return true;
  } catch (error) {
    if (error instanceof VaultError) return false;
    throw error;
  }
}

function nodeHead(head: Uint8Array): ReturnType<typeof readNodeHeader> | null {
  try {
    const node = readNodeHeader(head);
    return node.cells <= NODE_CELLS_MAX ? node : null;
  } catch (error) {
    if (error instanceof VaultError) return null;
    throw error;
  }
}
