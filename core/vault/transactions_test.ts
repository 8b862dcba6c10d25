import assert from "node:assert/strict";
import fc from "fast-check";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { ArenaKernel } from "../../tests/support/arena_kernel.ts";
import { CrashMedium } from "../../tests/support/crash_medium.ts";
import { FaultyMedium } from "../../tests/support/faulty_medium.ts";
import { createKeyedVault, openKeyedVault } from "../../tests/support/keyed_vault.ts";
import { KIND } from "../format/seal_aad.ts";
import { CELL_BYTES, MIB } from "../limits.ts";
import { checkVault } from "./check.ts";
import type { CheckReport } from "./check_report.ts";
import type { VaultFiles } from "./files.ts";
import type { Vault } from "./vault.ts";

const arena = new ArenaKernel(24 * MIB);

/** One thing to do with a few files. */
type Step =
  | { readonly do: "write"; readonly file: number; readonly size: number; readonly fill: number }
  | { readonly do: "patch"; readonly file: number; readonly at: number; readonly fill: number }
  | { readonly do: "truncate"; readonly file: number; readonly size: number }
  | { readonly do: "remove"; readonly file: number }
  | { readonly do: "rename"; readonly file: number; readonly to: number };

const file = fc.nat(5);
const fill = fc.integer({ min: 1, max: 255 });
const size = fc.oneof(fc.nat(3000), fc.nat(60000));
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant("write" as const), file, size, fill }),
  fc.record({ do: fc.constant("patch" as const), file, at: size, fill }),
  fc.record({ do: fc.constant("truncate" as const), file, size }),
  fc.record({ do: fc.constant("remove" as const), file }),
  fc.record({ do: fc.constant("rename" as const), file, to: file }),
);
const steps = (maxLength: number) => fc.array(step, { minLength: 1, maxLength });

type Model = Map<string, Uint8Array>;
const nameOf = (file: number) => `/f${file}`;
const PATCH_BYTES = 5000;

function extended(bytes: Uint8Array, length: number): Uint8Array {
  const longer = new Uint8Array(Math.max(length, bytes.length));
  longer.set(bytes);
  return longer;
}

function applyToModel(model: Model, step: Step): void {
  const name = nameOf(step.file);
  const old = model.get(name);
  if (step.do === "write") model.set(name, new Uint8Array(step.size).fill(step.fill));
  if (old === undefined) return;
  if (step.do === "patch") {
    const bytes = extended(old, step.at + PATCH_BYTES);
    model.set(name, bytes.fill(step.fill, step.at, step.at + PATCH_BYTES));
  } else if (step.do === "truncate") {
    model.set(name, extended(old, step.size).slice(0, step.size));
  } else if (step.do === "remove") {
    model.delete(name);
  } else if (step.do === "rename" && step.to !== step.file) {
    model.delete(name);
    model.set(nameOf(step.to), old);
  }
}

async function applyTo(files: VaultFiles, step: Step): Promise<void> {
  const name = nameOf(step.file);
  if (step.do === "write") {
    return await files.writeFile(name, new Uint8Array(step.size).fill(step.fill));
  }
  if (!await files.exists(name)) return;
  if (step.do === "patch") {
    await using open = await files.open(name, { access: "write" });
    await open.write(step.at, new Uint8Array(PATCH_BYTES).fill(step.fill));
  } else if (step.do === "truncate") {
    await files.truncate(name, step.size);
  } else if (step.do === "remove") {
    await files.remove(name);
  } else {
    await files.rename(name, nameOf(step.to));
  }
}

async function contents(files: VaultFiles): Promise<Model> {
  const model: Model = new Map();
  for (const { name } of await files.list("/")) {
    model.set(`/${name}`, await files.readFile(`/${name}`));
  }
  return model;
}

function sorted(model: Model): [string, Uint8Array][] {
  return [...model].sort(([a], [b]) => a < b ? -1 : 1);
}

async function fresh(): Promise<Vault> {
  arena.reset();
  return await createKeyedVault({ medium: new MemoryStorage({}), kernel: arena });
}

/** Data blocks in the map, and cells that hold them. */
function dataBlocks(vault: Vault): { blocks: number; bytes: number } {
  let blocks = 0;
  let bytes = 0;
  vault.opened.volume.store.blocks.entries((_, { kind, length }) => {
    if (kind !== KIND.data) return;
    blocks++;
    bytes += length;
  });
  return { blocks, bytes };
}

class Refusal extends Error {}

Deno.test("a transaction that throws leaves files, blocks and space as they were", async () => {
  await fc.assert(
    fc.asyncProperty(steps(12), steps(12), fc.boolean(), async (before, inside, commits) => {
      const vault = await fresh();
      const model: Model = new Map();
      for (const one of before) {
        await applyTo(vault.files, one);
        applyToModel(model, one);
      }
      if (commits) await vault.commit();
      else vault.fileSystem.flush();
      const blocks = dataBlocks(vault);
      const { freeBytes } = await vault.files.statfs();
      const working = vault.transaction(async (files) => {
        for (const one of inside) await applyTo(files, one);
        await files.open("/open", { access: "write", create: "allow" });
        throw new Refusal();
      });
      await assert.rejects(working, Refusal);
      assert.deepEqual(sorted(await contents(vault.files)), sorted(model));
      assert.deepEqual(dataBlocks(vault), blocks);
      if (commits) await vault.commit();
      const after = await vault.files.statfs();
      // Nodes that were split stay split, and a commit of its own changes a few.
      assert.ok(Math.abs(after.freeBytes - freeBytes) <= 64 * 4096, `${after.freeBytes}`);
      const report = await checkVault(vault);
      assert.deepEqual(report.problems, []);
      await vault.close();
    }),
    { numRuns: 40 },
  );
});

Deno.test("a transaction that succeeds is durable at once, as its model says", async () => {
  await fc.assert(
    fc.asyncProperty(steps(8), steps(12), async (before, inside) => {
      arena.reset();
      const medium = new MemoryStorage({});
      const vault = await createKeyedVault({ medium, kernel: arena });
      const model: Model = new Map();
      for (const one of before) {
        await applyTo(vault.files, one);
        applyToModel(model, one);
      }
      const result = await vault.transaction(async (files) => {
        for (const one of inside) {
          await applyTo(files, one);
          applyToModel(model, one);
        }
        assert.deepEqual(sorted(await contents(files)), sorted(model));
        return 42;
      });
      assert.equal(result, 42);
      // The machine stops here: nothing is closed.
      arena.reset();
      const { content } = medium;
      const again = openKeyedVault({ medium: new MemoryStorage({ content }), kernel: arena });
      assert.deepEqual(sorted(await contents(again.files)), sorted(model));
      assert.deepEqual((await checkVault(again)).problems, []);
      await again.close();
    }),
    { numRuns: 40 },
  );
});

Deno.test("after a power cut at any write, a transaction is there as a whole or not at all", async () => {
  arena.reset();
  const medium = new CrashMedium();
  const vault = await createKeyedVault({ medium, kernel: arena });
  await vault.files.writeFile("/a", "before a");
  await vault.files.writeFile("/b", "before b");
  await vault.commit();
  const from = medium.log.length;
  await vault.transaction(async (files) => {
    await files.writeFile("/a", new Uint8Array(20000).fill(1));
    await files.remove("/b");
    await files.writeFile("/c", "after c");
  });
  medium.log.mark("done");
  const seen = new Set<string>();
  for (const image of medium.log.images(1, { points: [from, Infinity] })) {
    arena.reset();
    const opened = openKeyedVault({ medium: image.open(), kernel: arena });
    const names = (await opened.files.list("/")).map(({ name }) => name).join();
    seen.add(names);
    const { length } = await opened.files.readFile("/a");
    assert.equal(length, names === "a,b" ? 8 : 20000, names);
    if (image.mark === "done") assert.equal(names, "a,c");
  }
  assert.deepEqual([...seen].sort(), ["a,b", "a,c"]);
});

Deno.test("others wait for a transaction; nesting and going around it are refused", async () => {
  const vault = await fresh();
  await vault.files.writeFile("/f", "old");
  const outside = await vault.files.open("/f", { access: "write" });
  const order: string[] = [];
  const begun = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const first = vault.transaction(async (files) => {
    await files.writeFile("/g", "new");
    await assert.rejects(vault.transaction(() => {}), /inside another one/);
    await assert.rejects(vault.files.exists("/g"), /use the files that the transaction was given/);
    await assert.rejects(vault.commit(), /use the files that the transaction was given/);
    begun.resolve();
    await goOn.promise;
    order.push("first");
    return files;
  });
  await begun.promise;
  const reading = vault.files.exists("/g").then((found) => order.push(`reading ${found}`));
  const writing = outside.write(0, new TextEncoder().encode("OUT")).then(() => order.push("write"));
  const second = vault.transaction(() => void order.push("second"));
  const closing = vault.commit().then(() => order.push("commit"));
  goOn.resolve();
  const files = await first;
  await Promise.all([reading, writing, second, closing]);
  assert.equal(order[0], "first");
  assert.deepEqual(order.slice(1).sort(), ["commit", "reading true", "second", "write"]);
  await assert.rejects(files.exists("/g"), /transaction that has ended/);
  assert.equal(await vault.files.readText("/f"), "OUT");
  await outside.close();
  await vault.close();
});

Deno.test("a file that is open outside survives a rollback with its data; one from inside is closed", async () => {
  const vault = await fresh();
  await vault.files.writeFile("/f", new Uint8Array(9000).fill(1));
  const orphan = await vault.files.open("/f");
  await vault.files.remove("/f");
  await vault.files.writeFile("/f", new Uint8Array(9000).fill(2));
  const open = await vault.files.open("/f", { access: "write" });
  let inside: Awaited<ReturnType<VaultFiles["open"]>> | undefined;
  const working = vault.transaction(async (files) => {
    await files.writeFile("/f", "other");
    await files.remove("/f");
    inside = await files.open("/x", { access: "write", create: "allow" });
    await files.writeStream("/y");
    throw new Refusal();
  });
  await assert.rejects(working, Refusal);
  assert.deepEqual(await open.read(0, 9000), new Uint8Array(9000).fill(2));
  assert.deepEqual(await orphan.read(0, 9000), new Uint8Array(9000).fill(1));
  await open.write(0, new Uint8Array(10).fill(3));
  assert.equal((await vault.files.readFile("/f"))[9], 3);
  await assert.rejects(inside!.read(0, 1), /has ended/);
  await open.close();
  await orphan.close();
  assert.deepEqual((await vault.files.list("/")).map(({ name }) => name), ["f"]);
  assert.deepEqual((await checkVault(vault)).problems, []);
  await vault.close();
});

Deno.test("a transaction that takes too long is rolled back", async () => {
  const vault = await fresh();
  const never = Promise.withResolvers<void>();
  const working = vault.transaction(async (files) => {
    await files.writeFile("/f", "x");
    await never.promise;
  }, { timeoutMs: 5 });
  await assert.rejects(working, { kind: "unavailable", message: /within 5 ms/ });
  assert.equal(await vault.files.exists("/f"), false);
  await vault.close();
});

Deno.test("a write that is lost because a block is damaged rolls the transaction back", async () => {
  arena.reset();
  const medium = new FaultyMedium(new MemoryStorage({}));
  const vault = await createKeyedVault({ medium, kernel: arena });
  await vault.files.writeFile("/whole", "old");
  await vault.files.writeFile("/damaged", new Uint8Array(9000).fill(1));
  await vault.commit();
  arena.reset();
  const again = openKeyedVault({ medium, kernel: arena });
  again.opened.volume.store.blocks.entries((_id, { kind, places: [{ cell }] }) => {
    if (kind === KIND.data) medium.flipBit(cell * CELL_BYTES + 9, 3);
  });
  const overwrite = async (files: VaultFiles) => {
    await files.writeFile("/whole", "changed");
    await using open = await files.open("/damaged", { access: "write" });
    await open.write(5000, new Uint8Array(10).fill(2));
  };
  await assert.rejects(again.transaction(overwrite), { name: "VaultError", kind: "corrupt" });
  assert.equal(await again.files.readText("/whole"), "old");
  assert.deepEqual(kindsOf(await checkVault(again)), ["damaged"]);
  await again.transaction((files) => files.writeFile("/whole", "kept"));
  assert.equal(await again.files.readText("/whole"), "kept");
});

function kindsOf({ problems }: CheckReport): string[] {
  return [...new Set(problems.map(({ kind }) => kind))];
}
