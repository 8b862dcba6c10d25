/** What redundancy promises: whole segments erased, and random parts of the medium overwritten. Never wrong bytes. */
import assert from "node:assert/strict";
import type { SparseBytes } from "../../backends/memory/sparse_bytes.ts";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { VaultError } from "../../core/errors.ts";
import { CELL_BYTES, MIB, SEGMENT_BYTES, SEGMENT_CELLS } from "../../core/limits.ts";
import { checkVault } from "../../core/vault/check.ts";
import { scrubVault } from "../../core/vault/scrub.ts";
import type { Vault } from "../../core/vault/vault.ts";
import { ArenaKernel } from "../support/arena_kernel.ts";
import { createKeyedVault, openKeyedVault } from "../support/keyed_vault.ts";
import { RandomStream } from "../support/random_stream.ts";

const REDUNDANCY = { k: 4, m: 2 };
const SEGMENTS = 10;
/** The first two hold the superblocks, of which the vault has two copies. */
const HEADER_SEGMENTS = 2;
const arena = new ArenaKernel(24 * MIB);

interface Made {
  readonly content: SparseBytes;
  readonly files: ReadonlyMap<string, Uint8Array>;
}

async function makeVault(): Promise<Made> {
  arena.reset();
  const medium = new MemoryStorage({});
  const shape = { segments: SEGMENTS, blockBytes: 32768, redundancy: REDUNDANCY };
  const vault = await createKeyedVault({ medium, kernel: arena }, shape);
  const stream = new RandomStream(5);
  const files = new Map<string, Uint8Array>();
  await vault.files.makeDirectory("/deep");
  for (let i = 0; i < 120; i++) {
    const path = i % 3 === 0 ? `/deep/file ${i}` : `/file ${i}`;
    const bytes = new Uint8Array(i % 10 === 0 ? 150_000 + i : stream.below(30_000));
    stream.fill(bytes);
    files.set(path, bytes);
    await vault.files.writeFile(path, bytes);
  }
  await vault.commit();
  return { content: medium.content, files };
}

function open(content: SparseBytes): Vault {
  arena.reset();
  return openKeyedVault({ medium: new MemoryStorage({ content }), kernel: arena });
}

function usedSegments(content: SparseBytes): number[] {
  const { space } = open(content).opened.volume.store;
  const all = Array.from({ length: SEGMENTS }, (_, segment) => segment);
  return all.filter((segment) => space.counts.of(segment) < SEGMENT_CELLS);
}

/** The bytes of a file, or null where it is lost. */
async function read(vault: Vault, path: string): Promise<Uint8Array | null> {
  try {
    return await vault.files.readFile(path);
  } catch (error) {
    if (isCorrupt(error)) return null;
    throw error;
  }
}

/** What the filesystem passes on has the engine's error as its cause. */
function isCorrupt(error: unknown): boolean {
  if (error instanceof VaultError) return error.kind === "corrupt";
  return error instanceof Error && error.cause !== undefined && isCorrupt(error.cause);
}

Deno.test("erasure 4+2: whichever two segments are erased, every file is right, and whole again after a scrub", async () => {
  const made = await makeVault();
  const segments = usedSegments(made.content).filter((segment) => segment >= HEADER_SEGMENTS);
  assert.ok(segments.length >= 6, String(segments));
  const noise = new Uint8Array(SEGMENT_BYTES).fill(0xe5);
  let pairs = 0;
  for (const [i, one] of segments.entries()) {
    for (const other of segments.slice(i + 1)) {
      const content = made.content.fork();
      for (const segment of [one, other]) content.write(segment * SEGMENT_BYTES, noise);
      const vault = open(content);
      for (const [path, bytes] of made.files) {
        assert.deepEqual(await read(vault, path), bytes, `${path} without ${one}, ${other}`);
      }
      const report = await scrubVault(vault);
      assert.deepEqual([report.lost, report.files], [0, []]);
      assert.deepEqual((await checkVault(vault)).problems, []);
      pairs++;
    }
  }
  assert.ok(pairs >= 15);
});

for (const percent of [1, 5, 10]) {
  Deno.test(`erasure 4+2: ${percent} % of the medium overwritten: what comes back is right, the rest is named`, async () => {
    const made = await makeVault();
    let opened = 0;
    let named = 0;
    for (let seed = 1; seed <= 6; seed++) {
      const content = made.content.fork();
      overwrite(content, percent, new RandomStream(100 * percent + seed));
      const vault = tryOpen(content);
      if (vault === null) continue; // what is left of it is for recover
      opened++;
      named += await verify(vault, made.files);
    }
    assert.ok(opened >= 2, `${opened} opened`);
    if (percent === 1) assert.equal(opened, 6);
    if (percent === 10) assert.ok(named > 0);
  });
}

/** Overwrites so many cells, and always leaves one copy of the superblocks. */
function overwrite(content: SparseBytes, percent: number, stream: RandomStream): void {
  const cell = new Uint8Array(CELL_BYTES);
  for (let at = SEGMENT_CELLS; at < SEGMENTS * SEGMENT_CELLS; at++) {
    if (!stream.chance(percent / 100)) continue;
    stream.fill(cell);
    content.write(at * CELL_BYTES, cell);
  }
}

function tryOpen(content: SparseBytes): Vault | null {
  try {
    return open(content);
  } catch (error) {
    if (isCorrupt(error)) return null;
    throw error;
  }
}

/** Everything that a scrub does not name is right; what it names is not there. How many that are. */
async function verify(vault: Vault, files: Made["files"]): Promise<number> {
  const report = await scrubVault(vault);
  const lost = new Map(report.files.map((file) => [file.path, file.loss]));
  for (const [path, bytes] of files) {
    const got = await read(vault, path).catch((error) => {
      if (error.kind === "missing" || isCorrupt(error)) return null;
      throw error;
    });
    if (got !== null) assert.deepEqual(got, bytes, path);
    else assert.ok(isNamed(lost, path), `${path} is named`);
    if (lost.get(path) === "data") assert.equal(got, null, `${path} is lost`);
  }
  return report.files.length;
}

/** By its path, or through a directory above it whose names are lost. */
function isNamed(lost: ReadonlyMap<string, string>, path: string): boolean {
  if (lost.has(path)) return true;
  const above = path.slice(0, path.lastIndexOf("/")) || "/";
  return lost.has(above) || (path !== "/" && above !== "/" && isNamed(lost, above));
}
