import assert from "node:assert/strict";
import { VaultError } from "../../core/errors.ts";
import { mountSession } from "../../ffi/libfuse3/session.ts";
import { MountedDriver, run, whyNoMount } from "../support/mounted_driver.ts";

const reason = whyNoMount();

function lifeTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `driver: ${name}${reason && `: ${reason}`}`, ignore: reason !== "", fn });
}

/** Starts a process that mounts on `mountpoint`, and waits until it is ready. */
async function startMount(mountpoint: string): Promise<Deno.ChildProcess> {
  const program = new URL("../support/mount_program.ts", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", program, mountpoint],
    stdout: "piped",
    stdin: "null",
  }).spawn();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  reader.releaseLock();
  assert.equal(new TextDecoder().decode(value), "ready\n");
  return child;
}

lifeTest("unmounting writes dirty pages back first", async () => {
  const driver = await MountedDriver.mount();
  await driver.ok("head -c 33554432 /dev/zero | tr '\\0' 'x' > big");
  await driver.python(`
import mmap, os
f = os.open("big", os.O_RDWR); m = mmap.mmap(f, 33554432)
for i in range(0, 33554432, 4096): m[i] = 66`);
  assert.equal(await driver.session.unmount(), "unmounted");
  const { error, sum } = await driver.ended();
  const [x, b] = [120, 66];
  assert.deepEqual({ error, sum }, { error: "", sum: 33554432 * x - 8192 * (x - b) });
  await Deno.remove(driver.mountpoint);
});

lifeTest("a busy mount is served after unmounting until its last user leaves", async () => {
  const driver = await MountedDriver.mount();
  const user = new Deno.Command("sh", {
    args: ["-c", "exec 3> held; echo ready; read line; echo $line >&3; cat < /dev/fd/3; cat held"],
    cwd: driver.mountpoint,
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const lines = user.stdout.getReader();
  assert.equal(new TextDecoder().decode((await lines.read()).value), "ready\n");
  assert.equal(await driver.session.unmount(), "busy");
  const input = user.stdin.getWriter();
  await input.write(new TextEncoder().encode("late\n"));
  await input.close();
  let output = "";
  for (let part = await lines.read(); !part.done; part = await lines.read()) {
    output += new TextDecoder().decode(part.value);
  }
  assert.match(output, /late/);
  await user.status;
  assert.equal((await driver.ended()).error, "");
  await Deno.remove(driver.mountpoint);
});

lifeTest("umount from outside ends the session", async () => {
  const driver = await MountedDriver.mount();
  await driver.ok("echo x > a");
  assert.equal((await run("umount", [driver.mountpoint], "/")).code, 0);
  assert.equal((await driver.ended()).error, "");
  assert.equal(await driver.session.unmount(), "unmounted");
  await Deno.remove(driver.mountpoint);
});

lifeTest("SIGTERM of the mounting process unmounts", async () => {
  const mountpoint = await Deno.makeTempDir({ prefix: "driver" });
  const child = await startMount(mountpoint);
  assert.equal((await run("sh", ["-c", "echo x > a && cat a"], mountpoint)).stdout, "x\n");
  child.kill("SIGTERM");
  await child.stdout.cancel();
  assert.equal((await child.status).code, 0);
  await Deno.remove(mountpoint);
});

lifeTest("the mount of a killed process is detected and replaced", async () => {
  const mountpoint = await Deno.makeTempDir({ prefix: "driver" });
  const child = await startMount(mountpoint);
  child.kill("SIGKILL");
  await child.stdout.cancel();
  await child.status;
  assert.match((await run("ls", [mountpoint], "/")).stderr, /not connected/);
  {
    await using driver = await MountedDriver.mount({}, mountpoint);
    assert.equal(await driver.ok("echo again > a; cat a"), "again");
  }
  await assert.rejects(Deno.stat(mountpoint), Deno.errors.NotFound);
  const mounts = await Deno.readTextFile("/proc/self/mountinfo");
  assert.ok(!mounts.includes(mountpoint), "no dead mount is left below");
});

lifeTest("aborting cuts off whoever uses the mount", async () => {
  const driver = await MountedDriver.mount({ fsync: "until go", interruptGraceMs: 1e9 });
  const stuck = driver.sh("echo x > a; sync a");
  await driver.ok("until test -e a; do :; done");
  driver.session.abort();
  assert.notEqual((await stuck).code, 0);
  assert.equal((await driver.ended()).error, "");
  await Deno.remove(driver.mountpoint);
});

lifeTest("an fsync that takes its time is waited for, others go on meanwhile", async () => {
  await using driver = await MountedDriver.mount({ fsync: "until go" });
  await driver.python(`
import os, threading
f = os.open("a", os.O_RDWR | os.O_CREAT); os.write(f, b"x")
ended = []
threads = [threading.Thread(target=lambda: (os.fsync(f), ended.append(1))) for _ in range(4)]
for t in threads: t.start()
for i in range(500): os.mkdir(f"d{i}")
assert ended == []
os.mkdir("go")
for t in threads: t.join()
assert len(ended) == 4`);
});

lifeTest("an interrupted fsync that never ends answers EINTR after the grace", async () => {
  await using driver = await MountedDriver.mount({ fsync: "until go", interruptGraceMs: 50 });
  await driver.python(`
import ctypes, errno, os, signal
libc = ctypes.CDLL(None, use_errno=True)
f = os.open("a", os.O_RDWR | os.O_CREAT); os.write(f, b"x")
signal.signal(signal.SIGALRM, lambda *_: None); signal.siginterrupt(signal.SIGALRM, True)
signal.setitimer(signal.ITIMER_REAL, 0.2)
assert libc.fsync(f) == -1 and ctypes.get_errno() == errno.EINTR`);
});

lifeTest("an interrupted fsync that ends within the grace succeeds", async () => {
  await using driver = await MountedDriver.mount({ fsync: "200 ms", interruptGraceMs: 60000 });
  await driver.python(`
import ctypes, os, signal
libc = ctypes.CDLL(None, use_errno=True)
f = os.open("a", os.O_RDWR | os.O_CREAT); os.write(f, b"x")
signal.signal(signal.SIGALRM, lambda *_: None); signal.siginterrupt(signal.SIGALRM, True)
signal.setitimer(signal.ITIMER_REAL, 0.05)
assert libc.fsync(f) == 0`);
});

lifeTest("memory that the filesystem keeps is left alone, idle time is given to it", async () => {
  const driver = await MountedDriver.mount({ lazyWrites: true, writebackCache: false });
  await driver.python(`
import hashlib, mmap, os
f = os.open("big", os.O_RDWR | os.O_CREAT | os.O_DIRECT)
sums = []
for i in range(64):
    b = mmap.mmap(-1, 1 << 20); b.write(os.urandom(1 << 20))
    sums.append(hashlib.sha256(b).digest()); assert os.pwrite(f, b, i << 20) == 1 << 20
for i in range(64):
    b = mmap.mmap(-1, 1 << 20); assert os.preadv(f, [b], i << 20) == 1 << 20
    assert hashlib.sha256(b).digest() == sums[i], i
threads = __import__("threading")
def writer(n):
    b = mmap.mmap(-1, 1 << 20); b.write(bytes([n]) * (1 << 20))
    for i in range(8): os.pwrite(f, b, (n * 8 + i) << 20)
workers = [threads.Thread(target=writer, args=(n,)) for n in range(8)]
for w in workers: w.start()
for w in workers: w.join()`);
  await driver.session.unmount();
  const { error, sum, keptWrites, ticks } = await driver.ended();
  assert.deepEqual({ error, sum }, { error: "", sum: 28 * 8 * 2 ** 20 });
  assert.ok(keptWrites > 32, `${keptWrites} writes were kept`);
  assert.ok(ticks > 0, "timers ran");
  await Deno.remove(driver.mountpoint);
});

lifeTest("a call from another thread reaches the sleeping loop", async () => {
  await using driver = await MountedDriver.mount();
  for (let round = 0; round < 20; round++) {
    driver.post("echo");
    driver.session.wake();
    await driver.next("echo");
  }
});

lifeTest("a failure of the filesystem is EIO, a broken invariant ends the session", async () => {
  const driver = await MountedDriver.mount({ faulty: true });
  await driver.ok("touch a");
  const failed = await driver.sh("getfattr -n user.failed a");
  assert.match(failed.stderr, /Input\/output error/);
  assert.equal(await driver.ok("ls"), "a");
  const broken = await driver.sh("getfattr -n user.broken a");
  assert.match(broken.stderr, /Input\/output error/);
  await driver.next("ended").then((news) => {
    assert.equal(news.error, "AssertionError");
    assert.equal(news.reports, 2);
  });
  driver.session.abort();
  await driver.ended();
  await Deno.remove(driver.mountpoint);
});

lifeTest("mounting on nothing, or with a bad option, says so", async () => {
  assert.throws(
    () => mountSession("/nowhere/at/all", { source: "x" }),
    (error) => error instanceof VaultError && error.kind === "missing",
  );
  const mountpoint = await Deno.makeTempDir({ prefix: "driver" });
  assert.throws(
    () => mountSession(mountpoint, { source: "x", extra: ["a b"] }),
    (error) => error instanceof VaultError && error.kind === "invalid",
  );
  await Deno.remove(mountpoint);
});
