/** What recovering makes of a vault of which no state is whole: all files that are, and the names of the others. */
import assert from "node:assert/strict";
import type { SparseBytes } from "../../backends/memory/sparse_bytes.ts";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { type Compression, COMPRESSIONS } from "../../core/format/catalog_record.ts";
import type { Redundancy } from "../../core/format/redundancy.ts";
import { CELL_BYTES, MIB, SEGMENT_BYTES, SEGMENT_CELLS } from "../../core/limits.ts";
import { BrokenMedium } from "../../core/vault/broken_medium.ts";
import { checkVault } from "../../core/vault/check.ts";
import { type RecoverReport, recoverVault } from "../../core/vault/recover.ts";
import { openVault, type Vault } from "../../core/vault/vault.ts";
import { ArenaKernel } from "../support/arena_kernel.ts";
import { FakeRuntime } from "../support/fake_runtime.ts";
import { createKeyedVault, fixedKeys } from "../support/keyed_vault.ts";
import { RandomStream } from "../support/random_stream.ts";

const SEGMENTS = 10;
const kdf = { memoryKib: 64, passes: 1, parallelism: 1 };
const arena = new ArenaKernel(40 * MIB);
const other = new ArenaKernel(40 * MIB);

interface Made {
  readonly content: SparseBytes;
  readonly files: ReadonlyMap<string, Uint8Array>;
}

async function makeVault(
  redundancy: Redundancy,
  compression: Compression = "none",
): Promise<Made> {
  arena.reset();
  const medium = new MemoryStorage({});
  const shape = { segments: SEGMENTS, blockBytes: 16384, redundancy };
  const vault = await createKeyedVault({ medium, kernel: arena }, shape);
  const stream = new RandomStream(8);
  const files = new Map<string, Uint8Array>();
  await vault.files.makeDirectory("/deep/er", { recursive: true });
  for (let i = 0; i < 150; i++) {
    const path = `${["", "/deep", "/deep/er"][i % 3]}/file ${i}`;
    const bytes = new Uint8Array(stream.below(i % 5 === 0 ? 90_000 : 3000));
    // Every other file compresses well.
    stream.fill(compression === "zstd" && i % 2 === 0 ? bytes.subarray(0, 100) : bytes);
    files.set(path, bytes);
    if (i === 50 && compression !== "none") await vault.volumes.set("main", { compression });
    await vault.files.writeFile(path, bytes);
    if (i % 40 === 0) await vault.commit();
  }
  await vault.files.link("/file 0", "/deep/er/hard link");
  files.set("/deep/er/hard link", files.get("/file 0")!);
  await vault.files.symlink("../file 0", "/deep/link");
  await vault.commit();
  vault.opened.volumes.snapshot("main", "kept");
  vault.opened.volumes.clone("main", "kept", "twin");
  const content = medium.content.fork();
  content.write(0, new Uint8Array(2 * SEGMENT_BYTES));
  return { content, files };
}

interface Recovered {
  readonly report: RecoverReport;
  readonly vault: Vault;
}

async function recover(content: SparseBytes): Promise<Recovered> {
  arena.reset();
  other.reset();
  const target = new MemoryStorage({});
  const secret = () => ({ passphrase: new TextEncoder().encode("x") });
  const report = await recoverVault({
    source: {
      medium: new MemoryStorage({ content, readOnly: true }),
      kernel: arena,
      runtime: new FakeRuntime(5),
    },
    target: { medium: target, kernel: other, runtime: new FakeRuntime(6) },
    keys: fixedKeys(),
    salvage: true,
    slot: { mode: "user", secret: secret(), kdf },
  });
  other.reset();
  const parts = { medium: target, kernel: other, runtime: new FakeRuntime(7) };
  return { report, vault: await openVault(parts, { secret: secret(), profiles: [kdf] }) };
}

/** Nothing is wrong, nothing is missing that is not named, and nothing is named that is there. */
async function verify({ report, vault }: Recovered, files: Made["files"]): Promise<number> {
  const { problems } = await checkVault(vault);
  // A whole state is copied as it is: what is left of redundancy makes up for what is not.
  const isFine = (kind: string) => report.how === "whole" && kind === "degraded";
  assert.deepEqual(problems.filter(({ kind }) => !isFine(kind)), []);
  const named = new Map(
    report.files.filter(({ volume }) => volume === "main").map((file) => [file.path, file.loss]),
  );
  const rescued: string[] = [];
  const there = new Set<string>();
  for await (const { path, type } of vault.files.walk("/")) {
    if (type !== "file") continue;
    const bytes = await vault.files.readFile(path);
    if (path.startsWith("/lost+found")) rescued.push(bytes.toHex());
    else {
      assert.deepEqual(bytes, files.get(path), path);
      there.add(path);
    }
  }
  for (const [path, bytes] of files) {
    const isSaved = there.has(path) || rescued.includes(bytes.toHex());
    assert.ok(
      isSaved || isNamed(named, path),
      `${path} is there or named: ${JSON.stringify([...named])}`,
    );
    if (there.has(path)) {
      assert.ok(named.get(path) === undefined || named.get(path) === "attributes");
    }
  }
  return there.size;
}

function isNamed(named: ReadonlyMap<string, string>, path: string): boolean {
  if (named.has(path)) return true;
  const above = path.slice(0, path.lastIndexOf("/")) || "/";
  return above === path ? false : isNamed(named, above);
}

function overwrite(content: SparseBytes, share: number, stream: RandomStream): SparseBytes {
  const broken = content.fork();
  const cell = new Uint8Array(CELL_BYTES);
  for (let at = 2 * SEGMENT_CELLS; at < SEGMENTS * SEGMENT_CELLS; at++) {
    if (!stream.chance(share)) continue;
    stream.fill(cell);
    broken.write(at * CELL_BYTES, cell);
  }
  return broken;
}

for (const [name, redundancy] of [["0", { k: 1, m: 0 }], ["2+1", { k: 2, m: 1 }]] as const) {
  Deno.test(`salvage ${name}: with 1 to 20 % overwritten, whole files come back and all others are named`, async () => {
    const made = await makeVault(redundancy);
    let salvaged = 0;
    let saved = 0;
    for (const [i, share] of [0.01, 0.03, 0.1, 0.1, 0.2].entries()) {
      const content = overwrite(made.content, share, new RandomStream(50 + i));
      const recovered = await recover(content);
      if (recovered.report.how === "salvaged") salvaged++;
      saved += await verify(recovered, made.files);
    }
    assert.ok(salvaged >= 2, `${salvaged} salvaged`);
    assert.ok(saved > 150, `${saved} files came back`);
  });
}

/** The same without any root record. */
function withoutRoots(content: SparseBytes): SparseBytes {
  arena.reset();
  const medium = new MemoryStorage({ content, readOnly: true });
  const parts = { medium, kernel: arena, runtime: new FakeRuntime(1) };
  const broken = new BrokenMedium(parts, fixedKeys());
  for (const _ of broken.scan()) { /* until the end */ }
  const rest = content.fork();
  for (const { copies } of broken.roots()) {
    for (const { place } of copies) {
      rest.write(place.cell * CELL_BYTES, new Uint8Array(CELL_BYTES));
    }
  }
  return rest;
}

for (const compression of COMPRESSIONS) {
  const name = `salvage, compression ${compression}: without any root record all volumes come back`;
  Deno.test(`${name} from the catalog's leaves`, () => recoverWithoutRoots(compression));
}

async function recoverWithoutRoots(compression: Compression): Promise<void> {
  const made = await makeVault({ k: 1, m: 0 }, compression);
  const recovered = await recover(withoutRoots(made.content));
  const { how, sequence, volumes, files } = recovered.report;
  assert.deepEqual([how, sequence, volumes, files], ["salvaged", null, ["main", "twin"], []]);
  assert.equal(await verify(recovered, made.files), made.files.size);
  assert.equal(await recovered.vault.files.readLink("/deep/link"), "../file 0");
  const listed = await recovered.vault.volumes.list();
  assert.deepEqual(listed.map((volume) => volume.compression), [compression, compression]);
}

Deno.test("salvage: locked files are lost by name, and never come back as something else", async () => {
  arena.reset();
  const medium = new MemoryStorage({});
  const vault = await createKeyedVault({ medium, kernel: arena }, { segments: SEGMENTS });
  for (const [path, size] of [["/small", 90], ["/large", 30_000], ["/other", 90]] as const) {
    await vault.files.writeFile(path, new Uint8Array(size).fill(size));
    if (path !== "/other") await vault.files.lock(path, { passphrase: "extra", kdf });
  }
  await vault.commit();
  const content = medium.content.fork();
  content.write(0, new Uint8Array(2 * SEGMENT_BYTES));
  const { report, vault: salvaged } = await recover(withoutRoots(content));
  assert.deepEqual(report.files.map(({ path, loss }) => `${path} ${loss}`).sort(), [
    "/large data",
    "/small data",
  ]);
  assert.deepEqual((await salvaged.files.list("/")).map(({ name }) => name), ["other"]);
  assert.deepEqual(await salvaged.files.readFile("/other"), new Uint8Array(90).fill(90));
});

Deno.test("salvage: a medium of another vault gives nothing", async () => {
  arena.reset();
  const content = new MemoryStorage({}).content;
  content.write(0, new Uint8Array(4 * SEGMENT_BYTES).fill(7));
  await assert.rejects(recover(content), { kind: "corrupt" });
});
