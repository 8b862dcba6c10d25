/** What the kernel remembers of a mount, and what it has that nobody else has seen yet. Needs Python. */
import assert from "node:assert/strict";
import { whyNoMount } from "../support/mounted_driver.ts";
import { hasProgram, MountedVault } from "../support/mounted_vault.ts";
import { PythonSession } from "../support/python_session.ts";

const reason = whyNoMount() || (await hasProgram("python3") ? "" : "no python3 here");
const AS_NOBODY = `
def as_nobody(act):
    pid = os.fork()
    if pid == 0:
        os.setgid(65534); os.setuid(65534); act(); os._exit(0)
    os.waitpid(pid, 0)
`;
/** Ways in which somebody who may write a file changes it. */
const WRITES: Record<string, string> = {
  write: "lambda: os.pwrite(os.open('f', os.O_WRONLY), b'!', 0)",
  allocate: "lambda: os.posix_fallocate(os.open('f', os.O_WRONLY), 0, 100_000)",
  "copy a range":
    "lambda: os.copy_file_range(os.open('other', os.O_RDONLY), os.open('f', os.O_WRONLY), 50, offset_dst=0)",
  empty: "lambda: os.open('f', os.O_WRONLY | os.O_TRUNC)",
};

Deno.test({
  name: "mount: setuid and setgid that a write clears are cleared in the kernel's memory too",
  ignore: reason !== "",
  async fn() {
    await using vault = await MountedVault.create();
    await using python = new PythonSession(vault.mountpoint);
    await python.run(AS_NOBODY);
    await python.run("open('other', 'w').write('o' * 5000); os.chmod('other', 0o644)");
    for (const [name, write] of Object.entries(WRITES)) {
      const made =
        "open('f', 'w').write('x' * 5000); os.chmod('f', 0o6777); print(oct(os.stat('f').st_mode))";
      assert.equal(await python.run(made), "0o106777");
      await python.run(`as_nobody(${write})`);
      // It asks for the mode only, which the kernel then answers from memory; as it does before it executes a file.
      assert.equal((await vault.ok("stat -c %a f")).trim(), "777", name);
      await python.run("os.unlink('f')");
    }
  },
});

Deno.test({
  name: "mount: what was written into holes through a map is data for whoever looks for data",
  ignore: reason !== "",
  async fn() {
    await using vault = await MountedVault.create();
    await using python = new PythonSession(vault.mountpoint);
    await python.run("f = os.open('f', os.O_RDWR | os.O_CREAT); os.ftruncate(f, 1 << 20)");
    await python.run("m = mmap.mmap(f, 1 << 20); m[700_000:705_000] = b'd' * 5000");
    const found = "print(os.lseek(g, 0, os.SEEK_DATA), os.lseek(g, 0, os.SEEK_HOLE))";
    await python.run("g = os.open('f', os.O_RDONLY)");
    assert.equal(await python.run(found), "688128 0");
    await python.run("m[3] = 1");
    const [data, hole] = (await python.run(found)).split(" ").map(Number);
    assert.equal(data, 0);
    assert.ok(hole > 3 && hole <= 688_128);
    await python.run("m[300_000] = 1; os.pwrite(f, b'x', 900_000)");
    assert.equal(await python.run("print(os.lseek(g, 20_000, os.SEEK_DATA) // 16384)"), "18");
    await vault.ok("cp --sparse=always f g");
    assert.equal(
      await python.run("print(open('f', 'rb').read() == open('g', 'rb').read())"),
      "True",
    );
    assert.equal(await python.run("os.lseek(g, 950_000, os.SEEK_DATA)"), "ENXIO");
    assert.equal(await python.run("print(os.lseek(g, 950_000, os.SEEK_HOLE))"), "950000");
  },
});
