import assert from "node:assert/strict";
import { libcIo, run } from "../../tests/contract/media_under_test.ts";
import { nodeIo } from "./node_io.ts";
import type { PositionedFile, PositionedIo } from "./positioned_io.ts";
import { openFileStorage } from "./store.ts";

const ios = [nodeIo, ...libcIo === undefined ? [] : [libcIo]];
const isRoot = Deno.build.os === "linux" && Deno.uid() === 0;
const noRoot = isRoot ? "" : " (skipped: needs root to mount a tmpfs)";

async function inDirectory(work: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await work(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function inTmpfs(work: (directory: string) => Promise<void>): Promise<void> {
  await inDirectory(async (directory) => {
    await run("mount", "-t", "tmpfs", "-o", "size=1m", "sigmavault-test", directory);
    try {
      await work(directory);
    } finally {
      await run("umount", directory);
    }
  });
}

/** I/O whose opened files are changed by `alter`. */
function altered(alter: (file: PositionedFile) => void): PositionedIo {
  return {
    name: "altered",
    open(path, mode) {
      const file = nodeIo.open(path, mode);
      alter(file);
      return file;
    },
  };
}

for (const io of ios) {
  Deno.test(`file (${io.name}): what cannot be opened says why`, () =>
    inDirectory(async (directory) => {
      const path = `${directory}/x`;
      await assert.rejects(openFileStorage({ path, io }), {
        kind: "missing",
        message: `Cannot open "${path}": no such file`,
      });
      await assert.rejects(openFileStorage({ path: directory, io }), {
        kind: "invalid",
        message: `Cannot open "${directory}": it is a directory`,
      });
      await assert.rejects(openFileStorage({ path: "/dev/null", io }), { kind: "invalid" });
      await Deno.writeTextFile(path, "kept");
      const exclusive = openFileStorage({ path, io, create: true, exclusive: true });
      await assert.rejects(exclusive, { kind: "conflict", errno: "EEXIST" });
      assert.equal(await Deno.readTextFile(path), "kept");
    }));

  Deno.test(`file (${io.name}): a pipe is refused at once`, () =>
    inDirectory(async (directory) => {
      const path = `${directory}/pipe`;
      await run("mkfifo", path);
      for (const readOnly of [false, true]) {
        await assert.rejects(openFileStorage({ path, io, readOnly }), { kind: "invalid" });
      }
    }));

  Deno.test(`file (${io.name}): a file that someone cut is corrupt, not zeros`, () =>
    inDirectory(async (directory) => {
      const path = `${directory}/x`;
      const medium = await openFileStorage({ path, io, create: true });
      await medium.write(0, new Uint8Array(8192).fill(1));
      await Deno.truncate(path, 5000);
      assert.deepEqual(await medium.read(0, 5000), new Uint8Array(5000).fill(1));
      await assert.rejects(medium.read(4096, 4096), {
        kind: "corrupt",
        message: `Cannot read "${path}" at 4096+4096: ` +
          `the medium was truncated from 8192 to 5000 bytes`,
      });
      await medium.close();
    }));

  Deno.test({
    name: `file (${io.name}): a full filesystem is ENOSPC, nothing is lost, room helps${noRoot}`,
    ignore: !isRoot,
    fn: () =>
      inTmpfs(async (directory) => {
        const medium = await openFileStorage({ path: `${directory}/x`, io, create: true });
        await medium.write(0, new Uint8Array(512 * 1024).fill(3));
        const tooMuch = new Uint8Array(1024 * 1024);
        const full = { kind: "unavailable", errno: "ENOSPC" };
        await assert.rejects(medium.write(512 * 1024, tooMuch), full);
        assert.throws(() => medium.direct?.write(512 * 1024, tooMuch), full);
        assert.deepEqual(await medium.read(0, 512 * 1024), new Uint8Array(512 * 1024).fill(3));
        await medium.truncate(256 * 1024);
        await medium.write(256 * 1024, new Uint8Array(512 * 1024));
        await medium.close();
      }),
  });

  Deno.test({
    name: `file (${io.name}): on a read-only mount it opens for reading if allowed to${noRoot}`,
    ignore: !isRoot,
    fn: () =>
      inTmpfs(async (directory) => {
        const path = `${directory}/x`;
        await Deno.writeTextFile(path, "content");
        await run("mount", "-o", "remount,ro", directory);
        await assert.rejects(openFileStorage({ path, io }), { kind: "denied", errno: "EROFS" });
        const medium = await openFileStorage({ path, io, fallbackReadOnly: true });
        assert.equal(medium.capabilities.writable, false);
        assert.equal(new TextDecoder().decode(await medium.read(0, 7)), "content");
        await assert.rejects(medium.write(0, new Uint8Array(1)), { errno: "EROFS" });
        await medium.close();
      }),
  });

  Deno.test({
    name: `file (${io.name}): without permission it opens for reading if allowed to` +
      (isRoot ? " (skipped: root may write anything)" : ""),
    ignore: isRoot || Deno.build.os === "windows",
    fn: () =>
      inDirectory(async (directory) => {
        const path = `${directory}/x`;
        await Deno.writeTextFile(path, "content");
        await Deno.chmod(path, 0o444);
        await assert.rejects(openFileStorage({ path, io }), { kind: "denied", errno: "EACCES" });
        const medium = await openFileStorage({ path, io, fallbackReadOnly: true });
        assert.equal(medium.capabilities.writable, false);
        await medium.close();
      }),
  });
}

Deno.test("file: locks hold between the two kinds of I/O, and between processes", () =>
  inDirectory(async (directory) => {
    const path = `${directory}/x`;
    for (const [a, b] of ios.flatMap((a) => ios.map((b) => [a, b]))) {
      const medium = await openFileStorage({ path, io: a, create: true });
      await assert.rejects(openFileStorage({ path, io: b }), { kind: "conflict" });
      await assert.rejects(run("flock", "--nonblock", path, "true"), /flock/);
      await medium.close();
      await run("flock", "--nonblock", path, "true");
    }
  }));

Deno.test("file: it does not grow beyond sizeMax", () =>
  inDirectory(async (directory) => {
    const medium = await openFileStorage({ path: `${directory}/x`, create: true, sizeMax: 100 });
    await medium.write(0, new Uint8Array(100));
    await assert.rejects(medium.write(50, new Uint8Array(51)), { errno: "ENOSPC" });
    await assert.rejects(medium.truncate(101), { errno: "ENOSPC" });
    await medium.close();
  }));

Deno.test("file: moved elsewhere while it is open, it goes on", () =>
  inDirectory(async (directory) => {
    const path = `${directory}/x`;
    const medium = await openFileStorage({ path, create: true });
    await medium.write(0, new Uint8Array(4096).fill(1));
    await Deno.rename(path, `${path}.moved`);
    assert.ok(medium.direct!.room!().freeBytes > 0);
    await medium.write(4096, new Uint8Array(4096).fill(2));
    assert.equal((await Deno.stat(`${path}.moved`)).size, 8192);
    await medium.close();
  }));

Deno.test("file: after a failed sync no later one claims success", () =>
  inDirectory(async (directory) => {
    const failure = Object.assign(new Error("injected"), { code: "EIO" });
    let failing = true;
    const io = altered((file) => {
      const { syncAside } = file;
      file.syncAside = () => failing ? Promise.reject(failure) : syncAside.call(file);
    });
    const medium = await openFileStorage({ path: `${directory}/x`, create: true, io });
    await medium.write(0, new Uint8Array(10));
    await assert.rejects(medium.sync(), { kind: "unavailable", errno: "EIO" });
    failing = false;
    await assert.rejects(medium.sync(), /an earlier sync failed/);
    assert.throws(() => medium.direct?.sync(), /an earlier sync failed/);
    await medium.close();
  }));

Deno.test("file: options that make no sense are refused", async () => {
  const invalid = { kind: "invalid" };
  await assert.rejects(openFileStorage({ path: "" }), invalid);
  await assert.rejects(openFileStorage({ path: "x\0y" }), invalid);
  await assert.rejects(openFileStorage({ path: "x", sizeMax: -1 }), invalid);
  await assert.rejects(openFileStorage({ path: "x", exclusive: true }), invalid);
  await assert.rejects(openFileStorage({ path: "x", create: true, readOnly: true }), invalid);
});
