import { assert } from "../assert.ts";
import { VaultError } from "../errors.ts";
import { SEGMENT_BYTES } from "../limits.ts";
import type { DirectAccess, StorageBackend, StorageCapabilities } from "./storage_backend.ts";

/** In a {@linkcode SegmentMap}: this segment lies nowhere and is never touched. */
export const NOWHERE = -1;

/** For each segment of a mapped medium, the segment of the medium below that it lies in. */
export type SegmentMap = ArrayLike<number>;

/** A stretch inside one segment: where it lies below, and which bytes of the request it is. */
export interface MappedPart {
  /** Byte offset on the medium below. */
  readonly offset: number;
  /** Bytes of the request before this part. */
  readonly from: number;
  /** Bytes of the request up to the end of this part. */
  readonly to: number;
}

/** Cuts a request at the ends of segments. */
export function* mappedParts(
  map: SegmentMap,
  offset: number,
  length: number,
): Generator<MappedPart> {
  for (let from = 0; from < length;) {
    const at = offset + from;
    const segment = Math.floor(at / SEGMENT_BYTES);
    const inside = at % SEGMENT_BYTES;
    const to = Math.min(length, from + SEGMENT_BYTES - inside);
    assert(map[segment] !== NOWHERE, "reserved segments are not touched");
    yield { offset: map[segment] * SEGMENT_BYTES + inside, from, to };
    from = to;
  }
}

/**
 * A medium of fixed size made of some segments of another one. What lies in the others it never reads or writes, and
 * nothing it does makes the medium below longer, shorter or sparse.
 */
export class MappedMedium implements StorageBackend {
  readonly name: string;
  readonly supportsSparse = false;
  readonly capabilities: StorageCapabilities;
  readonly direct?: DirectAccess;
  /** The medium that it is made of. */
  readonly base: StorageBackend;
  private readonly map: SegmentMap;

  /** Segment i of it is segment `map[i]` of `base`. Closing it closes `base`. */
  constructor(base: StorageBackend, map: SegmentMap) {
    this.base = base;
    this.map = map;
    this.name = base.name;
    this.capabilities = { ...base.capabilities, resize: false, discard: false };
    if (base.direct !== undefined) this.direct = this.directOver(base.direct);
  }

  private directOver(below: DirectAccess): DirectAccess {
    return {
      read: (offset, into) => {
        for (const part of this.parts(offset, into.length)) {
          below.read(part.offset, into.subarray(part.from, part.to));
        }
      },
      write: (offset, bytes) => {
        for (const part of this.parts(offset, bytes.length)) {
          below.write(part.offset, bytes.subarray(part.from, part.to));
        }
      },
      size: () => this.bytes,
      sync: () => below.sync(),
      syncLater: below.syncLater && (() => below.syncLater!()),
      truncate: (size) => this.checkSize(size),
      discard: () => {},
    };
  }

  private get bytes(): number {
    return this.map.length * SEGMENT_BYTES;
  }

  private parts(offset: number, length: number): Generator<MappedPart> {
    if (offset >= 0 && offset + length <= this.bytes) return mappedParts(this.map, offset, length);
    throw new VaultError(
      "invalid",
      `Cannot use ${offset}+${length} of "${this.name}": it has ${this.bytes} bytes`,
    );
  }

  private checkSize(size: number): void {
    if (size === this.bytes) return;
    throw new VaultError("invalid", `Cannot resize "${this.name}": its size is fixed`, {
      operation: "resize",
    });
  }

  /** See {@linkcode StorageBackend.read}. */
  async read(offset: number, size: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(size);
    for (const part of this.parts(offset, size)) {
      bytes.set(await this.base.read(part.offset, part.to - part.from), part.from);
    }
    return bytes;
  }

  /** See {@linkcode StorageBackend.write}. */
  async write(offset: number, data: Uint8Array): Promise<void> {
    for (const part of this.parts(offset, data.length)) {
      await this.base.write(part.offset, data.subarray(part.from, part.to));
    }
  }

  /** See {@linkcode StorageBackend.size}. */
  size(): Promise<number> {
    return Promise.resolve(this.bytes);
  }

  /** See {@linkcode StorageBackend.sync}. */
  sync(): Promise<void> {
    return this.base.sync();
  }

  /** Refuses every size but its own. */
  // deno-lint-ignore require-await
  async truncate(size: number): Promise<void> {
    this.checkSize(size);
  }

  /** Nothing is given back: holes would show. */
  discard(): Promise<void> {
    return Promise.resolve();
  }

  /** See {@linkcode StorageBackend.close}. */
  close(): Promise<void> {
    return this.base.close();
  }
}
