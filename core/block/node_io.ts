import { DESCRIPTOR_BYTES } from "../crypto/kernel.ts";
import { VaultError } from "../errors.ts";
import { checkNode, NODE_CELLS_MAX, NODE_SEAL_BYTES } from "../format/node.ts";
import type { Kind } from "../format/seal_aad.ts";
import { CELL_BYTES, NONCE_BYTES, TAG_BYTES } from "../limits.ts";
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
  readonly cell: number;
  /** Called when it is sealed and written; both views are valid during the call only. */
  done(nonce: Uint8Array, tag: Uint8Array): void;
}

/** Where a stored node lies and what opens it. */
export interface NodePlace {
  readonly kind: Kind;
  readonly id: number;
  readonly level: number;
  readonly epoch: number;
  readonly cell: number;
  readonly cells: number;
  readonly nonce: Uint8Array;
  readonly tag: Uint8Array;
}

/** Seals tree nodes into cells and opens them. Stored form: nonce | ciphertext | tag (FORMAT.md §6). */
export class NodeIo {
  private readonly context: SealContext;
  private readonly staging: number;
  private readonly descriptors: number;
  private readonly readDescriptor: number;
  private readonly readBuffer: number;
  private waiting: NodeWrite[] = [];

  constructor(context: SealContext) {
    this.context = context;
    this.staging = context.kernel.reserve(STAGING_NODES * STAGING_BYTES);
    this.descriptors = reserveDescriptors(context.kernel, STAGING_NODES);
    this.readDescriptor = reserveDescriptors(context.kernel, 1);
    this.readBuffer = context.kernel.reserve(STAGING_BYTES);
  }

  /** Queues a node. Its `done` is called by a later `write` or by `flush`. */
  write(node: NodeWrite): void {
    if (this.waiting.length === STAGING_NODES) this.flush();
    const index = this.waiting.length;
    const address = this.staging + index * STAGING_BYTES;
    const descriptor = this.descriptors + index * DESCRIPTOR_BYTES;
    const { kernel: { bytes }, lane, nonces, epoch } = this.context;
    const length = node.bytes.length;
    bytes.set(node.bytes, address + NONCE_BYTES);
    this.context.describe(descriptor, {
      ...node,
      epoch,
      length,
      address: address + NONCE_BYTES,
      sealedBytes: length,
    });
    nonces.take(this.context.nonceOf(descriptor), 0);
    this.waiting.push(node);
    // The tag is only known when the seal is done, so the stored copy of it is written by `finish`.
    const extent = { address, length: length + NODE_SEAL_BYTES, offset: node.cell * CELL_BYTES };
    bytes.set(this.context.nonceOf(descriptor), address);
    this.context.kernel.sealMany(descriptor, 1);
    bytes.set(this.context.tagOf(descriptor), address + NONCE_BYTES + length);
    lane.submit({ kind: "seal-and-write", descriptors: descriptor, count: 0, extents: [extent] });
  }

  /** Waits until every queued node is written. Throws what a write threw. */
  flush(): void {
    this.context.lane.settle();
    const done = this.waiting;
    this.waiting = [];
    done.forEach((node, index) => {
      const descriptor = this.descriptors + index * DESCRIPTOR_BYTES;
      node.done(this.context.nonceOf(descriptor), this.context.tagOf(descriptor));
    });
  }

  /** Opens a node: its plaintext, checked, in a new array. Throws `corrupt` where the tag is wrong. */
  read(place: NodePlace): Uint8Array<ArrayBuffer> {
    const bytes = this.open(place);
    checkNode(bytes);
    return bytes;
  }

  /** Opens any self-contained seal of up to four cells. */
  open(place: NodePlace): Uint8Array<ArrayBuffer> {
    const { kernel, lane } = this.context;
    const stored = place.cells * CELL_BYTES;
    const length = stored - NODE_SEAL_BYTES;
    const at = this.readDescriptor;
    const address = this.readBuffer + NONCE_BYTES;
    // Whoever has a key can write any length: more would run over the memory behind the buffer.
    if (place.cells < 1 || place.cells > NODE_CELLS_MAX) throw unreadable(place);
    if (!this.context.keys.has(place.epoch)) throw unreadable(place);
    this.context.describe(at, { ...place, length, address, sealedBytes: length });
    this.context.nonceOf(at).set(place.nonce);
    this.context.tagOf(at).set(place.tag);
    const extents = [{ address: this.readBuffer, length: stored, offset: place.cell * CELL_BYTES }];
    const bad = lane.read({ kind: "read-and-open", descriptors: at, count: 1, extents });
    const plaintext = kernel.bytes.slice(address, address + length);
    kernel.wipe(this.readBuffer, stored);
    if (bad !== 0) throw unreadable(place);
    return plaintext;
  }
}

function unreadable(place: NodePlace): VaultError {
  return new VaultError(
    "corrupt",
    `Cannot read tree node at cell ${place.cell}: authentication failed; run "check"`,
  );
}

/** The nonce and the tag that a stored node carries: what a scan without a map has to go by. */
export function storedSeal(stored: Uint8Array): { nonce: Uint8Array; tag: Uint8Array } {
  return {
    nonce: stored.subarray(0, NONCE_BYTES),
    tag: stored.subarray(stored.length - TAG_BYTES),
  };
}
