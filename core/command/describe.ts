import { CELL_BYTES, SEGMENT_BYTES } from "../limits.ts";
import { currentEpoch } from "../crypto/vault_keys.ts";
import type { Vault } from "../vault/vault.ts";

/** What `info` says about an open vault. */
export interface VaultDescription {
  readonly medium: string;
  /** Bytes from the start to the end of the medium. */
  readonly mediumBytes: number;
  /** Bytes that files can take in all, and those that are free. */
  readonly totalBytes: number;
  readonly freeBytes: number;
  readonly blockBytes: number;
  readonly segments: number;
  readonly segmentsMax: number;
  readonly files: number;
  /** The root in force. */
  readonly sequence: number;
  readonly epoch: number;
  readonly readOnly: boolean;
  /** Transactions that opening took over from the intent log. */
  readonly replayed: number;
  /** Newer roots that did not open. */
  readonly skippedRoots: readonly number[];
}

/** Describes an open vault. */
export async function describeVault(vault: Vault): Promise<VaultDescription> {
  const { volume, replayed, skippedRoots } = vault.opened;
  const { totalCells, freeCells } = volume.space();
  const { files, freeFiles } = vault.fileSystem.statfs();
  return {
    medium: vault.medium.name,
    mediumBytes: await vault.medium.size(),
    totalBytes: totalCells * CELL_BYTES,
    freeBytes: freeCells * CELL_BYTES,
    blockBytes: volume.blockBytes,
    segments: Math.floor(await vault.medium.size() / SEGMENT_BYTES),
    segmentsMax: volume.store.space.segmentsMax,
    files: files - freeFiles,
    sequence: volume.store.sequence,
    epoch: currentEpoch(vault.header.keys).epoch,
    readOnly: vault.readOnly,
    replayed,
    skippedRoots,
  };
}
