import assert from "node:assert/strict";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { FakeRuntime } from "../../tests/support/fake_runtime.ts";
import { createKeyedVault, openKeyedVault } from "../../tests/support/keyed_vault.ts";
import { createKernel } from "../../wasm/kernel.ts";
import { KIB, MIB, SEGMENT_BYTES } from "../limits.ts";
import { checkVault } from "./check.ts";
import { compactVault, resizeVault } from "./resize.ts";
import type { Vault } from "./vault.ts";

const FILE_BYTES = 300 * KIB;

/** Fills a vault of 24 segments with files, deletes most, and returns the names that stay. */
async function scattered(vault: Vault): Promise<string[]> {
  for (let i = 0; i < 200; i++) {
    await vault.files.writeFile(`/f${i}`, new Uint8Array(FILE_BYTES).fill(i));
  }
  await vault.commit();
  const kept: string[] = [];
  for (let i = 0; i < 200; i++) {
    if (i % 10 === 3) kept.push(`/f${i}`);
    else await vault.files.remove(`/f${i}`);
  }
  await vault.commit();
  return kept;
}

async function assertWhole(vault: Vault, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const wanted = new Uint8Array(FILE_BYTES).fill(Number(name.slice(2)));
    assert.deepEqual(await vault.files.readFile(name), wanted);
  }
  const report = await checkVault(vault);
  assert.deepEqual(report.problems, []);
}

function parts() {
  return { medium: new MemoryStorage({}), kernel: createKernel({ memoryBytes: 16 * MIB }) };
}

Deno.test("shrinking moves what lies above, and the vault opens at its new size", async () => {
  const options = parts();
  const vault = await createKeyedVault(options, { segments: 24, segmentsMax: 24 });
  const kept = await scattered(vault);
  const report = await resizeVault(vault, 8 * SEGMENT_BYTES);
  assert.equal(report.afterBytes, 8 * SEGMENT_BYTES);
  assert(report.moved > 0);
  await assertWhole(vault, kept);
  const again = openKeyedVault({ ...options, kernel: createKernel({ memoryBytes: 16 * MIB }) });
  await assertWhole(again, kept);
  await resizeVault(again, 40 * SEGMENT_BYTES);
  await again.files.writeFile("/large", new Uint8Array(60 * MIB));
  await assertWhole(again, kept);
});

Deno.test("a vault is not shrunk below its content, and stays as it was", async () => {
  const options = parts();
  const vault = await createKeyedVault(options, { segments: 24, segmentsMax: 24 });
  await vault.files.writeFile("/large", new Uint8Array(50 * MIB));
  const kind = { name: "VaultError", kind: "invalid" };
  await assert.rejects(resizeVault(vault, 8 * SEGMENT_BYTES), kind);
  await assert.rejects(resizeVault(vault, SEGMENT_BYTES), kind);
  assert.equal(await vault.medium.size(), 24 * SEGMENT_BYTES);
  assert.deepEqual((await checkVault(vault)).problems, []);
  await vault.files.writeFile("/more", new Uint8Array(10 * MIB));
});

Deno.test("compacting leaves little more than the content", async () => {
  const options = parts();
  const vault = await createKeyedVault(options, { segments: 24, segmentsMax: 64 });
  const kept = await scattered(vault);
  const report = await compactVault(vault);
  assert(report.afterBytes <= 7 * SEGMENT_BYTES, `${report.afterBytes}`);
  await assertWhole(vault, kept);
});

Deno.test("growing a dense vault fills with noise what a growth that was cut short left empty", async () => {
  const options = parts();
  const { medium } = options;
  const vault = await createKeyedVault(options, { segments: 6, dense: true });
  await medium.truncate(9 * SEGMENT_BYTES);
  await resizeVault(vault, 9 * SEGMENT_BYTES);
  for (let segment = 6; segment < 9; segment++) {
    const bytes = await medium.read(segment * SEGMENT_BYTES, 4 * KIB);
    assert.ok(bytes.filter((byte) => byte === 0).length < 100, `segment ${segment} is noise`);
  }
  assert.deepEqual((await checkVault(vault)).problems, []);
});

for (const { k, m } of [{ k: 4, m: 2 }, { k: 2, m: 1 }, { k: 1, m: 1 }]) {
  Deno.test(`compacting with redundancy ${k}+${m}: the vault opens again, counts rightly and can be written`, async () => {
    for (let seed = 1; seed <= 4; seed++) {
      const options = { ...parts(), runtime: new FakeRuntime(seed) };
      const shape = { segments: 8, segmentsMax: 256, blockBytes: 16 * KIB, redundancy: { k, m } };
      const vault = await createKeyedVault(options, shape);
      await vault.files.writeFile("/large", new Uint8Array(30 * MIB).fill(seed));
      await vault.files.writeFile("/gone", new Uint8Array(seed * MIB));
      await vault.files.remove("/gone");
      await compactVault(vault);
      assert.deepEqual((await checkVault(vault)).problems, []);
      const again = openKeyedVault({ ...options, kernel: createKernel({ memoryBytes: 32 * MIB }) });
      for (let i = 0; i < 80; i++) {
        await again.files.writeFile(`/f${i}`, new Uint8Array(20 * KIB).fill(i));
      }
      await again.commit();
      assert.deepEqual((await checkVault(again)).problems, []);
      const large = await again.files.readFile("/large");
      assert.ok(large.every((byte) => byte === seed));
    }
  });
}

Deno.test("a dense vault grows to both of two sizes that are asked for at once, while transactions come and go", async () => {
  const options = parts();
  const vault = await createKeyedVault(options, { segments: 10, dense: true });
  const grown = [12, 15].map((segments) => resizeVault(vault, segments * SEGMENT_BYTES));
  let over = false;
  const both = Promise.all(grown).finally(() => over = true);
  for (let i = 0; !over; i++) {
    await vault.transaction((tx) => tx.writeFile(`/f${i % 5}`, new Uint8Array(3000).fill(i)));
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  assert.deepEqual((await both).map(({ afterBytes }) => afterBytes / SEGMENT_BYTES), [12, 15]);
  await assertWhole(vault, []);
  const again = openKeyedVault({ ...options, kernel: createKernel({ memoryBytes: 16 * MIB }) });
  await assertWhole(again, []);
  assert.equal(options.medium.content.length, 15 * SEGMENT_BYTES);
});

Deno.test("a dense vault grows any number of times with the same kernel memory", async () => {
  const options = parts();
  const vault = await createKeyedVault(options, { segments: 10, dense: true });
  const before = options.kernel.reserve(0);
  await resizeVault(vault, 11 * SEGMENT_BYTES);
  const once = options.kernel.reserve(0) - before;
  for (const segments of [12, 11, 12]) await resizeVault(vault, segments * SEGMENT_BYTES);
  assert.equal(options.kernel.reserve(0) - before, once);
});
