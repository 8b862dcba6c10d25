/** Files are locked, unlocked and shredded between everything else that a vault can do; a model says what each tree shows. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { ArenaKernel } from "../../tests/support/arena_kernel.ts";
import { FakeRuntime } from "../../tests/support/fake_runtime.ts";
import { FAST_KDF } from "../../tests/support/header_world.ts";
import { createKeyedVault, openKeyedVault } from "../../tests/support/keyed_vault.ts";
import { MIB } from "../limits.ts";
import { checkVault } from "./check.ts";
import type { VaultFiles } from "./files.ts";
import type { Vault } from "./vault.ts";

const RUNS = Number(Deno.env.get("SIGMAVAULT_LOCK_RUNS") ?? 25);
const LOCK = { passphrase: "extra", kdf: FAST_KDF } as const;
const NAMES = ["a", "b", "c"] as const;
const arena = new ArenaKernel(48 * MIB);

/** What a tree holds: by name, which file and what content. */
type Tree = Map<string, { readonly file: number; readonly content: string }>;

interface Model {
  readonly volumes: Map<string, { tree: Tree; line: number }>;
  readonly snapshots: Map<string, { readonly volume: string; readonly tree: Tree }>;
  /** Files, in a line, that nobody can read. */
  readonly locked: Set<string>;
  readonly shredded: Set<string>;
  count: number;
}

const name = fc.constantFrom(...NAMES);
const volume = fc.constantFrom("main", "twin");
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("write" as const),
      volume,
      name,
      size: fc.constantFrom(0, 1, 30, 2000, 5000, 40_000),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("change" as const), volume, name }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("snapshot" as const), volume }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("drop" as const), at: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("rollback" as const), at: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("clone" as const), at: fc.nat(9) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        "lock" as const,
        "unlock" as const,
        "shred" as const,
        "remove" as const,
      ),
      volume,
      name,
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("lock" as const), volume, name }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("reopen" as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** A vault beside what it should hold. */
class World {
  vault: Vault;
  readonly medium: MemoryStorage;
  readonly model: Model;

  constructor(vault: Vault, medium: MemoryStorage) {
    this.vault = vault;
    this.medium = medium;
    const volumes = new Map([["main", { tree: new Map(), line: 1 }]]);
    this.model = {
      volumes,
      snapshots: new Map(),
      locked: new Set(),
      shredded: new Set(),
      count: 1,
    };
  }

  keyOf(volume: string, name: string): string | null {
    const own = this.model.volumes.get(volume);
    const entry = own?.tree.get(name);
    return own === undefined || entry === undefined ? null : `${own.line} ${entry.file}`;
  }

  isDenied(key: string): boolean {
    return this.model.locked.has(key) || this.model.shredded.has(key);
  }

  async in<T>(volume: string, use: (files: VaultFiles) => Promise<T>): Promise<T> {
    await using opened = await this.vault.volumes.open(volume);
    return await use(opened.files);
  }

  async run(step: Step): Promise<void> {
    if (step.kind === "reopen") return await this.reopen();
    if (step.kind === "snapshot") return await this.snapshot(step.volume);
    if ("at" in step) return await this.withSnapshot(step.kind, step.at);
    if (!this.model.volumes.has(step.volume)) return;
    if (step.kind === "write") return await this.write(step.volume, step.name, step.size);
    const key = this.keyOf(step.volume, step.name);
    if (key === null) return;
    if (step.kind === "change") return await this.change(step.volume, step.name, key);
    await this.lockVerb(step.kind, step, key);
  }

  async write(volume: string, name: string, size: number): Promise<void> {
    const file = ++this.model.count;
    const content = String.fromCharCode(33 + file % 90).repeat(size);
    await this.in(volume, (files) => files.writeFile(name, content));
    this.model.volumes.get(volume)!.tree.set(name, { file, content });
  }

  async change(volume: string, name: string, key: string): Promise<void> {
    const { tree } = this.model.volumes.get(volume)!;
    const { file, content } = tree.get(name)!;
    const changed = "changed" + content.slice(7);
    const writing = this.in(volume, async (files) => {
      await using open = await files.open(name, { access: "write" });
      await open.write(0, new TextEncoder().encode("changed"));
    });
    if (this.isDenied(key)) await assert.rejects(writing, { kind: "denied" });
    else {
      await writing;
      tree.set(name, { file, content: changed });
    }
  }

  async lockVerb(
    kind: "lock" | "unlock" | "shred" | "remove",
    { volume, name }: { readonly volume: string; readonly name: string },
    key: string,
  ): Promise<void> {
    const { locked, shredded, volumes } = this.model;
    const work = this.in(volume, async (files) => {
      if (kind === "remove") await files.remove(name);
      else if (kind === "shred") await files.shred(name);
      else await files[kind](name, LOCK);
    });
    const refused = kind === "lock" ? this.isDenied(key) : kind === "unlock" && !locked.has(key);
    if (refused) return void await assert.rejects(work);
    await work;
    if (kind === "lock") locked.add(key);
    if (kind === "unlock" || kind === "shred") locked.delete(key);
    if (kind === "shred") shredded.add(key);
    if (kind === "shred" || kind === "remove") volumes.get(volume)!.tree.delete(name);
  }

  async snapshot(volume: string): Promise<void> {
    const { volumes, snapshots } = this.model;
    const own = volumes.get(volume);
    if (own === undefined || snapshots.size > 5) return;
    const name = `s${++this.model.count}`;
    await this.vault.snapshots.create(volume, name);
    snapshots.set(name, { volume, tree: new Map(own.tree) });
  }

  async withSnapshot(kind: "drop" | "rollback" | "clone", at: number): Promise<void> {
    const { volumes, snapshots } = this.model;
    const found = [...snapshots][at % Math.max(1, snapshots.size)];
    if (found === undefined) return;
    const [name, { volume, tree }] = found;
    if (kind === "drop") {
      await this.vault.snapshots.delete(volume, name);
      snapshots.delete(name);
    } else if (kind === "rollback") {
      await this.vault.snapshots.rollback(volume, name);
      volumes.get(volume)!.tree = new Map(tree);
    } else if (!volumes.has("twin")) {
      await this.vault.snapshots.clone(volume, name, "twin");
      volumes.set("twin", { tree: new Map(tree), line: volumes.get(volume)!.line });
    }
  }

  async reopen(): Promise<void> {
    await this.vault.close();
    arena.reset();
    const medium = new MemoryStorage({ content: this.medium.content });
    this.vault = openKeyedVault({ medium, kernel: arena, runtime: new FakeRuntime(9) });
  }

  async verify(): Promise<void> {
    const { problems } = await checkVault(this.vault);
    assert.deepEqual(problems, []);
    const { volumes, snapshots } = this.model;
    for (const [name, { tree, line }] of volumes) {
      await this.in(name, (files) => this.verifyTree(files, tree, line));
    }
    for (const [name, { volume, tree }] of snapshots) {
      await using opened = await this.vault.snapshots.open(volume, name);
      await this.verifyTree(opened.files, tree, volumes.get(volume)!.line);
    }
  }

  async verifyTree(files: VaultFiles, tree: Tree, line: number): Promise<void> {
    const names = (await files.list("/")).map(({ name }) => name);
    assert.deepEqual(names, [...tree.keys()].sort());
    for (const [name, { file, content }] of tree) {
      assert.equal((await files.stat(name)).size, content.length);
      if (this.isDenied(`${line} ${file}`)) {
        await assert.rejects(files.readFile(name), { kind: "denied" });
      } else assert.equal(await files.readText(name), content);
    }
  }
}

Deno.test("locks: whatever else is done, each tree shows what it held, or denies it", async () => {
  const steps = fc.array(step, { minLength: 10, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(
      steps,
      fc.constantFrom({ k: 1, m: 0 }, { k: 2, m: 1 }),
      async (all, redundancy) => {
        arena.reset();
        const medium = new MemoryStorage({});
        const shape = { segments: 16, blockBytes: 4096, redundancy };
        const vault = await createKeyedVault({ medium, kernel: arena }, shape);
        const world = new World(vault, medium);
        for (const [i, one] of all.entries()) {
          await world.run(one);
          if (i % 6 === 5) await world.verify();
        }
        await world.verify();
        await world.vault.close();
      },
    ),
    { numRuns: RUNS, seed: Number(Deno.env.get("SIGMAVAULT_LOCK_SEED") ?? 7) },
  );
});
