/**
 * Makes the golden vaults anew, after a change of the provisional format: `deno run -A tests/golden/make.ts`. A
 * released format's vault is never made again: it stays readable.
 */
import { MemoryStorage } from "../../backends/memory/store.ts";
import { SparseBytes } from "../../backends/memory/sparse_bytes.ts";
import type { Redundancy } from "../../core/format/redundancy.ts";
import { CELL_BYTES, MIB } from "../../core/limits.ts";
import { checkVault } from "../../core/vault/check.ts";
import { createVault } from "../../core/vault/vault.ts";
import { MAIN_VOLUME } from "../../core/volume/volumes.ts";
import { bytesOf } from "../support/cut_stream.ts";
import { FakeRuntime } from "../support/fake_runtime.ts";
import { FileActions } from "../support/file_actions.ts";
import { FAST_KDF, text } from "../support/header_world.ts";
import { named } from "../support/open_memory_volume.ts";
import {
  GOLDEN_CLONE,
  GOLDEN_FILES,
  GOLDEN_LOCK_PASSPHRASE,
  GOLDEN_LOCKED,
  GOLDEN_OLD_FILE,
  GOLDEN_PASSPHRASE,
  GOLDEN_SNAPSHOT,
  GOLDEN_STREAM,
  GOLDEN_VAULTS,
  goldenArena,
  openGolden,
  pack,
} from "./golden_vault.ts";

interface Made {
  readonly content: SparseBytes;
  /** Of the snapshot, before files in it are locked. */
  readonly stream: Uint8Array;
}

async function make(redundancy: Redundancy): Promise<Made> {
  goldenArena.reset();
  const content = new SparseBytes(CELL_BYTES);
  const medium = new MemoryStorage({ content });
  const parts = { medium, kernel: goldenArena, runtime: new FakeRuntime(5) };
  const vault = await createVault(parts, {
    secret: { passphrase: text(GOLDEN_PASSPHRASE) },
    kdf: FAST_KDF,
    sizeBytes: 24 * MIB,
    label: "golden",
    redundancy,
  });
  const actions = new FileActions(vault.fileSystem, goldenArena);
  const old = actions.create(GOLDEN_OLD_FILE.name);
  actions.write(old, 0, new Uint8Array(GOLDEN_OLD_FILE.length).fill(GOLDEN_OLD_FILE.fill));
  const lockedFiles = Object.entries(GOLDEN_LOCKED);
  for (const [name, { length, fill }] of lockedFiles) {
    await vault.files.writeFile(name, new Uint8Array(length).fill(fill));
  }
  vault.opened.volumes.snapshot(MAIN_VOLUME, GOLDEN_SNAPSHOT);
  const stream = await bytesOf(vault.streams.send(MAIN_VOLUME, GOLDEN_SNAPSHOT));
  vault.opened.volumes.clone(MAIN_VOLUME, GOLDEN_SNAPSHOT, GOLDEN_CLONE);
  vault.fileSystem.unlink(1, named(GOLDEN_OLD_FILE.name));
  for (const [name, { length, fill, compression = "none" }] of Object.entries(GOLDEN_FILES)) {
    await vault.commit();
    vault.opened.volumes.setProperties(MAIN_VOLUME, { compression });
    const ino = actions.create(name);
    if (length > 0) actions.write(ino, 0, new Uint8Array(length).fill(fill));
  }
  for (const [name] of lockedFiles) {
    await vault.files.lock(name, { passphrase: GOLDEN_LOCK_PASSPHRASE, kdf: FAST_KDF });
  }
  await vault.close();
  return { content, stream };
}

/** True where the newest root opens and is clean. */
async function isWhole(content: SparseBytes, sequence: number): Promise<boolean> {
  try {
    const vault = await openGolden(content);
    const isNewest = vault.opened.volume.store.sequence === sequence;
    return isNewest && (await checkVault(vault)).ok;
  } catch {
    return false;
  }
}

/** Most cells of a header are noise, and older roots are not needed: leaves out what is not missed. */
async function neededCells(content: SparseBytes): Promise<number[]> {
  const { sequence } = (await openGolden(content)).opened.volume.store;
  const needed: number[] = [];
  const cell = new Uint8Array(CELL_BYTES);
  for (let i = 0; i * CELL_BYTES < content.length; i++) {
    content.read(i * CELL_BYTES, cell);
    if (cell.every((byte) => byte === 0)) continue;
    const kept = cell.slice();
    content.clear(i * CELL_BYTES, CELL_BYTES);
    if (await isWhole(content, sequence)) continue;
    content.write(i * CELL_BYTES, kept);
    needed.push(i);
  }
  return needed;
}

for (const { name, file, redundancy } of GOLDEN_VAULTS) {
  const { content, stream } = await make(redundancy);
  const cells = await neededCells(content);
  const packed = await pack(content, cells);
  Deno.writeFileSync(file, packed);
  if (file === GOLDEN_VAULTS[0].file) Deno.writeFileSync(GOLDEN_STREAM, stream);
  console.log(`${name}: ${cells.length} cells, ${packed.length} bytes`);
}
