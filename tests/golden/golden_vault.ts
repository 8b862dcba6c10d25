/** The golden vault: how it is packed, what it holds, how it is opened. */
import { SparseBytes } from "../../backends/memory/sparse_bytes.ts";
import { MemoryStorage } from "../../backends/memory/store.ts";
import type { Compression } from "../../core/format/catalog_record.ts";
import type { Redundancy } from "../../core/format/redundancy.ts";
import { CELL_BYTES, MIB } from "../../core/limits.ts";
import { openVault, type Vault } from "../../core/vault/vault.ts";
import { ArenaKernel } from "../support/arena_kernel.ts";
import { FakeRuntime } from "../support/fake_runtime.ts";
import { FAST_KDF, text } from "../support/header_world.ts";

/** No secret: the vault holds nothing. */
export const GOLDEN_PASSPHRASE = "golden vault";
/** A vault of each kind, and where it is kept. */
export const GOLDEN_VAULTS: readonly GoldenVault[] = [
  { name: "1+0", file: goldenFile("provisional"), redundancy: { k: 1, m: 0 } },
  { name: "2+1", file: goldenFile("provisional-2+1"), redundancy: { k: 2, m: 1 } },
];
/** The snapshot of the first of them, sealed under its key. */
export const GOLDEN_STREAM = new URL("./provisional.stream", import.meta.url);
/** A vault that is kept for ever once its format is released. */
export interface GoldenVault {
  readonly name: string;
  readonly file: URL;
  readonly redundancy: Redundancy;
}

function goldenFile(name: string): URL {
  return new URL(`./${name}.vault.gz`, import.meta.url);
}

/** What a file of the golden vault holds. */
interface GoldenFile {
  readonly length: number;
  /** The byte that fills it. */
  readonly fill: number;
  /** Of the volume when it was written; none unless given. */
  readonly compression?: Compression;
}

/** By path. */
export const GOLDEN_FILES: Readonly<Record<string, GoldenFile>> = {
  "inline": { length: 300, fill: 1 },
  "one cell": { length: 4000, fill: 2 },
  "blocks": { length: 21_000, fill: 3 },
  "empty": { length: 0, fill: 0 },
  "packed": { length: 40_000, fill: 5, compression: "zstd" },
};
/** Locked files, whose snapshot is locked too. */
export const GOLDEN_LOCKED: Readonly<Record<string, { length: number; fill: number }>> = {
  "locked inline": { length: 200, fill: 5 },
  "locked blocks": { length: 30_000, fill: 6 },
};
/** What opens them. */
export const GOLDEN_LOCK_PASSPHRASE = "golden lock";
/** A file that only the snapshot and its clone have. */
export const GOLDEN_OLD_FILE = { name: "old", length: 9000, fill: 4 };
/** Of the first volume. */
export const GOLDEN_SNAPSHOT = "kept";
/** A volume made from it. */
export const GOLDEN_CLONE = "copy";
/** One kernel for every opening, taken back before each. */
export const goldenArena = new ArenaKernel(40 * MIB);

/** Packs the cells that hold something: length u48 be, then cell number u32 be and content of each; gzip. */
export async function pack(content: SparseBytes, cells: readonly number[]): Promise<Uint8Array> {
  const bytes = new Uint8Array(8 + cells.length * (4 + CELL_BYTES));
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(content.length));
  cells.forEach((cell, i) => {
    const at = 8 + i * (4 + CELL_BYTES);
    view.setUint32(at, cell);
    content.read(cell * CELL_BYTES, bytes.subarray(at + 4, at + 4 + CELL_BYTES));
  });
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Unpacks what {@linkcode pack} packed. */
export async function unpack(packed: Uint8Array<ArrayBuffer>): Promise<SparseBytes> {
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const view = new DataView(bytes.buffer);
  const content = new SparseBytes(CELL_BYTES);
  content.truncate(Number(view.getBigUint64(0)));
  for (let at = 8; at < bytes.length; at += 4 + CELL_BYTES) {
    content.write(view.getUint32(at) * CELL_BYTES, bytes.subarray(at + 4, at + 4 + CELL_BYTES));
  }
  return content;
}

/** Opens a copy of the vault, for reading unless said. */
export function openGolden(
  content: SparseBytes,
  passphrase = GOLDEN_PASSPHRASE,
  readOnly = true,
): Promise<Vault> {
  goldenArena.reset();
  const medium = new MemoryStorage({ content: content.fork(), readOnly });
  const parts = { medium, kernel: goldenArena, runtime: new FakeRuntime(3) };
  return openVault(parts, {
    secret: { passphrase: text(passphrase) },
    profiles: [FAST_KDF],
    readOnly,
  });
}
