import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import {
  checkVault,
  createKernel,
  createVault,
  DimensionalCoordinate,
  EntropicMixer,
  exportKeys,
  MemoryStorage,
  openScatterEngine,
  openVault,
  recoverVault,
  scrubVault,
  systemRuntime,
} from "../mod.ts";

const passphrase = "correct horse battery";
const CHEAP = { memoryKib: 64, passes: 1, parallelism: 1 };

Deno.test({
  name: "library: a vault in a file is made once, opened by its passphrase, and by no other",
  // libc is loaded once for the whole process.
  sanitizeResources: false,
  fn: vaultInFile,
});

async function vaultInFile(): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    const medium = join(directory, "vault");
    {
      await using vault = await createVault({ medium, passphrase });
      await vault.files.writeFile("/note", "hello");
    }
    await assert.rejects(createVault({ medium, passphrase }), { kind: "conflict" });
    await assert.rejects(
      openVault({ medium, passphrase: "wrong", profiles: ["interactive"] }),
      { kind: "denied" },
    );
    await using vault = await openVault({ medium, passphrase, readOnly: true });
    assert.equal(await vault.files.readText("/note"), "hello");
    await assert.rejects(vault.files.writeFile("/note", "x"), { kind: "denied", errno: "EROFS" });
    await assert.rejects(vault.transaction(() => {}), { kind: "denied", errno: "EROFS" });
    assert.equal((await checkVault(vault)).ok, true);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("library: a passphrase in bytes stays the caller's; both or neither are refused", async () => {
  const bytes = new TextEncoder().encode(passphrase);
  const vault = await createVault({ medium: "memory:", passphrase: bytes });
  await vault.close();
  assert.equal(new TextDecoder().decode(bytes), passphrase);
  await assert.rejects(createVault({ medium: "memory:" }), { kind: "invalid" });
  const secret = { passphrase: bytes };
  await assert.rejects(createVault({ medium: "memory:", secret, passphrase }), { kind: "invalid" });
});

Deno.test("library: a scatter engine keeps blocks across openings, and moves and drops them", async () => {
  const medium = new MemoryStorage();
  const key = crypto.getRandomValues(new Uint8Array(32));
  const engine = await openScatterEngine({ medium, key, create: true });
  const content = crypto.getRandomValues(new Uint8Array(60_000));
  const kept = await engine.scatter(content);
  const large = await engine.scatter(new Uint8Array(3_000_001).fill(7));
  const dropped = await engine.scatter(content.subarray(0, 1));
  engine.drop(dropped);
  for (const id of engine.list()) {
    const before = engine.coordinate(id);
    engine.move(id);
    const after = engine.coordinate(id);
    assert.notEqual(after.spatial[0].cell, before.spatial[0].cell);
    assert.notDeepEqual(after.entropic, before.entropic);
    assert.deepEqual(after.temporal, before.temporal);
    assert.equal(after.phase.length, before.phase.length);
  }
  await engine.close();

  const options = { medium: new MemoryStorage({ content: medium.content }), key };
  await using again = await openScatterEngine(options);
  assert.deepEqual(await again.gather(kept), content);
  assert.deepEqual(await again.gather(large), new Uint8Array(3_000_001).fill(7));
  assert.equal(again.list().length, kept.count + large.count);
  await assert.rejects(again.gather(dropped), { kind: "missing" });
  assert.throws(() => again.move(dropped.firstId), { kind: "missing" });
  await assert.rejects(again.scatter(new Uint8Array(0)), { kind: "invalid" });
});

Deno.test("library: a scatter engine finds what was changed on the medium", async () => {
  const medium = new MemoryStorage();
  const key = crypto.getRandomValues(new Uint8Array(32));
  await using engine = await openScatterEngine({ medium, key, create: true });
  const scattering = await engine.scatter(new Uint8Array(100).fill(1));
  const [{ cell }] = engine.coordinate(scattering.firstId).spatial;
  const stored = await medium.read(cell * 4096, 1);
  await medium.write(cell * 4096, new Uint8Array([stored[0] ^ 1]));
  await assert.rejects(engine.gather(scattering), { kind: "corrupt" });
  assert.throws(() => engine.move(scattering.firstId), { kind: "corrupt" });
  await medium.write(cell * 4096, stored);
  assert.deepEqual(await engine.gather(scattering), new Uint8Array(100).fill(1));
});

Deno.test("library: a coordinate has eight axes and survives being encoded", async () => {
  const key = crypto.getRandomValues(new Uint8Array(32));
  await using engine = await openScatterEngine({ medium: "memory:", key, create: true });
  const { firstId } = await engine.scatter(new Uint8Array(5000));
  const coordinate = engine.coordinate(firstId);
  const [{ segment, slot, cell, cells, member }] = coordinate.spatial;
  assert.deepEqual([member, cells], [0, 2]);
  assert.deepEqual([segment, slot], [Math.floor(cell / 1024), Math.floor(cell % 1024 / 16)]);
  assert.deepEqual(coordinate.fractal, { kind: "data", level: 0 });
  assert.deepEqual(coordinate.phase, { codec: "raw", length: 5000, stored: 5000 });
  assert.deepEqual(coordinate.topological, { id: firstId });
  assert.deepEqual(coordinate.holographic, { k: 1, m: 0, missing: [] });
  assert.equal(coordinate.temporal.epoch, 1);
  assert.deepEqual([coordinate.entropic[0].length, coordinate.semantic[0].length], [24, 16]);
  const decoded = DimensionalCoordinate.decode(firstId, coordinate.encode());
  assert.deepEqual(decoded.spatial, coordinate.spatial);
  assert.deepEqual(decoded.semantic, coordinate.semantic);
  assert.throws(() => DimensionalCoordinate.decode(1, new Uint8Array(72)), { kind: "corrupt" });
});

Deno.test("library: mixing is fresh each time, bound to its id, and over after a wipe", () => {
  const kernel = createKernel({ memoryBytes: 4 * 1024 * 1024 });
  const key = crypto.getRandomValues(new Uint8Array(32));
  const mixer = new EntropicMixer({ kernel, runtime: systemRuntime, key });
  const content = crypto.getRandomValues(new Uint8Array(5000));
  const [one, two] = [mixer.mix(content, 5), mixer.mix(content, 5)];
  assert.notDeepEqual(one.ciphertext, two.ciphertext);
  assert.deepEqual(mixer.unmix(one), content);
  assert.deepEqual(mixer.unmix(mixer.mix(new Uint8Array(0))), new Uint8Array(0));
  assert.throws(() => mixer.unmix({ ...one, id: 6 }), { kind: "corrupt" });
  assert.throws(() => mixer.unmix({ ...one, nonce: two.nonce }), { kind: "corrupt" });
  assert.throws(() => mixer.unmix({ ...one, tag: two.tag }), { kind: "corrupt" });
  assert.throws(() => mixer.mix(new Uint8Array((1 << 20) + 1)), { kind: "invalid" });
  const { bytes } = kernel;
  assert.ok(indexOf(bytes, key) >= 0);
  mixer.wipe();
  assert.equal(indexOf(bytes, key), -1);
  assert.equal(indexOf(bytes, content.subarray(0, 32)), -1);
  assert.throws(() => mixer.unmix(one), { kind: "invalid" });
});

Deno.test("library: a vault without header comes back from exported keys", async () => {
  const text = (words: string) => new TextEncoder().encode(words);
  const medium = new MemoryStorage();
  const vault = await createVault({ medium, passphrase: "gone", kdf: CHEAP });
  await vault.files.writeFile("/note", "kept");
  const exportPassphrase = text("apart");
  const keyExport = await exportKeys(vault, { passphrase: exportPassphrase, kdf: "interactive" });
  await vault.close();
  medium.content.write(0, new Uint8Array(8 * 1024 * 1024));
  const to = new MemoryStorage();
  const passphrase = text("new");
  const report = await recoverVault({
    medium: new MemoryStorage({ content: medium.content }),
    to,
    keyExport,
    exportPassphrase,
    passphrase,
    kdf: CHEAP,
  });
  assert.equal(report.how, "whole");
  const again = new MemoryStorage({ content: to.content });
  await using back = await openVault({ medium: again, passphrase, profiles: [CHEAP] });
  assert.equal(await back.files.readText("/note"), "kept");
  assert.equal((await scrubVault(back)).ok, true);
});

/** Where `part` lies in kernel memory, or -1. */
function indexOf(bytes: Uint8Array, part: Uint8Array): number {
  return Buffer.from(bytes.slice()).indexOf(part);
}
