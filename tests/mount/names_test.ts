/** What conformance suites ask of names: making, linking, renaming, removing, by root and by others. */
import assert from "node:assert/strict";
import { whyNoMount } from "../support/mounted_driver.ts";
import { MountedVault } from "../support/mounted_vault.ts";
import { O, S, type SystemCalls } from "../support/system_calls.ts";
import { runChapters } from "../support/system_chapters.ts";

const reason = whyNoMount();
const LONG = "n".repeat(255);
const TOO_LONG = "n".repeat(256);
const PATH_MAX_BYTES = 4096;
const NOREPLACE = 1;
const EXCHANGE = 2;
const NOBODY = 65534;
const equal: (actual: unknown, wanted: unknown, what?: string) => void = assert.equal;

/** Every way to make something, by name. */
const MAKERS: Record<string, (c: SystemCalls, path: string) => string | number> = {
  open: (c, path) => c.create(path),
  mkdir: (c, path) => c.mkdir(path),
  mkfifo: (c, path) => c.mkfifo(path),
  "mknod of a device": (c, path) => c.mknod(path, S.IFCHR | 0o644, 0x103),
  "mknod of a socket": (c, path) => c.mknod(path, S.IFSOCK | 0o644),
  "mknod of a file": (c, path) => c.mknod(path, S.IFREG | 0o644),
  symlink: (c, path) => c.symlink("target", path),
  link: (c, path) => {
    c.create("linked");
    return c.link("linked", path);
  },
  rename: (c, path) => {
    c.create("moved");
    return c.rename("moved", path);
  },
};

function makes(c: SystemCalls): void {
  c.create("file");
  c.mkdir("closed", 0o755);
  c.symlink("loop", "loop");
  c.mkdir("open", 0o777);
  c.chmod("open", 0o777);
  const deep = "d/".repeat(PATH_MAX_BYTES / 2);
  for (const [name, make] of Object.entries(MAKERS)) {
    const check = (wanted: string, path: string) => equal(make(c, path), wanted, `${name} ${path}`);
    check("ok", "fresh");
    if (name !== "rename") {
      check("EEXIST", "fresh");
      check("EEXIST", "closed");
      check("EEXIST", "loop");
    }
    if (name === "mkdir") c.rmdir("fresh");
    else c.unlink("fresh");
    check("ENOENT", "missing/x");
    check("ENOTDIR", "file/x");
    check("ELOOP", "loop/x");
    check("ok", LONG);
    if (name === "mkdir") c.rmdir(LONG);
    else c.unlink(LONG);
    check("ENAMETOOLONG", TOO_LONG);
    check("ENAMETOOLONG", `${TOO_LONG}/x`);
    check("ENAMETOOLONG", deep);
    c.as(NOBODY, NOBODY, () => {
      // Neither may he make a device, nor link or move what is not his.
      if (/device|link$|rename/.test(name) && name !== "symlink") return;
      check("EACCES", "closed/x");
      check("ok", "open/x");
      const { uid, gid } = c.stat("open/x");
      assert.deepEqual({ name, uid, gid }, { name, uid: NOBODY, gid: NOBODY });
      if (name === "mkdir") c.rmdir("open/x");
      else equal(c.unlink("open/x"), "ok");
    });
  }
  equal(c.as(NOBODY, NOBODY, () => c.mknod("open/device", S.IFCHR | 0o644, 0x103)), "EPERM");
}

function modesOfNewNodes(c: SystemCalls): void {
  const made: [string, (mode: number) => unknown][] = [
    ["file", (mode) => c.create("file", mode)],
    ["dir", (mode) => c.mkdir("dir", mode)],
    ["fifo", (mode) => c.mkfifo("fifo", mode)],
    ["node", (mode) => c.mknod("node", S.IFREG | mode)],
  ];
  for (const [name, make] of made) {
    for (const [mode, mask, wanted] of [[0o755, 0, 0o755], [0o777, 0o151, 0o626], [0, 0, 0]]) {
      const before = c.stat(".");
      c.umask(mask, () => make(mode));
      const after = c.stat(name);
      equal(after.mode & 0o7777, wanted, `${name} ${mode.toString(8)}`);
      const parent = c.stat(".");
      assert.ok(parent.mtime > before.mtime && parent.ctime > before.ctime, "the parent changed");
      for (const time of [after.atime, after.mtime, after.ctime]) assert.ok(time >= before.mtime);
      if (name === "dir") c.rmdir(name);
      else c.unlink(name);
    }
  }
  c.mknod("block", S.IFBLK | 0o600, 0x1234);
  const { mode, major, minor } = c.stat("block");
  assert.deepEqual([mode, major, minor], [S.IFBLK | 0o600, 0x12, 0x34]);
}

function directories(c: SystemCalls): void {
  c.mkdir("a");
  equal(c.stat("a").nlink, 2);
  c.mkdir("a/b");
  equal(c.stat("a").nlink, 3);
  equal(c.rmdir("a"), "ENOTEMPTY");
  equal(c.rmdir("a/b/."), "EINVAL");
  equal(c.rmdir("a/b/.."), "ENOTEMPTY");
  equal(c.rmdir("a/missing"), "ENOENT");
  c.create("a/file");
  equal(c.rmdir("a/file"), "ENOTDIR");
  equal(c.rmdir("a/file/x"), "ENOTDIR");
  equal(c.unlink("a/b"), "EISDIR");
  equal(c.rmdir(`a/${TOO_LONG}`), "ENAMETOOLONG");
  c.unlink("a/file");
  const before = c.stat("a");
  equal(c.rmdir("a/b"), "ok");
  const after = c.stat("a");
  assert.ok(after.nlink === 2 && after.mtime > before.mtime && after.ctime > before.ctime);
  const fd = c.open("a", O.RDONLY | O.DIRECTORY) as number;
  equal(c.rmdir("a"), "ok");
  equal(c.fstat(fd).nlink, 0);
  c.close(fd);
  equal(c.tryOpen("a", O.RDONLY), "ENOENT");
}

function links(c: SystemCalls): void {
  c.create("a");
  const before = c.stat("a");
  equal(c.link("a", "b"), "ok");
  const after = c.stat("b");
  assert.deepEqual([after.nlink, after.ino, after.mtime], [2, before.ino, before.mtime]);
  assert.ok(after.ctime > before.ctime);
  equal(c.link("a", "b"), "EEXIST");
  equal(c.link("missing", "c"), "ENOENT");
  c.mkdir("d");
  equal(c.link("d", "e"), "EPERM");
  c.symlink("a", "s");
  equal(c.link("s", "t"), "ok");
  equal(c.readlink("t"), "a");
  equal(c.stat("s").nlink, 2);
  const linked = c.stat("a");
  equal(c.unlink("b"), "ok");
  const single = c.stat("a");
  assert.ok(single.nlink === 1 && single.ctime > linked.ctime);
  const fd = c.open("a", O.RDWR) as number;
  c.write(fd, "still here");
  c.unlink("a");
  equal(c.fstat(fd).nlink, 0);
  equal(c.read(fd, 20), "still here");
  equal(c.write(fd, "!", 10), 1);
  equal(c.ftruncate(fd, 5), "ok");
  equal(c.fchmod(fd, 0o600), "ok");
  equal(c.read(fd, 20), "still");
  c.close(fd);
  equal(c.unlink("a"), "ENOENT");
  // A fifo is open in the kernel only.
  c.mkfifo("fifo");
  const fifo = c.open("fifo", O.RDWR) as number;
  c.unlink("fifo");
  equal(c.fstat(fifo).nlink, 0);
  c.close(fifo);
}

function unnamedFiles(c: SystemCalls): void {
  const fd = c.open(".", O.TMPFILE | O.RDWR, 0o600);
  // Not every kernel hands O_TMPFILE to FUSE.
  if (fd === "EOPNOTSUPP" || typeof fd === "string") return equal(fd, "EOPNOTSUPP");
  equal(c.fstat(fd).nlink, 0);
  c.write(fd, "hidden");
  equal(c.linkOpen(fd, "shown"), "ok");
  equal(c.stat("shown").size, 6);
  c.close(fd);
}

function symlinks(c: SystemCalls): void {
  const longest = "t".repeat(PATH_MAX_BYTES - 1);
  equal(c.symlink(longest, "long"), "ok");
  equal(c.readlink("long"), longest);
  equal(c.stat("long").size, PATH_MAX_BYTES - 1);
  equal(c.symlink(`${longest}t`, "longer"), "ENAMETOOLONG");
  equal(c.symlink("", "empty"), "ENOENT");
  equal(c.stat("long").mode, S.IFLNK | 0o777);
  c.create("file");
  equal(c.readlink("file"), "EINVAL");
  equal(c.tryOpen("long", O.RDONLY), "ENAMETOOLONG");
  c.symlink("b", "a");
  c.symlink("a", "b");
  equal(c.tryOpen("a", O.RDONLY), "ELOOP");
  equal(c.tryOpen("a", O.RDONLY | O.NOFOLLOW), "ELOOP");
}

function renames(c: SystemCalls): void {
  const fresh = () => {
    c.create("f1");
    c.create("f2");
    c.mkdir("d1");
    c.mkdir("d2");
    c.mkdir("d2/sub");
  };
  fresh();
  equal(c.rename("f1", "d1"), "EISDIR");
  equal(c.rename("d1", "f1"), "ENOTDIR");
  equal(c.rename("d1", "d2"), "ENOTEMPTY");
  equal(c.rename("d2", "d2/sub/x"), "EINVAL");
  equal(c.rename("d2/sub", "d2"), "ENOTEMPTY");
  equal(c.rename("missing", "x"), "ENOENT");
  equal(c.rename("f1", "missing/x"), "ENOENT");
  equal(c.rename("f1/x", "x"), "ENOTDIR");
  equal(c.rename("f1", "f2/x"), "ENOTDIR");
  equal(c.rename("d1/.", "x"), "EBUSY");
  equal(c.rename("f1", TOO_LONG), "ENAMETOOLONG");
  equal(c.rename("f1", "f2", NOREPLACE), "EEXIST");
  equal(c.rename("f1", "missing", EXCHANGE), "ENOENT");
  equal(c.rename("f1", "f2", NOREPLACE | EXCHANGE), "EINVAL");
  const { ino: file } = c.stat("f1");
  const { ino: directory } = c.stat("d2");
  equal(c.rename("f1", "d2", EXCHANGE), "ok");
  assert.deepEqual([c.stat("d2").ino, c.stat("f1").ino], [file, directory]);
  equal(c.rename("d2", "f1", EXCHANGE), "ok");
  const before = c.stat("f1");
  const target = c.open("f2", O.RDWR) as number;
  equal(c.rename("f1", "f2"), "ok");
  equal(c.fstat(target).nlink, 0);
  c.close(target);
  assert.ok(c.stat("f2").ctime > before.ctime, "the ctime of what was renamed");
  equal(c.stat("f2").ino, before.ino);
  c.link("f2", "f3");
  equal(c.rename("f2", "f3"), "ok");
  equal(c.stat("f2").ino, c.stat("f3").ino, "two names of one file stay two");
  equal(c.rename("d2/sub", "d1"), "ok");
  equal(c.stat("d2").nlink, 2);
  equal(c.rename("d1", "d2/moved"), "ok");
  equal(c.stat("d2").nlink, 3);
  equal(c.rename("f3", "f3", NOREPLACE), "EEXIST");
}

function sticky(c: SystemCalls): void {
  c.mkdir("tmp");
  c.chmod("tmp", 0o1777);
  c.create("tmp/root");
  c.mkdir("tmp/rootdir");
  c.as(NOBODY, NOBODY, () => {
    equal(c.create("tmp/mine"), "ok");
    equal(c.unlink("tmp/root"), "EPERM");
    equal(c.rmdir("tmp/rootdir"), "EPERM");
    equal(c.rename("tmp/root", "tmp/x"), "EPERM");
    equal(c.rename("tmp/mine", "tmp/root"), "EPERM");
  });
  c.as(1000, 1000, () => {
    equal(c.unlink("tmp/mine"), "EPERM");
    equal(c.rename("tmp/mine", "tmp/x"), "EPERM");
  });
  equal(c.as(NOBODY, NOBODY, () => c.rename("tmp/mine", "tmp/yours")), "ok");
  c.chmod("tmp", 0o777);
  equal(c.as(1000, 1000, () => c.unlink("tmp/yours")), "ok");
}

function strangeNames(c: SystemCalls): void {
  const names = [[0xff, 0xfe], [0x0a], [0x20], [0x5c], [0xc0, 0x80], [0x01], [0x2a]];
  for (const bytes of names) {
    const name = new Uint8Array(bytes);
    equal(c.create(name), "ok");
    equal(c.create(name), "EEXIST");
  }
  equal(c.create("\u00e9"), "ok");
  equal(c.create("e\u0301"), "ok", "names are bytes, not text");
}

Deno.test({
  name: `mount: names${reason && `: ${reason}`}`,
  ignore: reason !== "",
  async fn(t) {
    await using vault = await MountedVault.create();
    await runChapters(t, vault.mountpoint, {
      makes,
      modesOfNewNodes,
      directories,
      links,
      unnamedFiles,
      symlinks,
      renames,
      sticky,
      strangeNames,
    });
  },
});
