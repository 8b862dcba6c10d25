import assert from "node:assert/strict";
import { type DriverTweaks, MountedDriver, whyNoMount } from "../support/mounted_driver.ts";

const reason = whyNoMount();

/** Runs `body` on a mount of its own, with the kernel's writeback cache and without. */
function mountTest(
  name: string,
  body: (driver: MountedDriver) => Promise<void>,
  tweaks: DriverTweaks = {},
): void {
  for (const writebackCache of [true, false]) {
    Deno.test({
      name: `driver: ${name}${writebackCache ? "" : ", no writeback"}${reason && `: ${reason}`}`,
      ignore: reason !== "",
      async fn() {
        await using driver = await MountedDriver.mount({ ...tweaks, writebackCache });
        await body(driver);
      },
    });
  }
}

mountTest("a file written in odd pieces reads back the same", async (driver) => {
  await driver.ok(`
    head -c 3000001 /dev/urandom > /tmp/$$.src; trap 'rm -f /tmp/$$.*' EXIT
    dd if=/tmp/$$.src of=a bs=4097 status=none; cmp a /tmp/$$.src
    dd if=/tmp/$$.src of=b bs=1M status=none; cmp b /tmp/$$.src
    dd if=/tmp/$$.src of=a bs=333 count=7 seek=11 conv=notrunc status=none
    dd if=/tmp/$$.src of=/tmp/$$.copy bs=1M status=none
    dd if=/tmp/$$.src of=/tmp/$$.copy bs=333 count=7 seek=11 conv=notrunc status=none
    cmp a /tmp/$$.copy
    dd if=/tmp/$$.copy of=direct bs=4096 oflag=direct count=732 status=none
    cmp -n 2998272 direct /tmp/$$.copy`);
});

mountTest("append, truncate, O_EXCL and O_TRUNC", async (driver) => {
  const out = await driver.ok(`
    printf one > a; printf two >> a; cat a; echo
    truncate -s 4 a; cat a; echo; truncate -s 10 a; wc -c < a; od -An -tx1 a
    printf x > a; cat a; echo
    set -C; (printf y > a) 2>/dev/null || echo refused`);
  const zeros = " 6f 6e 65 74 00 00 00 00 00 00";
  assert.deepEqual(out.split("\n"), ["onetwo", "onet", "10", zeros, "x", "refused"]);
});

mountTest("names: rename, noreplace, exchange, link, symlink, long names", async (driver) => {
  const out = await driver.ok(`
    echo 1 > a; echo 2 > b; mv -n a b || true; cat b
    ln a c; stat -c %h a; mv a b; cat b; stat -c %h c
    ln -s "$(printf 'x%.0s' $(seq 4095))" long; readlink long | wc -c
    mkdir d; echo 3 > d/e; mv d f; cat f/e; rmdir f 2>/dev/null || echo full
    n=$(printf 'n%.0s' $(seq 255)); touch "$n"; ls | grep -c nnnn
    touch "n$n" 2>&1 | grep -o 'File name too long'
    rm "$n"; mv f g; rm -r g; ls`);
  assert.deepEqual(
    out.split("\n"),
    ["2", "2", "1", "2", "4096", "3", "full", "1", "File name too long", "b", "c", "long"],
  );
  await driver.python(`
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
os.mkdir("dir"); os.mkdir("other"); open("other/x", "w").close(); open("file", "w").close()
assert libc.renameat2(-100, b"dir", -100, b"file", 1) == -1 and ctypes.get_errno() == 17
assert libc.renameat2(-100, b"other", -100, b"file", 2) == 0
assert os.path.isdir("file") and os.path.isfile("other") and os.listdir("file") == ["x"]
assert libc.renameat2(-100, b"file", -100, b"file/y", 0) == -1 and ctypes.get_errno() == 22`);
});

mountTest("times, owners and modes, and what clears setuid", async (driver) => {
  const out = await driver.ok(`
    touch -d '1960-02-03 04:05:06.123456789 UTC' a; TZ=UTC stat -c '%y %x' a
    chmod 6755 a; chown 12:34 a; stat -c '%a %u %g' a
    mkdir d; chown 0:99 d; chmod 2775 d; mkdir d/e; touch d/f; stat -c '%a %g' d/e d/f
    ln -s nowhere l; touch -h -d '2001-01-01 UTC' l; TZ=UTC stat -c %Y l
    chown -h 7:8 l; stat -c '%u %g' l
    umask 027; touch u; mkdir v; stat -c %a u v
    mknod p p; mknod c c 1 3; stat -c '%F %t %T' p c; printf zero > c`);
  const time = "1960-02-03 04:05:06.123456789 +0000";
  assert.deepEqual(out.split("\n"), [
    `${time} ${time}`,
    "755 12 34",
    "2755 99",
    "644 99",
    "978307200",
    "7 8",
    "640",
    "750",
    "fifo 0 0",
    "character special file 1 3",
  ]);
  const modes = await driver.python(`
import os
for name in ("w", "t", "o", "f", "y"):
    open(name, "wb").write(b"12345"); os.chmod(name, 0o6777)
child = os.fork()
if child == 0:
    os.setgid(1000); os.setuid(1000)
    f = os.open("w", os.O_WRONLY); os.write(f, b"x"); os.close(f)
    os.truncate("t", 2)
    os.close(os.open("o", os.O_WRONLY | os.O_TRUNC))
    os.posix_fallocate(os.open("f", os.O_WRONLY), 0, 9)
    os.copy_file_range(os.open("w", os.O_RDONLY), os.open("y", os.O_WRONLY), 5)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print(*(oct(os.stat(n).st_mode & 0o7777) for n in ("w", "t", "o", "f", "y")))`);
  assert.equal(modes, "0o777 0o777 0o777 0o777 0o777");
});

mountTest("sparse files: seek, punch, zero range, copy_file_range", async (driver) => {
  await driver.python(`
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
fallocate = lambda f, m, o, l: libc.fallocate(f, m, ctypes.c_long(o), ctypes.c_long(l))
f = os.open("s", os.O_RDWR | os.O_CREAT)
os.pwrite(f, b"A" * 8192, 1 << 32)
os.fsync(f)
assert os.fstat(f).st_size == (1 << 32) + 8192
assert os.lseek(f, 0, os.SEEK_DATA) == 1 << 32
assert os.lseek(f, 1 << 32, os.SEEK_HOLE) == (1 << 32) + 8192
assert fallocate(f, 3, 1 << 32, 4096) == 0
assert os.pread(f, 8192, 1 << 32) == bytes(4096) + b"A" * 4096
assert os.lseek(f, 0, os.SEEK_DATA) == (1 << 32) + 4096
assert fallocate(f, 16, (1 << 32) + 4096, 100) == 0
assert os.pread(f, 101, (1 << 32) + 4096) == bytes(100) + b"A"
assert fallocate(f, 0, 0, (1 << 32) + 9000) == 0
assert os.fstat(f).st_size == (1 << 32) + 9000
assert fallocate(f, 8, 0, 4096) == -1 and ctypes.get_errno() == errno.EOPNOTSUPP
try: os.lseek(f, 1 << 40, os.SEEK_DATA); assert False
except OSError as e: assert e.errno == errno.ENXIO
try: os.pwrite(f, b"x", 1 << 62); os.fsync(f); assert False
except OSError as e: assert e.errno in (errno.EFBIG, errno.EIO), e
g = os.open("g", os.O_RDWR | os.O_CREAT)
os.pwrite(g, os.urandom(3 << 20), 0)
h = os.open("h", os.O_RDWR | os.O_CREAT)
left = 3 << 20
while left: left -= os.copy_file_range(g, h, left)
assert os.pread(g, 3 << 20, 0) == os.pread(h, 3 << 20, 0)`);
});

mountTest("mmap, shared between processes and private", async (driver) => {
  await driver.python(`
import mmap, os
f = os.open("m", os.O_RDWR | os.O_CREAT); os.ftruncate(f, 1 << 20)
m = mmap.mmap(f, 1 << 20)
m[5000:5005] = b"hello"; m.flush()
assert os.pread(f, 5, 5000) == b"hello"
if os.fork() == 0:
    mmap.mmap(os.open("m", os.O_RDWR), 1 << 20)[9000:9003] = b"kid"; os._exit(0)
os.wait()
assert m[9000:9003] == b"kid"`);
  await driver.ok("cp /bin/true program; ./program; tail -c +5001 m | head -c 5 | grep -q hello");
});

mountTest("an unlinked file lives until it is closed", async (driver) => {
  await driver.python(`
import os
f = os.open("u", os.O_RDWR | os.O_CREAT); os.write(f, b"still here"); os.unlink("u")
assert os.listdir(".") == [] and os.fstat(f).st_nlink == 0
os.fsync(f); os.fchmod(f, 0o600); os.ftruncate(f, 5)
assert os.pread(f, 100, 0) == b"still"
d = os.open(".", os.O_RDONLY); os.mkdir("d"); e = os.open("d", os.O_RDONLY); os.rmdir("d")
assert os.listdir(e) == [] and os.fstat(e).st_mode & 0o40000
try: os.open("x", os.O_CREAT | os.O_WRONLY, dir_fd=e); assert False
except FileNotFoundError: pass`);
});

mountTest("extended attributes and ACLs", async (driver) => {
  const out = await driver.ok(`
    touch a; setfattr -n user.one -v 1 a; setfattr -n trusted.two -v 0x000102 a
    getfattr -d -m - -e hex a | sed 1d
    setfattr -x user.one a; getfattr -n user.one a 2>&1 | grep -o 'No such attribute'
    setfacl -m u:77:rw a; stat -c %a a; chmod 600 a; getfacl -cpn a | grep -E 'user:77|mask' | tr -s '\\t' ' '
    mkdir d; setfacl -d -m u:88:rwx,m::rx d; umask 0; touch d/f; mkdir d/g
    getfacl -cpn d/f | grep -E '88|mask' | tr -s '\\t' ' '; getfacl -cpn d/g | grep -c default`);
  assert.deepEqual(out.split("\n").filter((line) => line !== ""), [
    "trusted.two=0x000102",
    "user.one=0x31",
    "No such attribute",
    "664",
    "user:77:rw- #effective:---",
    "mask::---",
    "user:88:rwx #effective:r--",
    "mask::r--",
    "5",
  ]);
  await driver.python(`
import errno, os
os.setxattr("a", "user.big", b"v" * 60000)
assert len(os.getxattr("a", "user.big")) == 60000
for flags, expected in ((os.XATTR_CREATE, errno.EEXIST), (os.XATTR_REPLACE, errno.ENODATA)):
    try: os.setxattr("a", "user.big" if flags == os.XATTR_CREATE else "user.none", b"", flags); assert False
    except OSError as e: assert e.errno == expected, e`);
});

mountTest("a directory of 5,000 lists whole, also while entries go", async (driver) => {
  await driver.python(`
import os
os.mkdir("d")
for i in range(5000): os.close(os.open(f"d/name-{i:05}", os.O_CREAT | os.O_WRONLY))
assert sorted(os.listdir("d")) == [f"name-{i:05}" for i in range(5000)]
seen = []
with os.scandir("d") as entries:
    for entry in entries:
        seen.append(entry.name); assert entry.is_file(); entry.stat(); os.unlink(entry.path)
assert len(seen) == len(set(seen)) == 5000 and os.listdir("d") == []`);
});

mountTest("tar, cp -a and find agree with the source", async (driver) => {
  const out = await driver.ok(`
    mkdir src; cp -a /usr/include/linux src/a; tar -C src -cf t.tar a; mkdir un; tar -C un -xf t.tar
    diff -r src/a /usr/include/linux; diff -r un/a /usr/include/linux; cp -a src copy; diff -r src copy
    list() { (cd "$1"; find . -type f -printf '%p %s %m %Ts\\n' | sort); }
    list /usr/include/linux > one; list un/a > two; list copy/a > three; cmp one two; cmp one three
    wc -l < one
    rm -r src un copy t.tar one two three; ls`);
  assert.ok(Number(out) > 100, out);
});

mountTest("locks: flock and POSIX, between processes", async (driver) => {
  const out = await driver.ok(`
    : > l; flock l sh -c 'flock -n l true && echo shared || echo excluded'; flock -n l echo free`);
  assert.deepEqual(out.split("\n"), ["excluded", "free"]);
  await driver.python(`
import fcntl, os
f = open("p", "w"); fcntl.lockf(f, fcntl.LOCK_EX)
child = os.fork()
if child == 0:
    try: fcntl.lockf(open("p", "r+"), fcntl.LOCK_EX | fcntl.LOCK_NB); os._exit(1)
    except OSError: os._exit(0)
assert os.waitpid(child, 0)[1] == 0`);
});

mountTest("SQLite in rollback and WAL mode", async (driver) => {
  await driver.python(`
import sqlite3
for mode in ("delete", "wal"):
    db = sqlite3.connect(mode + ".db"); db.execute("pragma journal_mode=" + mode)
    db.execute("create table t(x)")
    with db: db.executemany("insert into t values(?)", ((i,) for i in range(10000)))
    other = sqlite3.connect(mode + ".db")
    assert other.execute("select sum(x), count(*) from t").fetchone() == (49995000, 10000)
    assert other.execute("pragma integrity_check").fetchone() == ("ok",)`);
});

mountTest("handles survive the kernel's forgetting: open_by_handle_at", async (driver) => {
  await driver.python(`
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
os.makedirs("x/y"); open("x/y/f", "w").write("by handle")
class Handle(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_uint), ("type", ctypes.c_int), ("data", ctypes.c_char * 128)]
h = Handle(bytes=128); mount = ctypes.c_int()
assert libc.name_to_handle_at(-100, b"x/y/f", ctypes.byref(h), ctypes.byref(mount), 0) == 0
open("/proc/sys/vm/drop_caches", "w").write("2")
root = os.open(".", os.O_RDONLY)
f = libc.open_by_handle_at(root, ctypes.byref(h), os.O_RDONLY)
assert f >= 0, os.strerror(ctypes.get_errno())
assert os.read(f, 100) == b"by handle"
d = Handle(bytes=128)
assert libc.name_to_handle_at(-100, b"x/y", ctypes.byref(d), ctypes.byref(mount), 0) == 0
open("/proc/sys/vm/drop_caches", "w").write("2")
g = libc.open_by_handle_at(root, ctypes.byref(d), os.O_RDONLY)
assert g >= 0 and os.listdir(g) == ["f"]`);
});

mountTest("calls that a filesystem without them declines", async (driver) => {
  await driver.python(`
import errno, fcntl, os, select
open("f", "w").close(); f = os.open("f", os.O_RDWR)
try: fcntl.ioctl(f, 0x5401, b"x" * 64); assert False
except OSError as e: assert e.errno == errno.ENOTTY, e
p = select.poll(); p.register(f, select.POLLIN); assert p.poll(0)
try: os.open(".", os.O_TMPFILE | os.O_RDWR); assert False
except OSError as e: assert e.errno == errno.EOPNOTSUPP, e
assert os.access("f", os.R_OK) and not os.access("none", os.F_OK)
assert os.statvfs(".").f_namemax == 255`);
});

mountTest("read-only: everything that changes answers EROFS", async (driver) => {
  const { code, stderr } = await driver.sh("touch a");
  assert.notEqual(code, 0);
  assert.match(stderr, /Read-only file system/);
  assert.equal(await driver.ok("ls -a | wc -l"), "2");
}, { readOnly: true });
