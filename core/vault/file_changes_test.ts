import assert from "node:assert/strict";
import fc from "fast-check";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { ArenaKernel } from "../../tests/support/arena_kernel.ts";
import { FakeRuntime } from "../../tests/support/fake_runtime.ts";
import { createKeyedVault } from "../../tests/support/keyed_vault.ts";
import { VaultError } from "../errors.ts";
import { MIB } from "../limits.ts";
import type { Page } from "../btree/page.ts";
import { Tree } from "../btree/tree.ts";
import type { IdPages } from "../tree/id_pages.ts";
import { treeDifference } from "../tree/tree_difference.ts";
import type { VaultFiles } from "./files.ts";
import type { Vault } from "./vault.ts";

const arena = new ArenaKernel(60 * MIB);

async function fresh(runtime = new FakeRuntime(), segments = 8): Promise<Vault> {
  arena.reset();
  const medium = new MemoryStorage({});
  return await createKeyedVault({ medium, kernel: arena, runtime }, { segments });
}

/** Some of them are no UTF-8. */
const NAMES = [[0x61], [0x62], [0xff, 0x63], [0xc3, 0xa9]].map((bytes) => new Uint8Array(bytes));

interface Step {
  readonly what:
    | "write"
    | "append"
    | "remove"
    | "rename"
    | "directory"
    | "link"
    | "symlink"
    | "chmod"
    | "read";
  readonly from: readonly number[];
  readonly to: readonly number[];
  readonly size: number;
}

const place = fc.array(fc.nat(NAMES.length - 1), { minLength: 1, maxLength: 3 });
const step: fc.Arbitrary<Step> = fc.record({
  what: fc.constantFrom(
    ...([
      "write",
      "append",
      "remove",
      "rename",
      "directory",
      "link",
      "symlink",
      "chmod",
      "read",
    ] as const),
  ),
  from: place,
  to: place,
  size: fc.oneof(fc.nat(3000), fc.nat(30_000)),
});

function pathOf(names: readonly number[]): Uint8Array {
  return new Uint8Array(names.flatMap((name) => [0x2f, ...NAMES[name]]));
}

async function act(files: VaultFiles, { what, from, to, size }: Step): Promise<void> {
  const [path, other] = [pathOf(from), pathOf(to)];
  try {
    if (what === "write") await files.writeFile(path, new Uint8Array(size).fill(size));
    else if (what === "append") {
      await using file = await files.open(path, { access: "write" });
      await file.write(size, new Uint8Array([1]));
    } else if (what === "remove") await files.remove(path, { recursive: size % 2 === 0 });
    else if (what === "rename") await files.rename(path, other);
    else if (what === "directory") await files.makeDirectory(path);
    else if (what === "link") await files.link(path, other);
    else if (what === "symlink") await files.symlink("x", path);
    else if (what === "chmod") await files.chmod(path, 0o600 + size % 8);
    else await files.readFile(path);
  } catch (error) {
    // What cannot be done there is not done.
    if (!(error instanceof VaultError)) throw error;
  }
}

interface Named {
  readonly path: string;
  readonly ino: number;
  readonly type: string;
  /** What makes a difference. */
  readonly state: string;
}

/** Every name by the directory that it is in, which may be renamed itself. */
async function namesOf(files: VaultFiles): Promise<Map<string, Named>> {
  const names = new Map<string, Named>();
  const visit = async (path: Uint8Array<ArrayBuffer>, directory: number): Promise<void> => {
    for (const { nameBytes } of await files.list(path)) {
      const slash = path.length === 1 ? [] : [0x2f];
      const below = new Uint8Array([...path, ...slash, ...nameBytes]);
      const { ino, type, mode, size, times } = await files.stat(below, { followSymlinks: false });
      const isDirectory = type === "directory";
      const content = isDirectory
        ? [mode]
        : [mode, size, times.mtime.seconds, times.mtime.nanoseconds];
      names.set(`${directory}/${nameBytes.join()}`, {
        path: below.join(),
        ino,
        type,
        state: content.join(),
      });
      if (isDirectory) await visit(below, ino);
    }
  };
  await visit(new Uint8Array([0x2f]), 1);
  return names;
}

/** The differences, by looking at everything. */
function compared(old: Map<string, Named>, now: Map<string, Named>): string[] {
  const changes: string[] = [];
  const [removed, added]: [Named[], Named[]] = [[], []];
  const inos = (names: Map<string, Named>) =>
    new Map([...names.values()].map(({ ino, state }) => [ino, state]));
  const [before, after] = [inos(old), inos(now)];
  const renamedTo = new Set<string>();
  for (const [name, was] of old) {
    const is = now.get(name);
    const isSame = is?.ino === was.ino;
    if (isSame) continue;
    if (is !== undefined && is.type === was.type && was.type !== "directory") {
      changes.push(`modified ${is.path}`);
    } else {
      removed.push(was);
      if (is !== undefined) added.push(is);
    }
  }
  for (const [name, is] of now) if (!old.has(name)) added.push(is);
  for (const is of added) {
    const at = removed.findIndex(({ ino }) => ino === is.ino);
    if (at < 0) {
      changes.push(`added ${is.path}`);
      renamedTo.add(is.path);
      continue;
    }
    changes.push(`renamed ${is.path}`);
    removed.splice(at, 1);
  }
  for (const { path } of removed) changes.push(`removed ${path}`);
  for (const [name, is] of now) {
    const was = old.get(name);
    const isReplaced = was !== undefined && was.ino !== is.ino && was.type === is.type &&
      was.type !== "directory";
    const state = before.get(is.ino);
    const differs = state !== undefined && state !== after.get(is.ino);
    if (differs && !isReplaced && !renamedTo.has(is.path)) changes.push(`modified ${is.path}`);
  }
  return changes.sort();
}

Deno.test("a difference of two states is what looking at everything finds", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 5, maxLength: 40 }),
      fc.array(step, { maxLength: 25 }),
      async (first, second) => {
        const runtime = new FakeRuntime();
        const vault = await fresh(runtime);
        const play = async (steps: readonly Step[]) => {
          for (const one of steps) {
            // Whatever writes to a file changes its time.
            runtime.advance(10);
            await act(vault.files, one);
          }
        };
        await play(first);
        await vault.snapshots.create("main", "one");
        await play(second);
        await using snapshot = await vault.snapshots.open("main", "one");
        const expected = compared(await namesOf(snapshot.files), await namesOf(vault.files));
        const found = await vault.snapshots.diff("main", "one");
        const shown = found.map(({ kind, pathBytes }) => `${kind} ${pathBytes.join()}`);
        assert.deepEqual([...new Set(shown)].sort(), [...new Set(expected)]);
        await vault.snapshots.create("main", "two");
        const again = await vault.snapshots.diff("main", "one", "two");
        assert.deepEqual(again, found);
        assert.deepEqual(await vault.snapshots.diff("main", "two"), []);
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("a difference reads what changed, and finds the path of a file where it was named last", async () => {
  const vault = await fresh(undefined, 16);
  for (let d = 0; d < 40; d++) {
    await vault.files.makeDirectory(`/d${d}`);
    for (let n = 0; n < 100; n++) await vault.files.writeFile(`/d${d}/f${n}`, `${n}`);
  }
  await vault.snapshots.create("main", "one");
  await vault.files.writeFile("/d7/f3", "changed");
  await vault.files.link("/d8/f3", "/d9/linked");
  await vault.snapshots.create("main", "two");
  const changes = await vault.snapshots.diff("main", "one", "two");
  assert.deepEqual(changes.map(({ kind, path }) => [kind, path]), [
    ["modified", "/d7/f3"],
    ["added", "/d9/linked"],
  ]);
  const { opened: { volumes, volume: { store } } } = vault;
  const real = store.readPages();
  const read = new Set<number>();
  const counting = {
    cache: real.cache,
    page: (id: number): Page => {
      read.add(id);
      return real.page(id);
    },
  } as unknown as IdPages;
  const [before, after] = ["one", "two"].map((name) =>
    real.page(volumes.placeOf("main", name).root)
  );
  treeDifference(counting, { before, after }, () => {});
  let pages = 0;
  new Tree(real, after).scan(new Uint8Array(1), () => pages++ >= 0);
  assert.ok(pages > 8000, "records");
  assert.ok(read.size <= 24, `${read.size} nodes read`);
});
