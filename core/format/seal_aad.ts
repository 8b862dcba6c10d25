import { viewOf } from "../bytes.ts";
import { setU64 } from "../bytes.ts";

/** FORMAT.md §4: what is sealed. Part of the AAD, so that no record passes for one of another kind. */
export const KIND = {
  data: 1,
  volumeNode: 2,
  mapNode: 3,
  spaceNode: 4,
  root: 5,
  superblock: 6,
  log: 7,
  catalogNode: 8,
} as const;
export type Kind = typeof KIND[keyof typeof KIND];

/** FORMAT.md §4: bytes of the AAD of every seal. */
export const AAD_BYTES = 40;

/** The fields of an AAD, in their order on the medium. */
export interface SealFields {
  /** 16 bytes: the vault that sealed this. */
  readonly vaultId: Uint8Array;
  /** Block id; 0 for records that have none; a log record's sequence number. */
  readonly id: number;
  readonly kind: Kind;
  readonly level: number;
  readonly codec: number;
  readonly shard: number;
  readonly epoch: number;
  /** Bytes of the content, before it is compressed and padded. */
  readonly length: number;
  /** Of a compressed block its compressed bytes; else 0. */
  readonly compressed: number;
}

/** Writes the AAD at `at`. */
export function writeAad(bytes: Uint8Array, at: number, fields: SealFields): void {
  const view = viewOf(bytes);
  bytes.set(fields.vaultId, at);
  setU64(view, at + 16, fields.id);
  bytes[at + 24] = fields.kind;
  bytes[at + 25] = fields.level;
  bytes[at + 26] = fields.codec;
  bytes[at + 27] = fields.shard;
  view.setUint32(at + 28, fields.epoch, true);
  view.setUint32(at + 32, fields.length, true);
  view.setUint32(at + 36, fields.compressed, true);
}
