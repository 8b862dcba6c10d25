import assert from "node:assert/strict";
import fc from "fast-check";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { ArenaKernel } from "../../tests/support/arena_kernel.ts";
import { CrashMedium } from "../../tests/support/crash_medium.ts";
import { createKeyedVault, openKeyedVault } from "../../tests/support/keyed_vault.ts";
import { VaultError } from "../errors.ts";
import { MIB } from "../limits.ts";
import { checkVault } from "./check.ts";
import type { VaultFiles } from "./files.ts";
import { type Transaction, TransactionManager } from "./transaction_manager.ts";

const arena = new ArenaKernel(64 * MIB);

async function fresh() {
  arena.reset();
  const vault = await createKeyedVault({ medium: new MemoryStorage({}), kernel: arena });
  return { vault, transactions: new TransactionManager(vault) };
}

/** What one of three transactions, or somebody outside (3), does next. */
interface Step {
  readonly who: number;
  readonly what: "read" | "write" | "patch" | "remove" | "rename" | "list" | "commit" | "rollback";
  readonly file: number;
  readonly size: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  who: fc.nat(3),
  what: fc.constantFrom(
    ...["read", "write", "patch", "remove", "rename", "list", "commit", "rollback"] as const,
  ),
  file: fc.nat(3),
  size: fc.oneof(fc.nat(3000), fc.nat(60_000)),
});

/** Directories of one file each, so that not everything conflicts with everything. */
const pathOf = (file: number) => `/d${file % 4}/f`;

type Model = Map<string, Uint8Array>;

function sum(bytes: Uint8Array): string {
  return `${bytes.length}:${bytes.reduce((a, b) => (a * 31 + b) % 1000003, 7)}`;
}

function content({ size, file }: Step, round: number): Uint8Array {
  return new Uint8Array(size).fill(1 + (round * 7 + file) % 250);
}

/** Does a step on real files; what it saw. */
async function onFiles(files: VaultFiles, one: Step, round: number): Promise<string> {
  const path = pathOf(one.file);
  if (one.what === "list") return (await files.list(`/d${one.file}`)).map((e) => e.name).join();
  if (one.what === "write") {
    await files.writeFile(path, content(one, round));
    return "written";
  }
  if (!await files.exists(path)) return "none";
  if (one.what === "read") return sum(await files.readFile(path));
  if (one.what === "remove") await files.remove(path);
  else if (one.what === "rename") await files.rename(path, pathOf(one.file + 1));
  else {
    await using open = await files.open(path, { access: "write" });
    await open.write(one.size, new Uint8Array(5000).fill(round % 250));
  }
  return "done";
}

/** The same on a model. */
function onModel(model: Model, one: Step, round: number): string {
  const path = pathOf(one.file);
  const old = model.get(path);
  if (one.what === "list") return old === undefined ? "" : "f";
  if (one.what === "write") {
    model.set(path, content(one, round));
    return "written";
  }
  if (old === undefined) return "none";
  if (one.what === "read") return sum(old);
  if (one.what === "remove" || one.what === "rename") model.delete(path);
  if (one.what === "rename") model.set(pathOf(one.file + 1), old);
  if (one.what === "patch") {
    const longer = new Uint8Array(Math.max(old.length, one.size + 5000));
    longer.set(old);
    model.set(path, longer.fill(round % 250, one.size, one.size + 5000));
  }
  return "done";
}

interface Seen {
  readonly one: Step;
  readonly round: number;
  readonly saw: string;
}

function isConflict(error: unknown): boolean {
  return error instanceof VaultError && error.kind === "conflict";
}

/** Runs steps of several transactions as they come; what those that committed saw, in the order of their commits. */
async function interleave(
  vault: { files: VaultFiles },
  transactions: TransactionManager,
  steps: readonly Step[],
): Promise<{ committed: Seen[][]; lost: number }> {
  const open: (Transaction | null)[] = [null, null, null];
  const seen: Seen[][] = [[], [], []];
  const committed: Seen[][] = [];
  let lost = 0;
  for (const [round, one] of steps.entries()) {
    const { who, what } = one;
    const isEnd = what === "commit" || what === "rollback";
    if (who === 3) {
      if (!isEnd) committed.push([{ one, round, saw: await onFiles(vault.files, one, round) }]);
      continue;
    }
    const transaction = open[who] ??= await transactions.begin();
    try {
      if (what === "commit") await transaction.commit();
      else if (what === "rollback") await transaction.rollback();
      else seen[who].push({ one, round, saw: await onFiles(transaction.files, one, round) });
      if (what === "commit") committed.push(seen[who]);
    } catch (error) {
      if (!isConflict(error)) throw error;
      lost++;
    }
    if (isEnd || !transaction.isOpen) {
      open[who] = null;
      seen[who] = [];
    }
  }
  for (const transaction of open) await transaction?.rollback();
  return { committed, lost };
}

Deno.test("transactions that commit saw, and leave, what running one after the other does", async () => {
  let commits = 0;
  let conflicts = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      const { vault, transactions } = await fresh();
      for (let i = 0; i < 4; i++) await vault.files.makeDirectory(`/d${i}`);
      await vault.files.writeFile("/d0/f", new Uint8Array(40_000).fill(9));
      const model: Model = new Map([["/d0/f", new Uint8Array(40_000).fill(9)]]);
      const { committed, lost } = await interleave(vault, transactions, steps);
      for (const { one, round, saw } of committed.flat()) {
        assert.equal(saw, onModel(model, one, round), `${round}: ${JSON.stringify(one)}`);
      }
      for (let i = 0; i < 4; i++) {
        const found = await vault.files.exists(pathOf(i))
          ? sum(await vault.files.readFile(pathOf(i)))
          : "none";
        const wanted = model.get(pathOf(i));
        assert.equal(found, wanted === undefined ? "none" : sum(wanted));
      }
      assert.deepEqual((await checkVault(vault)).problems, []);
      commits += committed.length;
      conflicts += lost;
      await vault.close();
    }),
    { numRuns: 60 },
  );
  assert.ok(commits > 60 && conflicts > 5, `${commits} commits, ${conflicts} conflicts`);
});

Deno.test("a transaction loses as soon as what it read changes, and not when it did not read it", async () => {
  const { vault, transactions } = await fresh();
  await vault.files.makeDirectory("/a");
  await vault.files.makeDirectory("/b");
  await vault.files.writeFile("/a/f", "1");
  const reader = await transactions.begin();
  const other = await transactions.begin();
  assert.equal(await reader.files.readText("/a/f"), "1");
  await other.files.writeFile("/b/f", "1");
  await vault.files.writeFile("/a/f", "2");
  assert.equal(reader.isOpen, false);
  await assert.rejects(reader.files.readText("/b/f"), { kind: "conflict" });
  await assert.rejects(reader.commit(), { kind: "conflict" });
  await other.commit();
  await assert.rejects(other.files.readText("/b/f"), { kind: "invalid", message: /committed/ });
  assert.equal(await vault.files.readText("/b/f"), "1");
  await vault.close();
});

Deno.test("nothing of a transaction is seen outside before it commits, and its time-out rolls back", async () => {
  const { vault, transactions } = await fresh();
  await using transaction = await transactions.begin({ timeoutMs: 5 });
  await transaction.files.writeFile("/f", new Uint8Array(50_000));
  assert.equal(await vault.files.exists("/f"), false);
  const { promise, resolve } = Promise.withResolvers<void>();
  setTimeout(resolve, 6);
  await promise;
  await assert.rejects(transaction.commit(), { kind: "unavailable", message: /within 5 ms/ });
  assert.equal(await vault.files.exists("/f"), false);
  await vault.close();
});

Deno.test("at most 16 at once, too much data is refused, and what is given back is used again", async () => {
  const { vault, transactions } = await fresh();
  for (let round = 0; round < 3; round++) {
    const open: Transaction[] = [];
    for (let n = 0; n < 16; n++) open.push(await transactions.begin());
    await assert.rejects(transactions.begin(), { kind: "unavailable", message: /16 are open/ });
    for (const one of open) await one.rollback();
  }
  await using big = await transactions.begin();
  const tooMuch = async () => {
    for (let i = 0; i < 40; i++) await big.files.writeFile(`/f${i}`, new Uint8Array(2 * MIB));
  };
  await assert.rejects(tooMuch(), { errno: "ENOSPC" });
  await big.rollback();
  await vault.close();
});

Deno.test("after a power cut at any write, each transaction is there as a whole or not at all", async () => {
  arena.reset();
  const medium = new CrashMedium();
  const vault = await createKeyedVault({ medium, kernel: arena });
  const transactions = new TransactionManager(vault);
  for (const name of ["a", "b"]) await vault.files.makeDirectory(`/${name}`);
  await vault.commit();
  const from = medium.log.length;
  const [one, two] = [await transactions.begin(), await transactions.begin()];
  for (const name of ["x", "y"]) {
    await one.files.writeFile(`/a/${name}`, new Uint8Array(30_000).fill(1));
    await two.files.writeFile(`/b/${name}`, name);
  }
  await one.commit();
  await two.commit();
  medium.log.mark("both");
  const seen = new Set<string>();
  for (const image of medium.log.images(1, { points: [from, Infinity] })) {
    arena.reset();
    const opened = openKeyedVault({ medium: image.open(), kernel: arena });
    const names: string[] = [];
    for await (const { path } of opened.files.walk("/")) names.push(path);
    seen.add(names.join());
    if (image.mark === "both") assert.equal(names.length, 6);
  }
  assert.deepEqual([...seen].sort(), ["/a,/a/x,/a/y,/b", "/a,/a/x,/a/y,/b,/b/x,/b/y", "/a,/b"]);
});

Deno.test("a rollback to a snapshot makes every transaction lose", async () => {
  const { vault, transactions } = await fresh();
  await vault.files.writeFile("/file", "old");
  await vault.snapshots.create("main", "one");
  await vault.files.writeFile("/file", "later");
  await using transaction = await transactions.begin();
  assert.equal(await transaction.files.readText("/file"), "later");
  await vault.snapshots.rollback("main", "one");
  await assert.rejects(transaction.commit(), { kind: "conflict" });
  assert.equal(await vault.files.readText("/file"), "old");
  assert.deepEqual((await checkVault(vault)).problems, []);
  await vault.close();
});

Deno.test("what is asked of a transaction while it commits is refused, and no time-out undoes what was applied", async () => {
  const { vault, transactions } = await fresh();
  const transaction = await transactions.begin();
  await transaction.files.writeFile("/f", new Uint8Array(40_000));
  const committing = transaction.commit();
  const late = { kind: "invalid", message: /committed/ };
  await assert.rejects(transaction.files.writeFile("/late", "x"), late);
  await assert.rejects(transaction.commit(), late);
  await transaction.rollback();
  await committing;
  assert.deepEqual((await vault.files.list("/")).map(({ name }) => name), ["f"]);
  await vault.close();
});

Deno.test("a commit that the vault has no room for is rolled back, and the vault goes on", async () => {
  for (const [size, count] of [[2000, 6000], [30_000, 400]]) {
    arena.reset();
    const medium = new MemoryStorage({});
    const vault = await createKeyedVault({ medium, kernel: arena }, { segments: 6 });
    const transactions = new TransactionManager(vault);
    await vault.files.writeFile("/ballast", new Uint8Array(12 * MIB));
    await using large = await transactions.begin();
    for (let i = 0; i < count; i++) await large.files.writeFile(`/${i}`, new Uint8Array(size));
    await assert.rejects(large.commit(), { errno: "ENOSPC" });
    assert.equal((await vault.files.list("/")).length, 1);
    await using small = await transactions.begin();
    for (let i = 0; i < 5; i++) await small.files.writeFile(`/${i}`, new Uint8Array(size));
    await small.commit();
    assert.equal((await vault.files.list("/")).length, 6);
    assert.deepEqual((await checkVault(vault)).problems, []);
    await vault.close();
  }
});
