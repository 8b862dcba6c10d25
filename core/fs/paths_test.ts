import assert from "node:assert/strict";
import { failsWith } from "../../tests/support/posix_failure.ts";
import {
  emptyAttributes,
  type MemoryVolume,
  named,
  openMemoryVolume,
  ROOT,
} from "../../tests/support/open_memory_volume.ts";
import { S_IFREG } from "./mode.ts";
import { Paths } from "./paths.ts";

function open(): MemoryVolume & { paths: Paths } {
  const volume = openMemoryVolume();
  return { ...volume, paths: new Paths(volume.fs) };
}

function inoOf(paths: Paths, path: string): number {
  const out = emptyAttributes();
  paths.stat(path, out);
  return out.ino;
}

Deno.test("paths: directories are made with those above them, once", () => {
  const { paths } = open();
  const ino = paths.makeDirectories(ROOT, "/a//b/c/");
  assert.equal(inoOf(paths, "a/b/c"), ino);
  assert.equal(paths.makeDirectories(ROOT, "a/b/c"), ino);
  assert.equal(inoOf(paths, "/a/b/c/../../b/./c"), ino);
  assert.equal(inoOf(paths, "/"), 1);
});

Deno.test("paths: symlinks are followed, relative and absolute, but for the last in lstat", () => {
  const { fs, paths } = open();
  const a = paths.makeDirectories(ROOT, "a");
  const b = paths.makeDirectories(ROOT, "b");
  const out = emptyAttributes();
  fs.symlink(ROOT, { parent: a, name: named("up") }, named("../b"), out);
  const link = out.ino;
  fs.symlink(ROOT, { parent: b, name: named("home") }, named("/a/up"), out);
  assert.equal(inoOf(paths, "a/up"), b);
  assert.equal(inoOf(paths, "a/up/home"), b);
  paths.lstat("b/home/../a/up", out);
  assert.equal(out.ino, link);
  paths.lstat("a/up/", out);
  assert.equal(out.ino, b);
});

Deno.test("paths: a loop of symlinks ends in ELOOP", () => {
  const { fs, paths } = open();
  const out = emptyAttributes();
  fs.symlink(ROOT, { parent: 1, name: named("one") }, named("two"), out);
  fs.symlink(ROOT, { parent: 1, name: named("two") }, named("one"), out);
  failsWith("ELOOP", () => paths.stat("one", out));
});

Deno.test("paths: a file is no directory", () => {
  const { fs, paths } = open();
  const out = emptyAttributes();
  fs.mknod(ROOT, { parent: 1, name: named("file") }, { mode: S_IFREG | 0o600, rdev: 0 }, out);
  failsWith("ENOTDIR", () => paths.stat("file/x", out));
  failsWith("ENOTDIR", () => paths.stat("file/", out));
  failsWith("ENOTDIR", () => paths.last("file/x"));
  failsWith("ENOTDIR", () => paths.last("file/"));
  assert.deepEqual(paths.last("new/").name, named("new"));
  failsWith("ENOTDIR", () => paths.makeDirectories(ROOT, "file/x"));
  failsWith("ENOENT", () => paths.stat("nothing", out));
});

Deno.test("paths: a walk visits everything, a removal removes it", () => {
  const { fs, paths, store } = open();
  const out = emptyAttributes();
  paths.makeDirectories(ROOT, "top/x/y");
  paths.makeDirectories(ROOT, "top/z");
  for (let i = 0; i < 200; i++) {
    const parent = inoOf(paths, i % 2 === 0 ? "top/x" : "top/x/y");
    fs.mknod(ROOT, { parent, name: named(`file${i}`) }, { mode: S_IFREG | 0o600, rdev: 0 }, out);
  }
  const seen: string[] = [];
  paths.walk(inoOf(paths, "top"), ({ path }) => seen.push(new TextDecoder().decode(path)) > 0);
  assert.equal(new Set(seen).size, 203);
  assert.ok(seen.includes("x/y/file7") && seen.indexOf("x") < seen.indexOf("x/y"));
  paths.removeTree(paths.last("/top"));
  failsWith("ENOENT", () => paths.stat("top", out));
  assert.equal(store.tree.size, 1);
});
