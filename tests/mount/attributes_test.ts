/** What conformance suites ask of modes, owners, times, sizes and space, by root and by others. */
import assert from "node:assert/strict";
import { whyNoMount } from "../support/mounted_driver.ts";
import { MountedVault } from "../support/mounted_vault.ts";
import { O, type Result, S, type SystemCalls, UTIME } from "../support/system_calls.ts";
import { runChapters } from "../support/system_chapters.ts";

const reason = whyNoMount();
const NOBODY = 65534;
const OTHER = 1000;
const FILE_BYTES_MAX = 2 ** 44;
const KEEP_SIZE = 1;
const PUNCH_HOLE = 2;
const COLLAPSE_RANGE = 8;
const ZERO_RANGE = 16;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const equal: (actual: unknown, wanted: unknown, what?: string) => void = assert.equal;
const permissions = (c: SystemCalls, path: string) => c.stat(path).mode & 0o7777;
const nobody = <T>(c: SystemCalls, act: () => T) => c.as(NOBODY, NOBODY, act);

function everyType(c: SystemCalls): string[] {
  c.create("file");
  c.mkdir("dir");
  c.mkfifo("fifo");
  c.mknod("char", S.IFCHR | 0o644, 0x103);
  c.mknod("block", S.IFBLK | 0o644, 0x103);
  c.mknod("socket", S.IFSOCK | 0o644);
  return ["file", "dir", "fifo", "char", "block", "socket"];
}

function modes(c: SystemCalls): void {
  for (const name of everyType(c)) {
    const before = c.stat(name);
    equal(c.chmod(name, 0o111), "ok");
    const after = c.stat(name);
    equal(after.mode & 0o7777, 0o111);
    assert.ok(after.ctime > before.ctime && after.mtime === before.mtime, name);
    equal(nobody(c, () => c.chmod(name, 0o644)), "EPERM");
    equal(c.stat(name).ctime, after.ctime, "a refused chmod changes nothing");
    c.lchown(name, NOBODY, NOBODY);
    equal(nobody(c, () => c.chmod(name, 0o640)), "ok");
    equal(permissions(c, name), 0o640);
  }
  c.symlink("file", "link");
  equal(c.chmod("link", 0o600), "ok");
  assert.deepEqual([permissions(c, "file"), permissions(c, "link")], [0o600, 0o777]);
  equal(c.chmod("missing", 0o600), "ENOENT");
  equal(c.chmod("file/x", 0o600), "ENOTDIR");
  // Whoever is not in the group of a file cannot give it setgid.
  c.lchown("file", NOBODY, OTHER);
  equal(nobody(c, () => c.chmod("file", 0o2755)), "ok");
  equal(permissions(c, "file"), 0o755);
  equal(c.as(NOBODY, NOBODY, () => c.chmod("file", 0o2755), [OTHER]), "ok");
  equal(permissions(c, "file"), 0o2755);
  equal(c.chmod("file", 0o7777), "ok");
  equal(permissions(c, "file"), 0o7777);
}

function owners(c: SystemCalls): void {
  for (const name of everyType(c)) {
    const before = c.stat(name);
    equal(c.lchown(name, 123, 456), "ok");
    const after = c.stat(name);
    assert.deepEqual([after.uid, after.gid], [123, 456]);
    assert.ok(after.ctime > before.ctime);
    equal(c.lchown(name, -1, 789), "ok");
    equal(c.lchown(name, 321, -1), "ok");
    assert.deepEqual([c.stat(name).uid, c.stat(name).gid], [321, 789]);
    equal(nobody(c, () => c.lchown(name, NOBODY, NOBODY)), "EPERM");
    c.lchown(name, NOBODY, NOBODY);
    equal(nobody(c, () => c.lchown(name, OTHER, -1)), "EPERM");
    equal(nobody(c, () => c.lchown(name, -1, OTHER)), "EPERM");
    equal(c.as(NOBODY, NOBODY, () => c.lchown(name, -1, OTHER), [OTHER]), "ok");
  }
  c.symlink("file", "link");
  c.lchown("link", 7, 8);
  assert.deepEqual([c.stat("link").uid, c.stat("file").uid], [7, NOBODY]);
  c.chown("link", 9, 10);
  equal(c.stat("file").uid, 9);
  c.symlink("nowhere", "broken");
  equal(c.chown("broken", 1, 1), "ENOENT");
}

function setIdBits(c: SystemCalls): void {
  const cleared: [string, (name: string) => unknown][] = [
    ["chown", (name) => c.lchown(name, OTHER, OTHER)],
    ["chown by its owner", (name) => nobody(c, () => c.lchown(name, NOBODY, -1))],
    ["write", (name) => nobody(c, () => c.with(name, O.WRONLY, (fd) => c.write(fd, "x")))],
    ["truncate", (name) => nobody(c, () => c.truncate(name, 3))],
    ["O_TRUNC", (name) => nobody(c, () => c.tryOpen(name, O.WRONLY | O.TRUNC))],
    ["fallocate", (name) => nobody(c, () => c.with(name, O.WRONLY, (fd) => space(c, fd)))],
  ];
  for (const [name, act] of cleared) {
    c.create(name);
    c.with(name, O.WRONLY, (fd) => c.write(fd, "content"));
    c.lchown(name, NOBODY, NOBODY);
    c.chmod(name, 0o6777);
    act(name);
    equal(permissions(c, name), 0o777, name);
  }
  c.create("root");
  c.chmod("root", 0o6777);
  c.with("root", O.WRONLY, (fd) => c.write(fd, "x"));
  equal(permissions(c, "root"), 0o6777, "root may write and keep them");
  c.mkdir("dir");
  c.chmod("dir", 0o6777);
  c.lchown("dir", OTHER, OTHER);
  equal(permissions(c, "dir"), 0o6777, "directories keep them");
  c.create("dir/file");
  c.mkdir("dir/sub");
  assert.deepEqual([c.stat("dir/file").gid, c.stat("dir/sub").gid], [OTHER, OTHER]);
  equal(permissions(c, "dir/sub") & 0o2000, 0o2000);
}

const space = (c: SystemCalls, fd: number): Result => c.fallocate(fd, 0, 0, 100);

function opening(c: SystemCalls): void {
  c.create("file", 0o600);
  c.mkdir("dir");
  equal(nobody(c, () => c.tryOpen("file", O.RDONLY)), "EACCES");
  for (const [mode, reads, writes] of [[0o604, "ok", "EACCES"], [0o602, "EACCES", "ok"]] as const) {
    c.chmod("file", mode);
    equal(nobody(c, () => c.tryOpen("file", O.RDONLY)), reads);
    equal(nobody(c, () => c.tryOpen("file", O.WRONLY)), writes);
    equal(nobody(c, () => c.tryOpen("file", O.RDWR)), "EACCES");
  }
  equal(c.tryOpen("dir", O.WRONLY), "EISDIR");
  equal(c.tryOpen("dir", O.RDONLY | O.CREAT), "EISDIR");
  equal(c.tryOpen("file", O.RDONLY | O.DIRECTORY), "ENOTDIR");
  equal(c.tryOpen("missing", O.RDONLY), "ENOENT");
  equal(c.tryOpen("file/", O.RDONLY), "ENOTDIR");
  c.mkfifo("fifo");
  equal(c.tryOpen("fifo", O.WRONLY | O.NONBLOCK), "ENXIO");
  equal(c.tryOpen("fifo", O.RDONLY | O.NONBLOCK), "ok");
  c.mknod("socket", S.IFSOCK | 0o644);
  equal(c.tryOpen("socket", O.RDONLY), "ENXIO");
  c.chmod("dir", 0o700);
  c.create("dir/file", 0o666);
  equal(nobody(c, () => c.tryOpen("dir/file", O.RDONLY)), "EACCES");
  c.with("file", O.RDWR, (fd) => c.write(fd, "0123456789"));
  const before = c.stat("file");
  equal(c.tryOpen("file", O.WRONLY | O.TRUNC), "ok");
  const after = c.stat("file");
  assert.ok(after.size === 0 && after.mtime > before.mtime && after.ctime > before.ctime);
  equal(c.with("file", O.RDONLY, (fd) => c.write(fd, "x")), "EBADF");
  // Linux: a descriptor with O_APPEND appends whatever pwrite says.
  c.with("file", O.WRONLY | O.APPEND, (fd) => c.write(fd, "one"));
  c.with("file", O.WRONLY | O.APPEND, (fd) => c.write(fd, "two", 0));
  equal(c.with("file", O.RDONLY, (fd) => c.read(fd, 10)), "onetwo");
}

function sizes(c: SystemCalls): void {
  c.create("file", 0o644);
  for (const size of [1234567, 567, 0, 100 * 2 ** 30, 5]) {
    const before = c.stat("file");
    equal(c.truncate("file", size), "ok");
    const after = c.stat("file");
    equal(after.size, size);
    assert.ok(after.mtime > before.mtime && after.ctime > before.ctime);
  }
  equal(c.with("file", O.RDWR, (fd) => c.ftruncate(fd, 7)), "ok");
  equal(c.with("file", O.RDONLY, (fd) => c.ftruncate(fd, 7)), "EINVAL");
  equal(c.with("file", O.RDWR, (fd) => c.ftruncate(fd, -1)), "EINVAL");
  equal(c.truncate("file", -1), "EINVAL");
  equal(c.truncate("file", FILE_BYTES_MAX), "ok");
  equal(c.truncate("file", FILE_BYTES_MAX + 1), "EFBIG");
  equal(c.truncate("file", 0), "ok");
  c.mkdir("dir");
  equal(c.truncate("dir", 0), "EISDIR");
  equal(c.truncate("missing", 0), "ENOENT");
  equal(c.truncate("file/x", 0), "ENOTDIR");
  equal(nobody(c, () => c.truncate("file", 0)), "EACCES");
  equal(c.with("file", O.RDWR, (fd) => c.write(fd, "x", FILE_BYTES_MAX - 1)), 1);
  equal(c.with("file", O.RDWR, (fd) => c.write(fd, "x", FILE_BYTES_MAX)), "EFBIG");
  equal(c.stat("file").size, FILE_BYTES_MAX);
}

function allocation(c: SystemCalls): void {
  c.create("file");
  const fd = c.open("file", O.RDWR) as number;
  equal(c.fallocate(fd, 0, 0, 0), "EINVAL");
  equal(c.fallocate(fd, 0, -1, 5), "EINVAL");
  equal(c.fallocate(fd, 0, 2 ** 44, 5), "EFBIG");
  equal(c.fallocate(fd, PUNCH_HOLE, 0, 5), "EOPNOTSUPP");
  equal(c.fallocate(fd, COLLAPSE_RANGE, 0, 4096), "EOPNOTSUPP");
  equal(c.fallocate(fd, 0, 0, 1 << 20), "ok");
  const { size, blocks } = c.fstat(fd);
  assert.deepEqual([size, blocks >= 2048], [1 << 20, true]);
  equal(c.fallocate(fd, KEEP_SIZE, 1 << 20, 1 << 20), "ok");
  equal(c.fstat(fd).size, 1 << 20);
  c.write(fd, "abcdefgh", 16380);
  equal(c.fallocate(fd, PUNCH_HOLE | KEEP_SIZE, 16382, 3), "ok");
  equal(c.read(fd, 8, 16380), "ab\0\0\0fgh");
  equal(c.fallocate(fd, ZERO_RANGE, 16386, 1 << 21), "ok");
  equal(c.read(fd, 8, 16380), "ab\0\0\0f\0\0");
  equal(c.fstat(fd).size, 16386 + (1 << 21));
  c.ftruncate(fd, 0);
  c.ftruncate(fd, 1 << 30);
  c.write(fd, "x", 1 << 29);
  equal(c.lseek(fd, 0, SEEK_DATA), 1 << 29);
  equal(c.lseek(fd, 0, SEEK_HOLE), "ok");
  const end = c.lseek(fd, 1 << 29, SEEK_HOLE) as number;
  assert.ok(end > 1 << 29 && end <= (1 << 29) + (1 << 20));
  equal(c.lseek(fd, end, SEEK_DATA), "ENXIO");
  equal(c.lseek(fd, 1 << 30, SEEK_HOLE), "ENXIO");
  equal(c.fallocate(fd, PUNCH_HOLE | KEEP_SIZE, 0, 1 << 30), "ok");
  equal(c.fstat(fd).blocks, 0);
  c.close(fd);
  const readOnly = c.with("file", O.RDONLY, (fd) => c.fallocate(fd, 0, 0, 5));
  equal(readOnly, "EBADF");
}

function times(c: SystemCalls): void {
  for (const name of everyType(c)) {
    equal(c.utimens(name, [[1_000_000_000, 123_456_789], [-1, 999_999_999]]), "ok");
    const { atime, mtime } = c.stat(name);
    assert.deepEqual([atime, mtime], [1_000_000_000_123_456_789n, -1n]);
    equal(c.utimens(name, [[0, UTIME.OMIT], [5, 0]]), "ok");
    assert.deepEqual([c.stat(name).atime, c.stat(name).mtime], [atime, 5_000_000_000n]);
    equal(c.utimens(name, [[0, UTIME.NOW], [0, UTIME.OMIT]]), "ok");
    assert.ok(c.stat(name).atime > atime && c.stat(name).mtime === 5_000_000_000n);
    const { ctime } = c.stat(name);
    equal(c.utimens(name, [[0, UTIME.OMIT], [0, UTIME.OMIT]]), "ok");
    equal(c.stat(name).ctime, ctime, "nothing to do");
    equal(c.utimens(name, [[0, 1_000_000_000], [0, 0]]), "EINVAL");
    equal(nobody(c, () => c.utimens(name, [[1, 0], [1, 0]])), "EPERM");
    equal(nobody(c, () => c.utimens(name, null)), "EACCES");
    c.chmod(name, 0o666);
    equal(nobody(c, () => c.utimens(name, null)), "ok");
    equal(nobody(c, () => c.utimens(name, [[0, UTIME.NOW], [0, UTIME.OMIT]])), "EPERM");
    // Beyond 2038, and beyond 32 bits.
    equal(c.utimens(name, [[2 ** 32 + 7, 1], [2 ** 33, 2]]), "ok");
    equal(c.stat(name).mtime, BigInt(2 ** 33) * 1_000_000_000n + 2n);
  }
  c.symlink("file", "link");
  const { mtime } = c.stat("file");
  equal(c.utimens("link", [[3, 4], [5, 6]], true), "ok");
  assert.deepEqual([c.stat("link").mtime, c.stat("file").mtime], [5_000_000_006n, mtime]);
  equal(c.utimens("missing", null), "ENOENT");
}

function accessTimes(c: SystemCalls): void {
  c.create("file");
  const read = () => c.with("file", O.RDONLY, (fd) => c.read(fd, 5));
  c.with("file", O.WRONLY, (fd) => c.write(fd, "x"));
  c.utimens("file", [[1, 0], [0, UTIME.OMIT]]);
  read();
  const first = c.stat("file").atime;
  assert.ok(first > 1_000_000_000n, "an access time older than the change moves");
  read();
  equal(c.stat("file").atime, first, "one that is newer stays for a day");
}

function attributes(c: SystemCalls): void {
  c.create("file");
  for (const name of ["user.a", "trusted.a", "security.a"]) {
    equal(c.setxattr("file", name, "value"), "ok");
    equal(c.getxattr("file", name), "value");
    equal(c.setxattr("file", name, "x", 1), "EEXIST");
    equal(c.setxattr("file", name, "other", 2), "ok");
    equal(c.removexattr("file", name), "ok");
    equal(c.getxattr("file", name), "ENODATA");
    equal(c.setxattr("file", name, "x", 2), "ENODATA");
    equal(c.removexattr("file", name), "ENODATA");
  }
  equal(c.setxattr("file", "user.", "x"), "EINVAL");
  equal(c.setxattr("file", "strange.a", "x"), "EOPNOTSUPP");
  equal(c.setxattr("file", `user.${"n".repeat(250)}`, "x"), "ok");
  equal(c.setxattr("file", `user.${"n".repeat(251)}`, "x"), "ERANGE");
  equal(c.setxattr("file", "user.big", "v".repeat(60000)), "ok");
  equal(c.getxattr("file", "user.big").length, 60000);
  c.setxattr("file", "trusted.b", "x");
  equal(nobody(c, () => c.getxattr("file", "trusted.b")), "ENODATA");
  equal(nobody(c, () => c.setxattr("file", "user.b", "x")), "EACCES");
  c.mkfifo("fifo");
  equal(c.setxattr("fifo", "user.a", "x"), "EPERM");
}

Deno.test({
  name: `mount: attributes${reason && `: ${reason}`}`,
  ignore: reason !== "",
  async fn(t) {
    await using vault = await MountedVault.create();
    await runChapters(t, vault.mountpoint, {
      modes,
      owners,
      setIdBits,
      opening,
      sizes,
      allocation,
      times,
      accessTimes,
      attributes,
    });
  },
});
