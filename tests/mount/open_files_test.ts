/** What programs do with open files, memory and locks, on a mounted vault. Needs Python. */
import assert from "node:assert/strict";
import { whyNoMount } from "../support/mounted_driver.ts";
import { hasProgram, MountedVault } from "../support/mounted_vault.ts";

const reason = whyNoMount() || (await hasProgram("python3") ? "" : "no python3 here");

/** Every program runs in a directory of its own; those named `check` run again after mounting again. */
const PROGRAMS: Record<string, { readonly run: string; readonly check?: string }> = {
  "shared mapping, written by two processes": {
    run: `
f = os.open("m", os.O_RDWR | os.O_CREAT); os.ftruncate(f, 1 << 22)
m = mmap.mmap(f, 1 << 22)
def child():
    for i in range(0, 1 << 22, 8192): m[i:i + 4] = b"CHLD"
for i in range(4096, 1 << 22, 8192): m[i:i + 4] = b"PRNT"
both(child)
assert os.pread(f, 4, 8192) == b"CHLD" and os.pread(f, 4, 12288) == b"PRNT"
os.pwrite(f, b"file", 100); assert m[100:104] == b"file"
m.flush(); m.close()`,
    check: `
d = open("m", "rb").read()
assert len(d) == 1 << 22 and d[100:104] == b"file"
assert all(d[i:i + 4] == (b"PRNT" if i % 8192 else b"CHLD") for i in range(0, 1 << 22, 4096) if i)`,
  },
  "mapping that grows, private mapping, mapping of what is unlinked": {
    run: `
f = os.open("m", os.O_RDWR | os.O_CREAT); os.write(f, b"x" * 5000)
p = mmap.mmap(f, 0, flags=mmap.MAP_PRIVATE); p[0:3] = b"own"
assert os.pread(f, 3, 0) == b"xxx"
m = mmap.mmap(f, 0); os.unlink("m"); m[4000:4003] = b"abc"; m.flush()
assert os.pread(f, 3, 4000) == b"abc" and os.fstat(f).st_nlink == 0
os.fsync(f); os.ftruncate(f, 10000); assert os.pread(f, 5001, 4999) == b"x" + bytes(5000)`,
  },
  "flock and POSIX locks between processes": {
    run: `
f = os.open("l", os.O_RDWR | os.O_CREAT); os.write(f, bytes(100))
fcntl.flock(f, fcntl.LOCK_EX)
def refused():
    g = os.open("l", os.O_RDWR)
    try: fcntl.flock(g, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError: return
    raise SystemExit(1)
both(refused)
fcntl.flock(f, fcntl.LOCK_UN)
fcntl.lockf(f, fcntl.LOCK_EX, 10, 20)
def ranges():
    g = os.open("l", os.O_RDWR)
    fcntl.lockf(g, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 0)
    try: fcntl.lockf(g, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, 25)
    except BlockingIOError: return
    raise SystemExit(1)
both(ranges)
# Counting under a lock: no update may be lost.
open("n", "w").write("0")
def count():
    for _ in range(100):
        with open("n", "r+") as n:
            fcntl.lockf(n, fcntl.LOCK_EX)
            v = int(n.read()); n.seek(0); n.write(str(v + 1)); n.flush()
pids = [fork(count) for _ in range(4)]
for p in pids: wait(p)
assert open("n").read() == "400"`,
    check: `assert open("n").read() == "400"`,
  },
  "appending at the same time": {
    run: `
def append(tag):
    f = os.open("a", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for i in range(300): os.write(f, (tag * 99 + "\\n").encode())
pids = [fork(lambda t=t: append(t)) for t in "wxyz"]
for p in pids: wait(p)`,
    check: `
lines = open("a").read().split("\\n")[:-1]
assert len(lines) == 1200 and all(len(l) == 99 and len(set(l)) == 1 for l in lines)`,
  },
  "O_DIRECT beside buffered": {
    run: `
f = os.open("d", os.O_RDWR | os.O_CREAT | os.O_DIRECT); g = os.open("d", os.O_RDWR)
b = mmap.mmap(-1, 65536); b.write(os.urandom(65536))
for i in range(16): assert os.pwrite(f, b, i * 65536) == 65536
assert os.pread(g, 65536, 5 * 65536) == b[:]
os.pwrite(g, b"buffered", 70000); r = mmap.mmap(-1, 4096)
assert os.preadv(f, [r], 69632) == 4096 and r[368:376] == b"buffered"`,
    check:
      `assert os.path.getsize("d") == 1 << 20 and open("d", "rb").read()[70000:70008] == b"buffered"`,
  },
  "copy_file_range, sendfile and splice": {
    run: `
d = os.urandom(3000000); open("s", "wb").write(d)
s = os.open("s", os.O_RDONLY); t = os.open("t", os.O_RDWR | os.O_CREAT)
n = 0
while n < len(d): n += os.copy_file_range(s, t, 1 << 30, n, n)
assert os.pread(t, 4000000, 0) == d
assert os.copy_file_range(s, t, 1000, 123, 4000001) == 1000
u = os.open("u", os.O_RDWR | os.O_CREAT); n = 0
while n < len(d): n += os.sendfile(u, s, n, len(d) - n)`,
    check: `
d = open("s", "rb").read(); t = open("t", "rb").read()
assert t[:len(d)] == d and t[4000001:] == d[123:1123] and not any(t[len(d):4000001])
assert open("u", "rb").read() == d`,
  },
  "paths deeper than PATH_MAX": {
    run: `
here = os.open(".", os.O_RDONLY)
for i in range(60):
    os.mkdir("n" * 200, dir_fd=here)
    there = os.open("n" * 200, os.O_RDONLY, dir_fd=here); os.close(here); here = there
f = os.open("bottom", os.O_WRONLY | os.O_CREAT, dir_fd=here); os.write(f, b"deep")`,
    check: `
here = os.open(".", os.O_RDONLY)
for i in range(60): here = os.open("n" * 200, os.O_RDONLY, dir_fd=here)
assert os.read(os.open("bottom", os.O_RDONLY, dir_fd=here), 9) == b"deep"`,
  },
  "names of any bytes": {
    run: `
names = [bytes([b]) for b in range(1, 256) if b not in (0x2f, 0x2e)] + [b"\\xff" * 255, b"a\\nb"]
for n in names: open(n, "wb").write(n)
assert sorted(os.listdir(b".")) == sorted(names)`,
    check: `
names = os.listdir(b"."); assert len(names) == 255
for n in names: assert open(n, "rb").read() == n`,
  },
  "default ACLs and masks": {
    run: `
def acl(*entries): return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *e) for e in entries)
NONE = 0xffffffff
d = acl((1, 7, NONE), (2, 7, 1234), (4, 5, NONE), (16, 7, NONE), (32, 0, NONE))
os.mkdir("d"); os.setxattr("d", "system.posix_acl_default", d)
os.umask(0o077); os.close(os.open("d/f", os.O_CREAT | os.O_WRONLY, 0o666)); os.mkdir("d/e", 0o777)
assert os.stat("d/f").st_mode & 0o777 == 0o660, oct(os.stat("d/f").st_mode)
assert os.stat("d/e").st_mode & 0o777 == 0o770
assert os.getxattr("d/e", "system.posix_acl_default") == d
def other():
    os.setgroups([]); os.setgid(1234); os.setuid(1234)
    os.open("d/f", os.O_RDWR)
os.chmod("d", 0o777); both(other)
os.chmod("d/f", 0o600)
def masked():
    os.setgroups([]); os.setgid(1234); os.setuid(1234)
    try: os.open("d/f", os.O_RDONLY)
    except PermissionError: return
    raise SystemExit(1)
both(masked)`,
    check:
      `assert os.stat("d/f").st_mode & 0o777 == 0o600 and len(os.getxattr("d/f", "system.posix_acl_access")) == 44`,
  },
  "directories that change while they are listed": {
    run: `
os.mkdir("d")
for i in range(3000): open(f"d/{i:05}", "w").close()
seen = set(); removed = set()
for n, e in enumerate(os.scandir("d")):
    assert e.name not in seen; seen.add(e.name)
    if n % 3 == 0: os.unlink("d/" + e.name); removed.add(e.name)
    if n % 5 == 0: open(f"d/fresh{n}", "w").close()
assert {f"{i:05}" for i in range(3000)} <= seen | removed
left = set(os.listdir("d")); assert not left & removed and {f"{i:05}" for i in range(3000)} - removed <= left`,
  },
  "statfs, and space that comes back": {
    run: `
a = os.statvfs("."); assert a.f_namemax == 255 and a.f_bavail > 0 and a.f_files > 0
f = os.open("b", os.O_WRONLY | os.O_CREAT); os.write(f, os.urandom(8 << 20)); os.fsync(f)
b = os.statvfs("."); used = (a.f_bfree - b.f_bfree) * b.f_frsize
assert (8 << 20) <= used < (10 << 20), used
os.close(f); os.unlink("b"); os.sync()
c = os.statvfs("."); left = (a.f_bfree - c.f_bfree) * c.f_frsize
# Changed tree pages hold some space until the next root.
assert left < 4 << 20, left`,
  },
  "fifos and sockets": {
    run: `
os.mkfifo("f"); s = socket.socket(socket.AF_UNIX); s.bind("s"); s.listen()
def client():
    c = socket.socket(socket.AF_UNIX); c.connect("s"); c.send(b"hello")
    open("f", "w").write("through the fifo")
p = fork(client); c, _ = s.accept()
assert c.recv(10) == b"hello" and open("f").read() == "through the fifo"
wait(p)`,
    check: `assert stat.S_ISFIFO(os.stat("f").st_mode) and stat.S_ISSOCK(os.stat("s").st_mode)`,
  },
};

const PROLOGUE = `
import fcntl, mmap, os, socket, stat, struct, sys
def fork(act):
    p = os.fork()
    if p == 0:
        try: act()
        except BaseException as e:
            print(repr(e), file=sys.stderr); os._exit(1)
        os._exit(0)
    return p
def wait(p): assert os.waitpid(p, 0)[1] == 0
def both(act): wait(fork(act))
`;

Deno.test({
  name: `mount: open files, memory and locks${reason && `: ${reason}`}`,
  ignore: reason !== "",
  async fn(t) {
    // Of a size of its own: what statfs says then does not follow the disk below.
    await using vault = await MountedVault.create({ sizeBytes: 2 ** 30 });
    const python = (name: string, program: string) =>
      vault.program("python3", ["-c", `import os; os.chdir("${name}")\n${PROLOGUE}${program}`]);
    for (const [name, { run }] of Object.entries(PROGRAMS)) {
      await t.step(name, async () => {
        await Deno.mkdir(`${vault.mountpoint}/${name}`);
        await python(name, run);
      });
    }
    await vault.remount();
    for (const [name, { check }] of Object.entries(PROGRAMS)) {
      if (check === undefined) continue;
      await t.step(`${name}, after mounting again`, async () => {
        assert.equal(await python(name, check), "");
      });
    }
  },
});
