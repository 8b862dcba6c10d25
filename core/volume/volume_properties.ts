import { VaultError } from "../errors.ts";
import {
  ACCESS_TIMES,
  type AccessTimes,
  type Compression,
  COMPRESSIONS,
} from "../format/catalog_record.ts";

/** What a volume can be told. */
export interface VolumeProperties {
  /** Bytes of a full data block, a power of two from 4 KiB to 1 MiB: given when a volume is made; the vault's unless given. */
  readonly blockBytes?: number;
  /** Bytes that its head may take; 0: no limit. */
  readonly quotaBytes?: number;
  /** Inodes that it may have (files, directories and all else, the root among them); 0: no limit. */
  readonly quotaFiles?: number;
  /** Nothing in it may be changed. */
  readonly readOnly?: boolean;
  /** When reading a file notes the time. */
  readonly accessTimes?: AccessTimes;
  /** Whether what is written from now on is compressed. */
  readonly compression?: Compression;
  /** How far back its undo history reaches while it is mounted; 0: it has none. An hour unless said. */
  readonly historySeconds?: number;
  /** Percent of the vault's space that the undo history may take: 10 unless said. */
  readonly historyPercent?: number;
}

/** 136 years. */
const HISTORY_SECONDS_MAX = 2 ** 32 - 1;

/** Of a volume that was told nothing. */
export const DEFAULT_PROPERTIES: Required<Omit<VolumeProperties, "blockBytes">> = {
  quotaBytes: 0,
  quotaFiles: 0,
  readOnly: false,
  accessTimes: "relatime",
  compression: "none",
  historySeconds: 3600,
  historyPercent: 10,
};

/** What is said of the properties of a volume, but for the size of its blocks. */
export function checkedProperties(
  name: string,
  properties: VolumeProperties,
): Omit<VolumeProperties, "blockBytes"> {
  const { quotaBytes = 0, readOnly = false, accessTimes = "relatime" } = properties;
  const { compression = "none", quotaFiles = 0 } = properties;
  if (!Number.isSafeInteger(quotaBytes) || quotaBytes < 0) {
    throw unfit(name, "want a quota that is a whole number of bytes, 0 for none");
  }
  if (!Number.isSafeInteger(quotaFiles) || quotaFiles < 0) {
    throw unfit(name, "want a quota that is a whole number of files, 0 for none");
  }
  if (typeof readOnly !== "boolean") throw unfit(name, 'want "readOnly" true or false');
  if (!ACCESS_TIMES.includes(accessTimes)) {
    throw unfit(name, `want access times ${ACCESS_TIMES.join(" or ")}`);
  }
  if (!COMPRESSIONS.includes(compression)) {
    throw unfit(name, `want compression ${COMPRESSIONS.join(" or ")}`);
  }
  checkHistory(name, properties);
  const given = Object.entries(properties).filter(([property, value]) =>
    property in DEFAULT_PROPERTIES && value !== undefined
  );
  return Object.fromEntries(given);
}

/** Refuses another size of blocks than a volume has. */
export function checkBlocksStay(
  { name, blockBytes }: { readonly name: string; readonly blockBytes: number },
  { blockBytes: wanted = blockBytes }: VolumeProperties,
): void {
  if (wanted === blockBytes) return;
  throw unfit(name, `want blocks of ${blockBytes} bytes, as it has, or make another volume`);
}

function checkHistory(
  name: string,
  { historySeconds = 0, historyPercent = 0 }: VolumeProperties,
): void {
  if (!Number.isInteger(historySeconds) || historySeconds < 0) {
    throw unfit(name, "want a whole number of seconds of history, 0 for none");
  }
  if (historySeconds > HISTORY_SECONDS_MAX) {
    throw unfit(name, `want ${HISTORY_SECONDS_MAX} seconds of history or fewer`);
  }
  if (!Number.isInteger(historyPercent) || historyPercent < 0 || historyPercent > 100) {
    throw unfit(name, "want 0 to 100 percent of space for its history");
  }
}

function unfit(name: string, wish: string): VaultError {
  return new VaultError("invalid", `Cannot set properties of volume "${name}": ${wish}`);
}
