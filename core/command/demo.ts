import { wipe } from "../bytes.ts";
import { CELL_BYTES, MIB } from "../limits.ts";
import { createVault, type Vault } from "../vault/vault.ts";
import { CELL_NAMES, cellMap } from "./cell_map.ts";
import type { Host } from "./host.ts";
import { ByteCounts, type Randomness, randomnessOf } from "./randomness.ts";
import { formatSize } from "./sizes.ts";
import { picture } from "./terminal/picture.ts";
import { columns, type Style } from "./terminal/colours.ts";
import { progressOn } from "./terminal/progress.ts";

const FILES = 60;
const TEXT = "The quick brown fox jumps over the lazy dog, and nobody without the key can tell. ";
/** Bytes that `--json` shows of the medium. */
const SAMPLE_BYTES = 32;

/** A medium, with the key and without it. */
export interface DemoReport {
  readonly mediumBytes: number;
  /** Cells of 4 KiB by what they hold: what the key shows. */
  readonly cells: Readonly<Record<string, number>>;
  readonly files: readonly { readonly path: string; readonly bytes: number }[];
  /** The bytes of the files, as they were written. */
  readonly plaintext: Randomness;
  /** The bytes of the medium: what everybody sees. */
  readonly medium: Randomness;
  /** The medium's first bytes. */
  readonly firstBytes: string;
}

/** The report, with what a terminal draws. */
export interface DemoPicture extends DemoReport {
  /** What each cell holds; not in JSON. */
  readonly map: () => Uint8Array;
  /** The first byte of each cell; not in JSON. */
  readonly raw: () => Uint8Array;
}

/** Makes a dense vault in memory, stores files in it, and looks at the medium from both sides. */
export async function demo(host: Host, sizeBytes: number): Promise<DemoPicture> {
  const parts = await host.openParts("memory:", { access: "create", cryptoLane: "wasm" });
  const passphrase = new Uint8Array(16);
  host.runtime.random(passphrase);
  const bar = progressOn(host.err, host.runtime);
  try {
    const progress = (done: number, total: number) => bar.show(done, total, "noise");
    const secret = { passphrase };
    await using vault = await createVault(parts, { secret, dense: true, sizeBytes, progress });
    const counts = new ByteCounts();
    const files = await store(vault, sizeBytes / 4, counts);
    await vault.commit();
    await bar.clear();
    return await look(vault, files, counts);
  } finally {
    wipe(passphrase);
    await bar.clear();
    await parts.closeParts();
  }
}

/** Files as people have them: text, tables, zeros; all of it easy to tell from noise. */
async function store(
  { files }: Vault,
  bytesMax: number,
  counts: ByteCounts,
): Promise<{ path: string; bytes: number }[]> {
  const made: { path: string; bytes: number }[] = [];
  await files.makeDirectory("/letters");
  const average = Math.floor(bytesMax / FILES);
  for (let i = 0; i < FILES; i++) {
    const length = Math.max(100, Math.floor(average * (0.2 + (i % 9) / 5)));
    const text = `Letter ${i}. ${TEXT}`;
    const bytes = new TextEncoder().encode(text.repeat(Math.ceil(length / text.length)));
    const path = `/letters/${i}.txt`;
    await files.writeFile(path, bytes);
    counts.add(bytes);
    made.push({ path, bytes: bytes.length });
  }
  return made;
}

async function look(
  vault: Vault,
  files: DemoReport["files"],
  counts: ByteCounts,
): Promise<DemoPicture> {
  const map = cellMap(vault);
  const { medium } = vault;
  const mediumBytes = await medium.size();
  const raw = new Uint8Array(Math.floor(mediumBytes / CELL_BYTES));
  const mediumCounts = new ByteCounts();
  for (let at = 0; at < mediumBytes; at += MIB) {
    const chunk = await medium.read(at, Math.min(MIB, mediumBytes - at));
    mediumCounts.add(chunk);
    for (let i = 0; i < chunk.length; i += CELL_BYTES) raw[(at + i) / CELL_BYTES] = chunk[i];
  }
  const cells: Record<string, number> = {};
  CELL_NAMES.forEach((name, kind) => cells[name] = map.filter((cell) => cell === kind).length);
  const first = await medium.read(0, SAMPLE_BYTES);
  return {
    mediumBytes,
    cells,
    files,
    plaintext: randomnessOf(counts),
    medium: randomnessOf(mediumCounts),
    firstBytes: Array.from(first, (byte) => byte.toString(16).padStart(2, "0")).join(""),
    map: () => map,
    raw: () => raw,
  };
}

/** For people: two pictures of the same medium, and what can be measured. */
export function demoText(report: DemoPicture, style: Style, width: number): string {
  const { map, raw, cells, plaintext, medium, files, mediumBytes } = report;
  const shown = picture({ map: map(), raw: raw(), width, style });
  const legend = CELL_NAMES.map((name, kind) => `${shown.sample(kind)} ${name} ${cells[name]}`)
    .join("  ");
  const rows = [plaintext, medium].map((counted, i) => [
    i === 0 ? "the files" : "the medium",
    `${counted.entropyBits.toFixed(6)} bits per byte`,
    `chi-square ${Math.round(counted.chiSquare)}`,
    `p = ${counted.p < 1e-6 ? "0.000000" : counted.p.toFixed(6)}`,
    counted.verdict,
  ]);
  return `${style.bold("One medium")} of ${
    formatSize(mediumBytes)
  } with ${files.length} files.\n\n` +
    `${shown.text}\n${legend}\n\n${columns(rows, [1, 2])}` +
    "chi-square of random bytes is near 255, the number of values less one\n";
}
