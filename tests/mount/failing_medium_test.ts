/**
 * A mounted vault whose medium fails, whose crypto worker breaks off, or that meets a bug of its own: programs get EIO, nobody
 * waits for ever, the mount ends, and what was acknowledged is there when it is mounted again. The medium is a file on a
 * memory filesystem that fails when told to.
 */
import assert from "node:assert/strict";
import { MIB } from "../../core/limits.ts";
import { MountedDriver, type Ran, run, whyNoMount } from "../support/mounted_driver.ts";
import { MountedVault } from "../support/mounted_vault.ts";
import { checkClosed, PromisedWriter } from "../support/promised_writer.ts";

const reason = whyNoMount();
/** A program that takes longer hangs. */
const HANG_SECONDS = "120";
const TIMED_OUT = 124;

function failureTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `mount: ${name}${reason && `: ${reason}`}`, ignore: reason !== "", fn });
}

/** Runs a shell script in the mount, which must not hang. */
async function sh(vault: MountedVault, script: string): Promise<Ran> {
  const ran = await run("timeout", [HANG_SECONDS, "sh", "-c", script], vault.mountpoint);
  assert.notEqual(ran.code, TIMED_OUT, `"${script}" hangs`);
  return ran;
}

async function failsWithEio(vault: MountedVault, script: string): Promise<void> {
  const { code, stderr } = await sh(vault, script);
  assert.notEqual(code, 0, script);
  assert.match(stderr, /Input\/output error/);
}

/** A file that was synced. */
async function keep(vault: MountedVault): Promise<string> {
  return await vault.ok("head -c 2M /dev/urandom > kept; sync kept; sha256sum kept");
}

async function isUnmounted({ mountpoint }: MountedVault): Promise<void> {
  assert.ok(!(await Deno.readTextFile("/proc/self/mountinfo")).includes(` ${mountpoint} `));
}

/** The mount ends, whatever the medium does; then the medium is well again, and what was synced is there. */
async function endsAndKeeps(
  vault: MountedVault,
  driver: MountedDriver,
  kept: string,
): Promise<number> {
  const code = await vault.end();
  await driver.ok("rmdir fail* 2> /dev/null || true");
  assert.equal(
    (await run("mountpoint", ["-q", vault.mountpoint], "/")).code,
    32,
    "it is unmounted",
  );
  await checkClosed(vault.path);
  await vault.mount();
  assert.equal(await vault.ok("sha256sum kept"), kept);
  return code;
}

async function withFailing(
  use: (vault: MountedVault, driver: MountedDriver) => Promise<void>,
): Promise<void> {
  await using driver = await MountedDriver.mount({ writebackCache: false });
  const path = `${driver.mountpoint}/vault`;
  await using vault = await MountedVault.create({ path, sizeBytes: 256 * MIB });
  await use(vault, driver);
}

failureTest("a medium that does not take writes", async () => {
  await withFailing(async (vault, driver) => {
    const kept = await keep(vault);
    await driver.ok('mkdir "fail write"');
    await failsWithEio(vault, "head -c 24M /dev/urandom > lost; sync lost");
    await failsWithEio(vault, "echo small > small; sync small");
    assert.equal((await sh(vault, "sha256sum kept")).stdout.trim(), kept, "reading goes on");
    assert.notEqual(await endsAndKeeps(vault, driver, kept), 0, "the loss is told");
    await vault.ok("echo again > again; sync again; test ! -s lost || rm lost");
  });
});

failureTest("a medium that does not sync", async () => {
  await withFailing(async (vault, driver) => {
    const kept = await keep(vault);
    await driver.ok('mkdir "fail fsync"');
    await failsWithEio(vault, "echo x > lost; sync lost");
    await driver.ok('rmdir "fail fsync"');
    // What the medium had taken may be gone: no later sync may claim that it is there.
    await failsWithEio(vault, "echo y > lost; sync lost");
    assert.notEqual(await endsAndKeeps(vault, driver, kept), 0, "the loss is told");
  });
});

failureTest("a medium that cannot be read for a while", async () => {
  await withFailing(async (vault, driver) => {
    const kept = await keep(vault);
    await vault.remount();
    // What the system below remembers of the medium would hide its failure.
    await driver.ok('dd if=vault iflag=nocache count=0 2> /dev/null; mkdir "fail read"');
    await failsWithEio(vault, "cat kept");
    await driver.ok('rmdir "fail read"');
    assert.equal(await vault.ok("sha256sum kept"), kept, "it is read again");
    assert.equal(await endsAndKeeps(vault, driver, kept), 0, "nothing was lost");
  });
});

/** Two writers, until both have got an error: they must not hang. */
async function writeUntilFailure(vault: MountedVault): Promise<PromisedWriter[]> {
  const directories = [0, 1].map((n) => `${vault.mountpoint}/${n}`);
  const writers = directories.map((path, n) => new PromisedWriter(path, n, () => {}));
  await Promise.all(writers.map(({ ended }) => ended));
  assert.ok(writers.some(({ acknowledged }) => acknowledged > 0));
  return writers;
}

async function reopens(vault: MountedVault, writers: PromisedWriter[], kept: string) {
  await isUnmounted(vault);
  await checkClosed(vault.path);
  await vault.mount({ failingWorker: undefined });
  for (const writer of writers) writer.verify();
  assert.equal(await vault.ok("sha256sum kept"), kept);
}

failureTest("a crypto worker that breaks off", async () => {
  await using vault = await MountedVault.create({ failingWorker: "after=100&how=throw" });
  const kept = await keep(vault);
  const writers = await writeUntilFailure(vault);
  assert.equal((await sh(vault, "sha256sum kept")).stdout.trim(), kept, "reading goes on");
  await failsWithEio(vault, "echo x > more; sync more");
  assert.equal(await vault.end(), 1, "the loss is told");
  await reopens(vault, writers, kept);
});

failureTest("a bug that is met while programs write", async () => {
  await using vault = await MountedVault.create({ failingWorker: "after=60&how=break" });
  const kept = await keep(vault);
  const writers = await writeUntilFailure(vault);
  assert.equal(await vault.end(), 1, "the mount has ended by itself, and says so");
  await reopens(vault, writers, kept);
});
