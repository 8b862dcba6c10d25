/** What programs still do with what was removed under them: as ext4 does it. Needs Python. */
import assert from "node:assert/strict";
import type { CheckReport } from "../../core/vault/check_report.ts";
import { run, whyNoMount } from "../support/mounted_driver.ts";
import { hasProgram, MountedVault } from "../support/mounted_vault.ts";

const reason = whyNoMount() || (await hasProgram("python3") ? "" : "no python3 here");

/** Each prints what it sees; the answers must be those of the machine's own filesystem. */
const PROGRAMS: Record<string, string> = {
  "a removed working directory": `
os.mkdir("d"); os.chdir("d"); os.rmdir("../d")
f = os.open(".", os.O_RDONLY)
show(os.fstat(f).st_nlink, answer(lambda: os.listdir(f)), answer(lambda: os.listdir(".")))
show(answer(lambda: os.mkdir("x")), answer(lambda: open("x", "w")), answer(lambda: os.symlink("a", "x")))
os.fchmod(f, 0o711); os.utime(f, ns=(5, 7)); os.setxattr(f, "user.a", b"v")
s = os.stat("."); show(oct(s.st_mode), s.st_mtime_ns, os.getxattr(f, "user.a"), answer(lambda: os.stat("y")))
os.fsync(f); os.close(f); show(os.stat(".").st_nlink, answer(lambda: os.getcwd()))
os.close(os.open(".", os.O_RDONLY)); os.chdir(".."); show(sorted(os.listdir(".")))`,
  "a directory that a rename replaced": `
os.mkdir("old"); os.mkdir("new"); os.chdir("old"); os.rename("../new", "../old")
f = os.open(".", os.O_RDONLY); show(os.fstat(f).st_nlink, answer(lambda: os.listdir(f)))
os.fchmod(f, 0o700); show(oct(os.stat("../old").st_mode), oct(os.fstat(f).st_mode), answer(lambda: os.mkdir("x")))`,
  "a file that a rename replaced, found before and opened after": `
open("old", "w").write("older"); open("new", "w").write("newer"); p = os.open("old", os.O_PATH); os.rename("new", "old")
f = os.open(f"/proc/self/fd/{p}", os.O_RDWR); os.pwrite(f, b"!", 5); s = os.fstat(f)
show(os.pread(f, 9, 0), s.st_nlink, s.st_size, open("old").read()); os.truncate(f"/proc/self/fd/{p}", 2); show(os.pread(f, 9, 0))
os.chmod(f"/proc/self/fd/{p}", 0o640); show(oct(os.fstat(f).st_mode)); os.close(f)
g = os.open(f"/proc/self/fd/{p}", os.O_RDONLY); show(os.read(g, 9))`,
  "a directory whose parents are removed too": `
here = os.open(".", os.O_RDONLY); os.makedirs("a/b/c"); os.chdir("a/b/c")
for path in "a/b/c", "a/b", "a": os.rmdir(path, dir_fd=here)
f = os.open(".", os.O_RDONLY); show(os.fstat(f).st_nlink, answer(lambda: os.listdir(f)))`,
  "an unlinked fifo": `
os.mkfifo("f", 0o600); f = os.open("f", os.O_RDWR); os.unlink("f")
os.fchmod(f, 0o640); os.fchown(f, 12, 34); os.utime(f, ns=(5, 7)); os.write(f, b"through")
s = os.fstat(f); show(oct(s.st_mode), s.st_nlink, s.st_uid, s.st_gid, s.st_atime_ns, os.read(f, 9))`,
  "an unlinked fifo, opened again through proc": `
os.mkfifo("f"); f = os.open("f", os.O_RDWR); os.unlink("f")
g = os.open(f"/proc/self/fd/{f}", os.O_WRONLY); os.write(g, b"again"); show(os.read(f, 9))`,
  "an unlinked socket": `
s = socket.socket(socket.AF_UNIX); s.bind("s"); p = os.open("s", os.O_PATH); os.unlink("s")
t = os.fstat(p); show(oct(t.st_mode), t.st_nlink)`,
  "an unlinked symlink": `
os.symlink("to", "l"); p = os.open("l", os.O_PATH | os.O_NOFOLLOW); os.unlink("l")
show(os.readlink("", dir_fd=p), os.fstat(p).st_nlink)`,
  "an unlinked file with two names": `
open("a", "w").write("text"); os.link("a", "b"); f = os.open("a", os.O_RDWR); os.unlink("a"); os.unlink("b")
os.fchmod(f, 0o604); os.setxattr(f, "user.a", b"v"); os.pwrite(f, b"!", 4)
s = os.fstat(f); show(oct(s.st_mode), s.st_nlink, s.st_size, os.getxattr(f, "user.a"), os.pread(f, 9, 0))`,
};

const PROLOGUE = `
import errno, os, socket
os.umask(0o022)
def show(*values): print(*values)
def answer(act):
    try: return act()
    except OSError as e: return errno.errorcode[e.errno]
`;

Deno.test({
  name: `mount: what was removed goes on as on the machine's own filesystem${
    reason && `: ${reason}`
  }`,
  ignore: reason !== "",
  async fn(t) {
    await using vault = await MountedVault.create();
    const own = await Deno.makeTempDir({ prefix: "removed" });
    const answersIn = async (directory: string, program: string) => {
      await Deno.mkdir(directory);
      const { stdout, stderr } = await run("python3", ["-c", PROLOGUE + program], directory);
      assert.equal(stderr, "", directory);
      return stdout;
    };
    try {
      for (const [name, program] of Object.entries(PROGRAMS)) {
        await t.step(name, async () => {
          const expected = await answersIn(`${own}/${name}`, program);
          assert.notEqual(expected, "");
          assert.equal(await answersIn(`${vault.mountpoint}/${name}`, program), expected);
        });
      }
      await vault.remount();
      await vault.ok("rm -r *");
      const { ok, files, directories } = await vault.control("check") as CheckReport;
      assert.deepEqual({ ok, files, directories }, { ok: true, files: 0, directories: 1 });
    } finally {
      await Deno.remove(own, { recursive: true });
    }
  },
});
