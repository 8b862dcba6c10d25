import type { VolumeProperties } from "./volume_properties.ts";

/** A volume as it is listed. */
export interface VolumeStatus extends Required<VolumeProperties> {
  /** Its name. */
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly created: number;
  /** Bytes of the blocks that its head refers to. */
  readonly referencedBytes: number;
  /** Files, directories and all else, the root among them. */
  readonly inodes: number;
}

/** A snapshot as it is listed. */
export interface SnapshotStatus {
  /** Empty for one of the undo history. */
  readonly name: string;
  /** Names it among all snapshots of the vault; later ones are higher. */
  readonly sequence: number;
  /** Milliseconds since 1970. */
  readonly time: number;
  /** True where it was not made by hand. */
  readonly history: boolean;
  /** Bytes of the blocks that it refers to. */
  readonly referencedBytes: number;
  /** Of these, what deleting it would free; nothing while clones were made from it. */
  readonly ownBytes: number;
  /** Of these, what others refer to as well. */
  readonly sharedBytes: number;
}

/** A snapshot of a volume: by its name, or by its sequence. */
export type SnapshotName = string | number;

/** What becomes of the head that a rollback replaces: a snapshot of the undo history, or nothing. */
export type OldHead = "keep" | "destroy";
