/** What was there before a copy that fails is there after it. */
import assert from "node:assert/strict";
import { type CopyOptions, copyTree } from "../../core/command/copy_tree.ts";
import type { FilePart } from "../../core/command/file_parts.ts";
import type { FileTree } from "../../core/command/file_tree.ts";
import { VaultError } from "../../core/errors.ts";
import { systemRuntime } from "../../core/runtime.ts";
import { LOCAL_FILES } from "../../ffi/host/local_files.ts";

const OPTIONS: CopyOptions = { keepOwners: false, runtime: systemRuntime };

interface World {
  readonly path: (name: string) => string;
  readonly names: () => string[];
}

async function withFiles(test: (world: World) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${directory}/old`, "good");
    await Deno.writeTextFile(`${directory}/new`, "better");
    await test({
      path: (name) => `${directory}/${name}`,
      names: () => [...Deno.readDirSync(directory)].map(({ name }) => name).sort(),
    });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Gives half of each file. */
function breaking(): FileTree {
  return {
    ...LOCAL_FILES,
    async *read(): AsyncGenerator<FilePart> {
      yield new TextEncoder().encode("bet");
      await Promise.resolve();
      throw new VaultError("corrupt", "Cannot read a block");
    },
  };
}

Deno.test("copies: a source that cannot be read to its end leaves what the target was", async () => {
  await withFiles(async ({ path, names }) => {
    const from = { tree: breaking(), path: path("new") };
    for (const goal of ["old", "none"]) {
      const to = { tree: LOCAL_FILES, path: path(goal) };
      await assert.rejects(copyTree(from, to, OPTIONS), { kind: "corrupt" });
    }
    assert.equal(await Deno.readTextFile(path("old")), "good");
    assert.deepEqual(names(), ["new", "old"]);
  });
});

Deno.test("copies: a target that takes no more, or not that name, keeps what it had", async () => {
  await withFiles(async ({ path, names }) => {
    const full = new VaultError("unavailable", "Cannot store data: it is full", {
      errno: "ENOSPC",
    });
    const fails = () => Promise.reject(full);
    for (const fault of [{ write: fails }, { rename: fails }, { setAttributes: fails }]) {
      const to = { tree: { ...LOCAL_FILES, ...fault }, path: path("old") };
      const from = { tree: LOCAL_FILES, path: path("new") };
      await assert.rejects(copyTree(from, to, OPTIONS), { errno: "ENOSPC" });
    }
    assert.equal(await Deno.readTextFile(path("old")), "good");
    assert.deepEqual(names(), ["new", "old"]);
  });
});

Deno.test("copies: one that is stopped leaves what the target was", async () => {
  await withFiles(async ({ path, names }) => {
    const stopping = new AbortController();
    const options = {
      ...OPTIONS,
      signal: stopping.signal,
      progress: () => stopping.abort(new Error("stopped")),
    };
    await Deno.mkdir(path("tree"));
    for (const name of ["a", "b"]) await Deno.writeTextFile(path(`tree/${name}`), name);
    const from = { tree: LOCAL_FILES, path: path("tree") };
    const to = { tree: LOCAL_FILES, path: path("copy") };
    await assert.rejects(copyTree(from, to, options), { message: "stopped" });
    assert.deepEqual([...Deno.readDirSync(path("copy"))].map(({ name }) => name), ["a"]);
    assert.deepEqual(names(), ["copy", "new", "old", "tree"]);
  });
});

Deno.test("copies: what is in the way and no file or symlink stays", async () => {
  await withFiles(async ({ path, names }) => {
    await Deno.symlink("new", path("link"));
    const device: FileTree = {
      ...LOCAL_FILES,
      stat: async (at) => ({ ...await LOCAL_FILES.stat(at), kind: "character-device" }),
      isStream: () => Promise.resolve(false),
    };
    for (const name of ["new", "link"]) {
      const to = { tree: device, path: path("old") };
      const copied = copyTree({ tree: LOCAL_FILES, path: path(name) }, to, OPTIONS);
      await assert.rejects(copied, { kind: "conflict", message: /is a character device$/ });
    }
    assert.equal(await Deno.readTextFile(path("old")), "good");
    assert.deepEqual(names(), ["link", "new", "old"]);
  });
});

Deno.test("copies: a pipe gets the bytes and stays what it is", async () => {
  await withFiles(async ({ path }) => {
    assert.ok(
      (await new Deno.Command("mkfifo", { args: ["-m", "600", path("pipe")] }).output()).success,
    );
    await Deno.symlink("pipe", path("out"));
    for (const [name, follows] of [["pipe", false], ["out", true]] as const) {
      const reading = new Deno.Command("cat", { args: [path("pipe")] }).output();
      const to = { tree: LOCAL_FILES, path: path(name) };
      await copyTree({ tree: LOCAL_FILES, path: path("new") }, to, { ...OPTIONS, follows });
      assert.equal(new TextDecoder().decode((await reading).stdout), "better");
    }
    const { isFifo, mode } = await Deno.lstat(path("pipe"));
    assert.deepEqual([isFifo, mode! & 0o777], [true, 0o600]);
    assert.ok((await Deno.lstat(path("out"))).isSymlink);
  });
});

Deno.test("copies: a second name of what is there already stays one", async () => {
  await withFiles(async ({ path, names }) => {
    await Deno.mkdir(path("tree"));
    await Deno.writeTextFile(path("tree/a"), "same");
    await Deno.link(path("tree/a"), path("tree/b"));
    const from = { tree: LOCAL_FILES, path: path("tree") };
    const to = { tree: LOCAL_FILES, path: path("copy") };
    for (let time = 0; time < 2; time++) await copyTree(from, to, OPTIONS);
    const inos = ["a", "b"].map((name) => Deno.lstatSync(path(`copy/${name}`)).ino);
    assert.equal(inos[0], inos[1]);
    assert.deepEqual([...Deno.readDirSync(path("copy"))].map(({ name }) => name).sort(), [
      "a",
      "b",
    ]);
    assert.deepEqual(names(), ["copy", "new", "old", "tree"]);
  });
});

Deno.test("copies: one into a pipe that nobody reads can be stopped", async () => {
  await withFiles(async ({ path, names }) => {
    const stopping = new AbortController();
    const hanging: FileTree = {
      ...LOCAL_FILES,
      stat: async (at) => ({ ...await LOCAL_FILES.stat(at), kind: "fifo" }),
      isStream: () => Promise.resolve(true),
      write: () => {
        stopping.abort(new Error("stopped"));
        return new Promise(() => {});
      },
    };
    const to = { tree: hanging, path: path("old") };
    const { signal } = stopping;
    const copied = copyTree({ tree: LOCAL_FILES, path: path("new") }, to, { ...OPTIONS, signal });
    await assert.rejects(copied, { message: "stopped" });
    assert.deepEqual(names(), ["new", "old"]);
  });
});

Deno.test("copies: of a tree in which something is damaged, the rest is copied, and what is not is named", async () => {
  await withFiles(async ({ path, names }) => {
    await Deno.mkdir(path("tree/broken"), { recursive: true });
    for (const name of ["a", "b", "c"]) await Deno.writeTextFile(path(`tree/${name}`), name);
    const fails = (verb: string) => new VaultError("corrupt", `Cannot ${verb} it`);
    const damaged: FileTree = {
      ...LOCAL_FILES,
      read: (from) => from.endsWith("/b") ? breaking().read(from) : LOCAL_FILES.read(from),
      list: (from) =>
        from.endsWith("/broken") ? Promise.reject(fails("list")) : LOCAL_FILES.list(from),
    };
    const from = { tree: damaged, path: path("tree") };
    const report = await copyTree(from, { tree: LOCAL_FILES, path: path("copy") }, OPTIONS);
    assert.deepEqual(report.unreadable, [
      { path: path("tree/b"), why: "Cannot read a block", kind: "corrupt" },
      { path: path("tree/broken"), why: "Cannot list it", kind: "corrupt" },
    ]);
    assert.equal(report.files, 2);
    assert.deepEqual(names(), ["copy", "new", "old", "tree"]);
    const copied = [...Deno.readDirSync(path("copy"))].map(({ name }) => name).sort();
    assert.deepEqual(copied, ["a", "broken", "c"]);
  });
});
