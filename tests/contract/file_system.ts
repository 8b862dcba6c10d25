import assert from "node:assert/strict";
import { encodeAcl } from "../../core/fs/acl.ts";
import type { Caller } from "../../core/fs/file_system.ts";
import { S_IFCHR, S_IFDIR, S_IFIFO, S_IFREG } from "../../core/fs/mode.ts";
import { emptyAttributes, named, ROOT } from "../support/open_memory_volume.ts";
import { Posix, type Subject } from "./posix_calls.ts";

const USER: Caller = { uid: 1000, gid: 1000, pid: 1, umask: 0o022 };
const KEEP_SIZE = 1;
const PUNCH_HOLE = 2;

function acl(...entries: [number, number, number?][]): Uint8Array {
  return encodeAcl(entries.map(([tag, permissions, id]) => ({
    tag,
    permissions,
    id: id ?? 0xffffffff,
  })));
}

const properties: Record<string, (posix: Posix) => void> = {
  "a name has up to 255 bytes": (p) => {
    p.make("n".repeat(255));
    p.fails("ENAMETOOLONG", () => p.make("n".repeat(256)));
    p.fails("ENAMETOOLONG", () => p.find("n".repeat(256)));
    p.fails("ENAMETOOLONG", () => p.unlink("n".repeat(256)));
  },
  "a name that is there cannot be made again": (p) => {
    p.make("a");
    p.fails("EEXIST", () => p.make("a"));
    p.fails("EEXIST", () => p.directory("a"));
    p.fails("EEXIST", () => p.link(p.find("a"), "a"));
  },
  "a file holds no names": (p) => {
    const file = p.make("file");
    p.fails("ENOTDIR", () => p.find("x", file));
    p.fails("ENOTDIR", () => p.make("x", S_IFREG, file));
    p.fails("ENOTDIR", () => p.unlink("x", file));
    p.fails("ENOTDIR", () => p.fs.rmdir(1, named("file")));
  },
  "unlink is for files, rmdir for empty directories": (p) => {
    const directory = p.directory("d");
    p.make("x", S_IFREG, directory);
    p.fails("EISDIR", () => p.unlink("d"));
    p.fails("ENOTEMPTY", () => p.fs.rmdir(1, named("d")));
    p.unlink("x", directory);
    p.fs.rmdir(1, named("d"));
    p.fails("ENOENT", () => p.find("d"));
    p.fails("ENOENT", () => p.unlink("d"));
  },
  "links of a directory are its subdirectories and two": (p) => {
    const directory = p.directory("d");
    assert.equal(p.stat(directory).nlink, 2);
    p.directory("e", directory);
    p.make("f", S_IFREG, directory);
    assert.equal(p.stat(directory).nlink, 3);
    p.rename([directory, "e"], [1, "e"]);
    assert.equal(p.stat(directory).nlink, 2);
  },
  "devices, fifos and sockets keep type and number": (p) => {
    const device = p.stat(p.make("device", S_IFCHR | 0o600));
    assert.equal(device.mode, S_IFCHR | 0o600);
    assert.equal(device.rdev, 0x801);
    assert.equal(p.stat(p.make("fifo", S_IFIFO | 0o600)).mode, S_IFIFO | 0o600);
    p.fails("EINVAL", () => p.files.read(p.find("fifo"), 0, 1));
  },
  "umask takes bits away": (p) => {
    assert.equal(p.stat(p.make("a", S_IFREG | 0o666)).mode & 0o777, 0o644);
  },
  "a setgid directory gives its group, and itself to directories": (p) => {
    const directory = p.directory("d");
    p.change(directory, { gid: 77, mode: 0o2775 });
    const file = p.stat(p.make("f", S_IFREG | 0o644, directory, USER));
    assert.deepEqual([file.uid, file.gid, file.mode & 0o7777], [1000, 77, 0o644]);
    const inner = p.stat(p.make("i", S_IFDIR | 0o755, directory, USER));
    assert.deepEqual([inner.gid, inner.mode & 0o7777], [77, 0o2755]);
  },
  "symlinks keep up to 4,095 bytes": (p) => {
    const out = emptyAttributes();
    const target = named("t".repeat(4095));
    p.fs.symlink(ROOT, { parent: 1, name: named("link") }, target, out);
    assert.equal(out.size, 4095);
    assert.deepEqual(p.fs.readlink(out.ino), target);
    const long = named("t".repeat(4096));
    p.fails("ENAMETOOLONG", () => p.fs.symlink(ROOT, { parent: 1, name: named("m") }, long, out));
    p.fails("EINVAL", () => p.fs.readlink(1));
  },
  "hard links are one file": (p) => {
    const file = p.make("a");
    p.link(file, "b");
    assert.equal(p.stat(file).nlink, 2);
    p.files.write(p.find("b"), 0, named("both"));
    p.unlink("a");
    assert.deepEqual(p.files.read(p.find("b"), 0, 9), named("both"));
    p.fails("EPERM", () => p.link(p.directory("d"), "e"));
  },
  "an unlinked open file lives until it is closed": (p) => {
    const file = p.make("a");
    p.fs.open(file, 0);
    p.files.write(file, 0, named("alive"));
    p.unlink("a");
    assert.equal(p.stat(file).nlink, 0);
    p.files.write(file, 5, named("!"));
    assert.deepEqual(p.files.read(file, 0, 9), named("alive!"));
    p.fails("ENOENT", () => p.link(file, "again"));
    p.fs.release(file);
    p.fails("ESTALE", () => p.stat(file));
  },
  "nothing is made in a removed directory": (p) => {
    const directory = p.directory("d");
    p.fs.open(directory, 0);
    p.fs.rmdir(1, named("d"));
    p.fails("ENOENT", () => p.make("x", S_IFREG, directory));
    p.fs.release(directory);
  },
  "rename replaces only what fits": (p) => {
    const full = p.directory("full");
    p.make("x", S_IFREG, full);
    p.directory("empty");
    p.make("file");
    p.fails("ENOTDIR", () => p.rename([1, "empty"], [1, "file"]));
    p.fails("EISDIR", () => p.rename([1, "file"], [1, "empty"]));
    p.fails("ENOTEMPTY", () => p.rename([1, "empty"], [1, "full"]));
    p.rename([1, "full"], [1, "empty"]);
    assert.deepEqual(p.list(), [".", "..", "empty", "file"]);
    assert.deepEqual(p.list(full), [".", "..", "x"]);
  },
  "a directory does not move below itself": (p) => {
    const a = p.directory("a");
    const b = p.directory("b", a);
    p.fails("EINVAL", () => p.rename([1, "a"], [b, "c"]));
    p.fails("EINVAL", () => p.rename([1, "a"], [a, "c"]));
    p.fails("ENOTEMPTY", () => p.rename([a, "b"], [1, "a"]));
  },
  "rename can refuse to replace, and can exchange": (p) => {
    const directory = p.directory("d");
    const inner = p.directory("inner", directory);
    const file = p.make("f");
    p.fails("EEXIST", () => p.rename([1, "f"], [1, "d"], "noReplace"));
    p.fails("ENOENT", () => p.rename([1, "f"], [1, "none"], "exchange"));
    p.rename([1, "f"], [directory, "inner"], "exchange");
    assert.deepEqual([p.find("f"), p.find("inner", directory)], [inner, file]);
    assert.equal(p.parentOf(inner), 1);
  },
  "renaming one link of a file onto another does nothing": (p) => {
    const file = p.make("a");
    p.link(file, "b");
    p.rename([1, "a"], [1, "b"]);
    assert.deepEqual(p.list(), [".", "..", "a", "b"]);
  },
  "a replaced open file keeps its content": (p) => {
    const old = p.make("old");
    p.files.write(old, 0, named("kept"));
    p.fs.open(old, 0);
    p.make("young");
    p.rename([1, "young"], [1, "old"]);
    assert.deepEqual(p.files.read(old, 0, 9), named("kept"));
    p.fs.release(old);
  },
  "times change as POSIX says": (p) => {
    const file = p.make("f");
    const touched = (act: () => void) => p.touched(file, act);
    assert.equal(touched(() => p.files.write(file, 0, named("x"))), "mtime ctime");
    assert.equal(touched(() => p.change(file, { mode: 0o600 })), "ctime");
    assert.equal(touched(() => p.change(file, { uid: 5 })), "ctime");
    assert.equal(touched(() => p.change(file, { size: 0 })), "mtime ctime");
    assert.equal(touched(() => p.link(file, "g")), "ctime");
    assert.equal(touched(() => p.rename([1, "g"], [1, "h"])), "ctime");
    assert.equal(touched(() => p.unlink("h")), "ctime");
    const set = () => p.fs.setxattr(file, named("user.x"), named("y"), 0);
    assert.equal(touched(set), "ctime");
    assert.equal(p.touched(1, () => p.make("new")), "mtime ctime");
    assert.equal(p.touched(1, () => p.unlink("new")), "mtime ctime");
  },
  "times hold nanoseconds, and years before 1970": (p) => {
    const mtime = { seconds: -12345, nanoseconds: 999_999_999 };
    const changed = p.change(p.make("f"), { mtime, atime: { seconds: 2 ** 33, nanoseconds: 1 } });
    assert.deepEqual([changed.mtime, changed.mtimeNs], [-12345, 999_999_999]);
    assert.deepEqual([changed.atime, changed.atimeNs], [2 ** 33, 1]);
  },
  "reading updates the access time only where it is old": (p) => {
    const file = p.make("f");
    p.files.write(file, 0, named("x"));
    const read = () => p.files.read(file, 0, 1);
    assert.equal(p.touched(file, read), "atime");
    assert.equal(p.touched(file, read), "");
    p.wait(86_400_000);
    assert.equal(p.touched(file, read), "atime");
  },
  "setuid and setgid go with a change of owner, and with a write where asked": (p) => {
    const file = p.make("f");
    p.change(file, { mode: 0o6755 });
    assert.equal(p.change(file, { uid: 9 }).mode & 0o7777, 0o755);
    p.change(file, { mode: 0o6745 });
    assert.equal(p.change(file, { size: 0, killSetId: true }).mode & 0o7777, 0o2745);
    const directory = p.directory("d");
    p.change(directory, { mode: 0o2755 });
    assert.equal(p.change(directory, { uid: 9 }).mode & 0o7777, 0o2755);
  },
  "sizes: zeros where nothing was written, nothing cut off comes back": (p) => {
    const file = p.make("f");
    p.files.write(file, 10, named("abc"));
    assert.deepEqual([...p.files.read(file, 8, 9)], [0, 0, 97, 98, 99]);
    p.files.truncate(file, 11);
    p.files.truncate(file, 14);
    assert.deepEqual([...p.files.read(file, 9, 9)], [0, 97, 0, 0, 0]);
    assert.equal(p.files.read(file, 14, 5).length, 0);
  },
  "files are sparse and end at 16 TiB": (p) => {
    const file = p.make("f");
    const last = 2 ** 44 - 1;
    p.files.write(file, last, named("z"));
    assert.equal(p.files.size(file), 2 ** 44);
    assert.deepEqual(p.files.read(file, last, 9), named("z"));
    assert.ok(p.stat(file).blocks * 512 < 2 ** 21);
    p.fails("EFBIG", () => p.files.write(file, last, named("zz")));
    p.fails("EFBIG", () => p.files.truncate(file, 2 ** 44 + 1));
    p.fails("EISDIR", () => p.files.truncate(1, 0));
  },
  "holes are found and made": (p) => {
    const file = p.make("f");
    const block = 65536;
    p.files.write(file, 0, new Uint8Array(3 * block).fill(1));
    p.fs.fallocate(file, block, block, PUNCH_HOLE | KEEP_SIZE);
    assert.equal(p.fs.lseek(file, 0, 4), block);
    assert.equal(p.fs.lseek(file, block, 3), 2 * block);
    assert.equal(p.fs.lseek(file, 2 * block, 4), 3 * block);
    assert.deepEqual(p.files.read(file, block - 1, 3), new Uint8Array([1, 0, 0]));
    p.fails("ENXIO", () => p.fs.lseek(file, 3 * block, 3));
    p.fails("EOPNOTSUPP", () => p.fs.fallocate(file, 0, block, PUNCH_HOLE));
  },
  "space can be set aside within and behind the size": (p) => {
    const file = p.make("f");
    p.fs.fallocate(file, 0, 100_000, KEEP_SIZE);
    assert.equal(p.files.size(file), 0);
    p.fs.fallocate(file, 0, 50_000, 0);
    assert.equal(p.files.size(file), 50_000);
    assert.ok(p.files.read(file, 0, 50_000).every((byte) => byte === 0));
  },
  "copyRange copies bytes, not beyond the end": (p) => {
    const from = p.make("from");
    const to = p.make("to");
    p.files.write(from, 0, named("0123456789"));
    const copied = p.fs.copyRange({ ino: from, offset: 6 }, { ino: to, offset: 2 }, 100);
    assert.equal(copied, 4);
    assert.deepEqual(p.files.read(to, 2, 9), named("6789"));
    const overlap = () => p.fs.copyRange({ ino: from, offset: 0 }, { ino: from, offset: 1 }, 5);
    p.fails("EINVAL", overlap);
  },
  "extended attributes: created, replaced, listed, removed": (p) => {
    const file = p.make("f");
    const set = (name: string, value: Uint8Array, flags: number) =>
      p.fs.setxattr(file, named(name), value, flags);
    const large = new Uint8Array(65536).map((_, i) => i * 7);
    set("user.a", large, 0);
    p.fails("EEXIST", () => set("user.a", large, 1));
    p.fails("ENODATA", () => set("user.b", large, 2));
    set("trusted.b", new Uint8Array(0), 1);
    assert.deepEqual(p.fs.getxattr(file, named("user.a")), large);
    assert.equal(p.fs.listxattr(file).length, 2);
    set("user.a", named("small"), 2);
    assert.deepEqual(p.fs.getxattr(file, named("user.a")), named("small"));
    p.fs.removexattr(file, named("user.a"));
    p.fails("ENODATA", () => p.fs.getxattr(file, named("user.a")));
    p.fails("ENODATA", () => p.fs.removexattr(file, named("user.a")));
  },
  "an access ACL is the mode too, and chmod its mask": (p) => {
    const file = p.make("f");
    const name = named("system.posix_acl_access");
    p.fs.setxattr(file, name, acl([1, 6], [2, 7, 9], [4, 4], [16, 5], [32, 0]), 0);
    assert.equal(p.stat(file).mode & 0o777, 0o650);
    p.change(file, { mode: 0o607 });
    const want = acl([1, 6], [2, 7, 9], [4, 4], [16, 0], [32, 7]);
    assert.deepEqual(p.fs.getxattr(file, name), want);
    p.fs.setxattr(file, name, acl([1, 7], [4, 1], [32, 1]), 0);
    assert.equal(p.stat(file).mode & 0o777, 0o711);
    p.fails("ENODATA", () => p.fs.getxattr(file, name));
    p.fails("EINVAL", () => p.fs.setxattr(file, name, acl([1, 7], [4, 1]), 0));
  },
  "a default ACL replaces the umask and is inherited": (p) => {
    const directory = p.directory("d");
    const defaultAcl = acl([1, 7], [2, 7, 9], [4, 5], [16, 7], [32, 5]);
    p.fs.setxattr(directory, named("system.posix_acl_default"), defaultAcl, 0);
    const file = p.make("f", S_IFREG | 0o660, directory);
    assert.equal(p.stat(file).mode & 0o777, 0o660);
    const access = p.fs.getxattr(file, named("system.posix_acl_access"));
    assert.deepEqual(access, acl([1, 6], [2, 7, 9], [4, 5], [16, 6], [32, 0]));
    const inner = p.make("i", S_IFDIR | 0o777, directory);
    assert.deepEqual(p.fs.getxattr(inner, named("system.posix_acl_default")), defaultAcl);
    p.fails("EACCES", () => {
      p.fs.setxattr(file, named("system.posix_acl_default"), defaultAcl, 0);
    });
  },
  "cookies stay where they are while entries come and go": (p) => {
    const directory = p.directory("d");
    for (let i = 0; i < 300; i++) p.make(`f${i}`, S_IFREG, directory);
    const first: [number, string][] = [];
    p.fs.readdir(directory, 0, ({ cookie, name }) => {
      first.push([cookie, new TextDecoder().decode(name)]);
      return first.length < 150;
    });
    for (const [, name] of first.slice(2, 100)) p.unlink(name, directory);
    const rest: string[] = [];
    p.fs.readdir(directory, first[149][0], ({ name }) => {
      return rest.push(new TextDecoder().decode(name)) > 0;
    });
    const seen = new Set([...first.map(([, name]) => name), ...rest]);
    assert.equal(seen.size, 302);
    assert.equal(first.length + rest.length, 302);
  },
};

/** One function for each property; each wants a fresh filesystem. */
export const fileSystemContract: Record<string, (subject: Subject) => void> = Object.fromEntries(
  Object.entries(properties).map(([name, holds]) => [name, (s: Subject) => holds(new Posix(s))]),
);
