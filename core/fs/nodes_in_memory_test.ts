import assert from "node:assert/strict";
import { checkConsistency } from "../../tests/support/consistency.ts";
import { openFiles as open } from "../../tests/support/files_in_memory.ts";
import { emptyAttributes, named, ROOT } from "../../tests/support/open_memory_volume.ts";
import { failsWith } from "../../tests/support/posix_failure.ts";
import { S_IFDIR, S_IFIFO, S_IFREG } from "./mode.ts";

Deno.test("nodes in memory: what is removed and held lives until it is forgotten and closed, in either order", () => {
  const { fs, store } = open();
  fs.holdRemoved();
  const out = emptyAttributes();
  const make = (name: string, mode: number) => {
    fs.mknod(ROOT, { parent: 1, name: named(name) }, { mode, rdev: 0 }, out);
    return out.ino;
  };
  const fifo = make("fifo", S_IFIFO | 0o600);
  const kept = make("kept", S_IFDIR | 0o755);
  const replaced = make("replaced", S_IFDIR | 0o755);
  const moved = make("moved", S_IFDIR | 0o755);
  const file = make("file", S_IFREG | 0o600);
  fs.forget(kept); // the kernel forgets and looks up again as it likes while there is a name
  fs.open(fifo, 0);
  fs.unlink(1, named("fifo"));
  fs.rmdir(1, named("kept"));
  fs.unlink(1, named("file"));
  fs.rename({ parent: 1, name: named("moved") }, { parent: 1, name: named("replaced") }, {
    noReplace: false,
    exchange: false,
  });
  failsWith("ESTALE", () => fs.getattr(file, out));
  assert.deepEqual(checkConsistency(store).problems, [], "they are orphans");

  fs.open(kept, 0);
  const seen: string[] = [];
  fs.readdir(kept, 0, ({ name }) => seen.push(new TextDecoder().decode(name)) > 0);
  assert.deepEqual(seen, [".", ".."]);
  fs.setattr(ROOT, kept, { mode: 0o700 }, out);
  assert.deepEqual([out.mode, out.nlink], [S_IFDIR | 0o700, 0]);
  failsWith("ENOENT", () => fs.lookup(kept, named("x"), out));
  const place = { parent: kept, name: named("x") };
  failsWith("ENOENT", () => fs.mknod(ROOT, place, { mode: S_IFREG, rdev: 0 }, out));
  fs.setattr(ROOT, fifo, { mode: 0o620 }, out);

  fs.release(kept);
  fs.getattr(kept, out);
  fs.forget(fifo);
  fs.getattr(fifo, out);
  assert.deepEqual([out.mode, out.nlink], [S_IFIFO | 0o620, 0]);
  fs.release(fifo);
  for (const ino of [kept, replaced]) fs.forget(ino);
  for (const ino of [kept, replaced, fifo]) failsWith("ESTALE", () => fs.getattr(ino, out));
  fs.forget(moved);
  fs.getattr(moved, out);
  assert.deepEqual(checkConsistency(store), { problems: [], files: 0, directories: 2 });
});

Deno.test("nodes in memory: a crash frees what was held", async () => {
  const { fs, store } = open();
  fs.holdRemoved();
  const out = emptyAttributes();
  for (const name of ["stays", "gone"]) {
    fs.mknod(ROOT, { parent: 1, name: named(name) }, { mode: S_IFDIR | 0o755, rdev: 0 }, out);
  }
  fs.rmdir(1, named("gone"));
  await fs.syncAll();
  const image = store.image();
  const crashed = open({ image });
  failsWith("ESTALE", () => crashed.fs.getattr(out.ino, out));
  assert.deepEqual(checkConsistency(crashed.store), { problems: [], files: 0, directories: 2 });
});

Deno.test("nodes in memory: who walked to a file that is replaced meanwhile gets the old one", () => {
  const { fs, files, store } = open();
  fs.holdRemoved();
  const [old, replacing] = ["name", "new"].map((name) => files.create(name));
  for (const ino of [old, replacing]) files.write(ino, 0, named(`${ino}`));
  const [from, to] = ["new", "name"].map((name) => ({ parent: 1, name: named(name) }));
  fs.rename(from, to, { noReplace: false, exchange: false });
  const out = emptyAttributes();
  fs.setattr(ROOT, old, { mode: 0o640 }, out);
  assert.deepEqual([out.ino, out.mode, out.nlink], [old, S_IFREG | 0o640, 0]);
  fs.open(old, 0);
  assert.deepEqual(files.read(old, 0, 9), named(`${old}`));
  fs.forget(old);
  fs.release(old);
  failsWith("ESTALE", () => fs.getattr(old, out));
  fs.lookup(1, named("name"), out);
  assert.equal(out.ino, replacing);
  assert.deepEqual(checkConsistency(store), { problems: [], files: 1, directories: 1 });
});

Deno.test("nodes in memory: however many files are open, few stay in memory when they are closed", () => {
  const { fs, files } = open();
  const opened = Array.from({ length: 3000 }, (_, i) => files.create(`${i}`));
  for (const ino of opened) fs.open(ino, 0);
  for (const ino of opened.slice(0, 100)) files.write(ino, 0, named("x"));
  assert.ok(fs.nodesInMemory >= 3000);
  for (const ino of opened) fs.release(ino);
  for (let i = 0; i < 3000; i++) files.truncate(opened[0], i);
  assert.ok(fs.nodesInMemory <= 1024, `${fs.nodesInMemory} nodes`);
});
