/** Transactions of a mount: what programs see of them, and what the kernel must not remember. */
import assert from "node:assert/strict";
import { whyNoMount } from "../support/mounted_driver.ts";
import { MountedVault } from "../support/mounted_vault.ts";
import { PythonSession } from "../support/python_session.ts";

const reason = whyNoMount();

function transactionTest(
  name: string,
  body: (vault: MountedVault) => Promise<void>,
  order: Parameters<typeof MountedVault.create>[0] = {},
): void {
  Deno.test({
    name: `mount: ${name}${reason && `: ${reason}`}`,
    ignore: reason !== "",
    async fn() {
      await using vault = await MountedVault.create(order);
      await body(vault);
    },
  });
}

/** The kernel is told of names in two ways. */
function namesTest(name: string, body: (vault: MountedVault) => Promise<void>): void {
  transactionTest(name, body);
  transactionTest(`${name}; names one by one`, body, { namesOneByOne: true });
}

namesTest(
  "a rollback takes back what programs did, also from the kernel's memory",
  async (vault) => {
    await vault.ok(`mkdir d; echo old > d/changed; echo gone > d/removed; ln -s d link
    echo small > small; head -c 200000 /dev/zero > large; chmod 640 d/changed`);
    await vault.control("begin");
    await vault.ok(`echo new > d/changed; rm d/removed; echo x > d/made; mkdir d/sub; mv small moved
    head -c 200000 /dev/urandom > large; chmod 600 d/changed; rm link; echo y >> d/sub/file
    test -e d/made; test ! -e d/removed; cat d/changed large > /dev/null; ls d > /dev/null`);
    await vault.control("rollback");
    assert.equal(await vault.ok("cat d/changed d/removed small"), "old\ngone\nsmall");
    assert.equal(
      await vault.ok("ls d; ls; stat -c %a d/changed"),
      "changed\nremoved\nd\nlarge\nlink\nsmall\n640",
    );
    assert.equal(await vault.ok("head -c 200000 /dev/zero | cmp - large && echo same"), "same");
  },
);

transactionTest(
  "a page changed through a map before begin survives the rollback",
  async (vault) => {
    await vault.ok("head -c 8192 /dev/zero > mapped");
    await using python = new PythonSession(vault.mountpoint);
    await python.run(
      `f = open("mapped", "r+b"); m = mmap.mmap(f.fileno(), 8192); m[5000:5003] = b"one"`,
    );
    await vault.control("begin");
    await vault.ok("echo x > other");
    await vault.control("rollback");
    await vault.kill();
    await vault.mount();
    assert.equal(
      await vault.ok("dd if=mapped bs=1 skip=5000 count=3 status=none; ls"),
      "onemapped",
    );
  },
);

transactionTest(
  "a page changed through a map inside is in the state that commit makes durable",
  async (vault) => {
    await vault.ok("head -c 8192 /dev/zero > mapped");
    await using python = new PythonSession(vault.mountpoint);
    await python.run(`f = open("mapped", "r+b"); m = mmap.mmap(f.fileno(), 8192); f.close()`);
    await vault.control("begin");
    await python.run(`m[5000:5003] = b"two"`);
    await vault.control("commit");
    await vault.kill();
    await vault.mount();
    assert.equal(await vault.ok("dd if=mapped bs=1 skip=5000 count=3 status=none"), "two");
  },
);

transactionTest(
  "a page changed through a map inside is taken back, and the map is cut off",
  async (vault) => {
    await vault.ok("printf zero > mapped");
    await using python = new PythonSession(vault.mountpoint);
    await python.run(`f = open("mapped", "r+b"); m = mmap.mmap(f.fileno(), 4)`);
    await vault.control("begin");
    await python.run(`m[0:4] = b"lost"`);
    await vault.control("rollback");
    assert.equal(await python.run(`print(os.pread(f.fileno(), 4, 0))`), "ESTALE");
    assert.equal(await vault.ok("cat mapped"), "zero");
    assert.equal(await python.run(`print(os.pwrite(f.fileno(), b"late", 0))`), "ESTALE");
    assert.equal(await vault.ok("cat mapped"), "zero");
  },
);

transactionTest(
  "what was open across a rollback is stale where its file was changed or is gone",
  async (vault) => {
    await vault.ok("mkdir d; for n in same read changed unlinked; do echo $n > d/$n; done");
    await using python = new PythonSession(vault.mountpoint);
    await python.run(`
fd = {n: os.open("d/" + n, os.O_RDWR) for n in ["same", "read", "changed", "unlinked"]}
fd["d"] = os.open("d", os.O_RDONLY)`);
    await vault.control("begin");
    await python.run(`
fd["made"] = os.open("d/made", os.O_RDWR | os.O_CREAT)
os.read(fd["read"], 10); os.write(fd["changed"], b"x"); os.unlink("d/unlinked")`);
    await vault.control("rollback");
    await python.run(`
def tell(n, what):
    try: print(n, what())
    except OSError as e: print(n, errno.errorcode[e.errno])`);
    assert.equal(
      await python.run(`
for n in ["same", "read", "changed", "unlinked", "made"]: tell(n, lambda: os.pread(fd[n], 4, 0))
for n in ["same", "changed", "made"]: tell(n, lambda: os.pwrite(fd[n], b"y", 0))
for n in ["same", "changed", "made"]: tell(n, lambda: os.fsync(fd[n]))
for n in ["changed", "made"]: tell(n, lambda: os.ftruncate(fd[n], 0))
tell("d", lambda: os.listdir(fd["d"]))
for n in fd: os.close(fd[n])
fd["changed"] = os.open("d/changed", os.O_RDWR)
tell("again", lambda: os.pread(fd["changed"], 9, 0))`),
      `same b'same'
read b'read'
changed ESTALE
unlinked ESTALE
made ESTALE
same 1
changed ESTALE
made ESTALE
same None
changed ESTALE
made ESTALE
changed ESTALE
made ESTALE
d ESTALE
again b'changed\\n'`,
    );
  },
);

namesTest(
  "names that were looked up in vain inside are found after the rollback, and the other way round",
  async (vault) => {
    await vault.ok("echo x > there");
    await using python = new PythonSession(vault.mountpoint);
    await vault.control("begin");
    await vault.ok("mv there away");
    assert.equal(await python.run(`os.stat("there")`), "ENOENT");
    assert.equal(await python.run(`os.stat("away")`), "");
    await vault.control("rollback");
    assert.equal(await python.run(`os.stat("there")`), "");
    assert.equal(await python.run(`os.stat("away")`), "ENOENT");
  },
);

transactionTest(
  "one transaction at a time, and what cannot run inside one is refused",
  async (vault) => {
    await assert.rejects(vault.control("commit"), { kind: "missing", message: /begin one first/ });
    await vault.control("begin");
    await assert.rejects(vault.control("begin"), { kind: "conflict" });
    for (const verb of ["check", "compact"]) {
      await assert.rejects(vault.control(verb), {
        kind: "conflict",
        message: /transaction is open/,
      });
    }
    await vault.control("rollback");
    await assert.rejects(vault.control("rollback"), {
      kind: "missing",
      message: /was rolled back/,
    });
  },
);

transactionTest(
  "fsync inside orders only: a crash takes everything back; after commit nothing",
  async (vault) => {
    await vault.ok("echo old > file");
    await vault.control("begin");
    await vault.ok("echo new > file; sync file; echo made > made; sync made .; sync");
    await vault.kill();
    await vault.mount();
    assert.equal(await vault.ok("cat file; ls"), "old\nfile");
    await vault.control("begin");
    await vault.ok("echo new > file; echo made > made");
    await vault.control("commit");
    await vault.kill();
    await vault.mount();
    assert.equal(await vault.ok("cat file made"), "new\nmade");
  },
);

transactionTest("unmounting with a transaction open rolls it back", async (vault) => {
  await vault.ok("echo old > file");
  await vault.control("begin");
  await vault.ok("echo new > file");
  await vault.remount();
  assert.equal(await vault.ok("cat file"), "old");
  assert.deepEqual((await vault.control("check") as { problems: unknown[] }).problems, []);
});

namesTest("no verb waits for ever while programs read, write and map", async (vault) => {
  await vault.ok("head -c 400000 /dev/zero > mapped; mkdir d; echo x > d/file");
  await using python = new PythonSession(vault.mountpoint);
  await python.run(`
import signal
def forked(work):
    pid = os.fork()
    if pid != 0: return pid
    code = 0
    try: work()
    # EIO: the kernel's word for a page of a map that a rollback cut off.
    except OSError as e: code = 0 if e.errno in (errno.ESTALE, errno.ENOENT, errno.EIO) else e.errno
    os._exit(code)
def write_map():
    with open("mapped", "r+b") as f, mmap.mmap(f.fileno(), 400000) as m:
        for n in range(50):
            for at in range(0, 400000, 4096): m[at] = n
def write_file():
    for n in range(20):
        with open("d/file", "r+b") as f: f.write(b"y" * 5000); f.flush(); os.fsync(f.fileno())
def move():
    for n in range(50): os.rename("d/file", "d/other"); os.rename("d/other", "d/file"); os.listdir("d")
def keep(work, parent=os.getpid()):
    # A map that a rollback cut off ends the process that uses it.
    while os.getppid() == parent and os.waitpid(forked(work), 0)[1] in (0, signal.SIGBUS): pass
    os._exit(1)
users = [forked(lambda: keep(work)) for work in [write_map, write_file, move]]`);
  for (let round = 0; round < 12; round++) {
    await vault.control("begin");
    await vault.ok("cat mapped > d/copy; ls d > /dev/null");
    await vault.control(round % 3 === 0 ? "commit" : "rollback");
  }
  assert.equal(
    await python.run(`
for pid in users: os.kill(pid, signal.SIGKILL)
print([os.waitpid(pid, 0)[1] for pid in users])`),
    "[9, 9, 9]",
  );
  assert.deepEqual((await vault.control("check") as { problems: unknown[] }).problems, []);
});
