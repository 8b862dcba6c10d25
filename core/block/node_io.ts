import { DESCRIPTOR_BYTES } from "../crypto/kernel.ts";
import { VaultError } from "../errors.ts";
import { checkNode, NODE_CELLS_MAX, NODE_SEAL_BYTES } from "../format/node.ts";
import type { Kind } from "../format/seal_aad.ts";
import type { SealedPlace } from "../format/place.ts";
import { CELL_BYTES, NONCE_BYTES, TAG_BYTES } from "../limits.ts";
import { readsWell } from "./lane.ts";
import { reserveDescriptors, type SealContext } from "./seal_context.ts";

/** Nodes that can be on their way to the medium at once. */
const STAGING_NODES = 64;
const STAGING_BYTES = NODE_CELLS_MAX * CELL_BYTES;

/** A node, or another self-contained seal, and where it goes. */
export interface NodeWrite {
  readonly kind: Kind;
  readonly id: number;
  readonly level: number;
  /** Plaintext: whole cells less {@linkcode NODE_SEAL_BYTES}. Copied at once. */
  readonly bytes: Uint8Array;
  /** First cell of each copy. */
  readonly cells: readonly number[];
  /** Called when it is sealed and written. */
  done(copies: SealedPlace[]): void;
}

/** Where the copies of a stored node lie and what opens them. */
export interface NodePlace {
  readonly kind: Kind;
  readonly id: number;
  readonly level: number;
  readonly epoch: number;
  /** Cells of each copy. */
  readonly cells: number;
  readonly copies: readonly SealedPlace[];
}

/** A node's plaintext, and how many of its copies did not open before one did, although their members are there. */
export interface OpenedNode {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly bad: number;
}

/** Seals tree nodes into cells and opens them. Stored form: nonce | ciphertext | tag (FORMAT.md §6). */
export class NodeIo {
  private readonly context: SealContext;
  private readonly staging: number;
  private readonly descriptors: number;
  private readonly readDescriptor: number;
  private readonly readBuffer: number;
  private waiting: NodeWrite[] = [];
  /** Nodes that were given to it. */
  begun = 0;
  /** Copies of what waits: each has a place in the staging area. */
  private staged = 0;

  constructor(context: SealContext) {
    this.context = context;
    this.staging = context.kernel.reserve(STAGING_NODES * STAGING_BYTES);
    this.descriptors = reserveDescriptors(context.kernel, STAGING_NODES);
    this.readDescriptor = reserveDescriptors(context.kernel, 1);
    this.readBuffer = context.kernel.reserve(STAGING_BYTES);
  }

  /** Queues a node. Its `done` is called by a later `write` or by `flush`. */
  write(node: NodeWrite): void {
    this.begun++;
    if (this.staged + node.cells.length > STAGING_NODES) this.flush();
    for (const cell of node.cells) this.writeCopy(node, cell);
    this.waiting.push(node);
  }

  private writeCopy(node: NodeWrite, cell: number): void {
    const index = this.staged++;
    const address = this.staging + index * STAGING_BYTES;
    const descriptor = this.descriptors + index * DESCRIPTOR_BYTES;
    const { kernel: { bytes }, lane, nonces, epoch } = this.context;
    const { kind, id, level, bytes: { length } } = node;
    bytes.set(node.bytes, address + NONCE_BYTES);
    const sealed = { address: address + NONCE_BYTES, sealedBytes: length };
    this.context.describe(descriptor, { kind, id, level, epoch, length, ...sealed });
    nonces.take(this.context.nonceOf(descriptor), 0);
    bytes.set(this.context.nonceOf(descriptor), address);
    this.context.kernel.sealMany(descriptor, 1);
    bytes.set(this.context.tagOf(descriptor), address + NONCE_BYTES + length);
    const extent = { address, length: length + NODE_SEAL_BYTES, offset: cell * CELL_BYTES };
    lane.submit({ kind: "seal-and-write", descriptors: descriptor, count: 0, extents: [extent] });
  }

  /** Waits until every queued node is written. Throws what a write threw. */
  flush(): void {
    this.context.lane.settle();
    const done = this.waiting;
    this.waiting = [];
    this.staged = 0;
    let index = 0;
    for (const node of done) {
      node.done(node.cells.map((cell) => {
        const descriptor = this.descriptors + index++ * DESCRIPTOR_BYTES;
        const { context } = this;
        const [nonce, tag] = [context.nonceOf(descriptor), context.tagOf(descriptor)];
        return { cell, nonce: nonce.slice(), tag: tag.slice() };
      }));
    }
  }

  /** Opens a node: its plaintext, checked, in a new array, from the first copy that opens; `corrupt` where none does. */
  read(place: NodePlace): OpenedNode {
    const opened = this.open(place);
    checkNode(opened.bytes);
    return opened;
  }

  /** Opens any self-contained seal of up to four cells. */
  open(place: NodePlace): OpenedNode {
    this.check(place);
    let bad = 0;
    for (let i = 0; i < place.copies.length; i++) {
      const bytes = this.openCopy(place, i);
      if (bytes !== null) return { bytes, bad };
      if (!this.context.isAway(place.copies[i].cell)) bad++;
    }
    throw unreadable(place);
  }

  /** Opens every copy: how many do not open although their members are there. Throws `corrupt` where none does. */
  badCopies(place: NodePlace): number {
    this.check(place);
    const { isAway } = this.context;
    const away = place.copies.filter(({ cell }) => isAway(cell)).length;
    let bad = 0;
    for (let i = 0; i < place.copies.length; i++) if (this.openCopy(place, i) === null) bad++;
    if (bad === place.copies.length) throw unreadable(place);
    return bad - away;
  }

  private check({ cells, epoch, copies }: NodePlace): void {
    // Whoever has a key can write any length: more would run over the memory behind the buffer.
    if (cells < 1 || cells > NODE_CELLS_MAX) throw unreadable({ copies });
    if (!this.context.keys.has(epoch)) throw unreadable({ copies });
  }

  private openCopy(place: NodePlace, index: number): Uint8Array<ArrayBuffer> | null {
    const { kernel } = this.context;
    const stored = place.cells * CELL_BYTES;
    const length = stored - NODE_SEAL_BYTES;
    const at = this.readDescriptor;
    const address = this.readBuffer + NONCE_BYTES;
    const { cell, nonce, tag } = place.copies[index];
    this.context.describe(at, { ...place, length, address, sealedBytes: length });
    this.context.nonceOf(at).set(nonce);
    this.context.tagOf(at).set(tag);
    const extents = [{ address: this.readBuffer, length: stored, offset: cell * CELL_BYTES }];
    const job = { kind: "read-and-open", descriptors: at, count: 1, extents } as const;
    // What cannot be read is like what does not open, as long as there is another copy.
    const opens = place.copies.length === 1
      ? this.context.lane.read(job) === 0
      : readsWell(this.context.lane, job);
    const plaintext = opens ? kernel.bytes.slice(address, address + length) : null;
    kernel.wipe(this.readBuffer, stored);
    return plaintext;
  }
}

function unreadable({ copies: [{ cell }] }: Pick<NodePlace, "copies">): VaultError {
  return new VaultError(
    "corrupt",
    `Cannot read tree node at cell ${cell}: authentication failed; run "check"`,
  );
}

/** The nonce and the tag that a stored node carries: what a scan without a map has to go by. */
export function storedSeal(stored: Uint8Array): { nonce: Uint8Array; tag: Uint8Array } {
  return {
    nonce: stored.subarray(0, NONCE_BYTES),
    tag: stored.subarray(stored.length - TAG_BYTES),
  };
}
