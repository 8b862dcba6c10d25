import assert from "node:assert/strict";
import { named, openMemoryVolume } from "../../tests/support/open_memory_volume.ts";
import { VaultError } from "../errors.ts";
import { MIB } from "../limits.ts";
import { VaultFiles } from "./files.ts";

function openFiles() {
  const { fs, store } = openMemoryVolume();
  return { files: new VaultFiles({ fileSystem: fs, kernel: store.kernel }), fs };
}

function failsWith(kind: string, errno: string, message: string): (error: unknown) => boolean {
  return (error) => {
    assert(error instanceof VaultError, String(error));
    assert.deepEqual([error.kind, error.errno, error.message], [kind, errno, message]);
    return true;
  };
}

const pattern = (length: number) => Uint8Array.from({ length }, (_, i) => i * 31 >>> 3);

Deno.test("files are written, read, listed and removed by path", async () => {
  const { files } = openFiles();
  await files.makeDirectory("/a/b", { recursive: true });
  await files.makeDirectory("a/b", { recursive: true });
  await files.writeFile("/a/b/two", "2");
  await files.writeFile("a/b/one", pattern(3 * MIB + 5), { mode: 0o600 });
  await files.symlink("one", "/a/b/link");
  assert.deepEqual(
    (await files.list("/a/b")).map(({ name, type }) => [name, type]),
    [["link", "symlink"], ["one", "file"], ["two", "file"]],
  );
  assert.deepEqual(await files.readFile("/a/b/link"), pattern(3 * MIB + 5));
  assert.deepEqual(
    await files.readFile("/a/b/one", { offset: 100, length: 50 }),
    pattern(150).subarray(100),
  );
  assert.equal((await files.readFile("/a/b/two", { offset: 9 })).length, 0);
  const status = await files.stat("/a/b/one");
  assert.deepEqual([status.type, status.mode, status.size], ["file", 0o600, 3 * MIB + 5]);
  assert.equal((await files.stat("/a/b/link", { followSymlinks: false })).type, "symlink");
  const walked: string[] = [];
  for await (const { path } of files.walk("/a")) walked.push(path);
  assert.deepEqual(walked, ["/a/b", "/a/b/link", "/a/b/one", "/a/b/two"]);
  await files.remove("/a", { recursive: true });
  assert.equal(await files.exists("/a"), false);
  assert.equal(await files.exists("/a/b/two"), false);
});

Deno.test("failures say what was tried and how to react", async () => {
  const { files } = openFiles();
  await files.writeFile("/f", "x");
  await files.makeDirectory("/d");
  await files.writeFile("/d/f", "x");
  const missing = 'Cannot open "/a/b": no such file or directory';
  await assert.rejects(files.readFile("/a/b"), failsWith("missing", "ENOENT", missing));
  await assert.rejects(
    files.makeDirectory("/d"),
    failsWith("conflict", "EEXIST", 'Cannot make directory "/d": it exists already'),
  );
  await assert.rejects(
    files.remove("/d"),
    failsWith("invalid", "ENOTEMPTY", 'Cannot remove "/d": the directory is not empty'),
  );
  await assert.rejects(
    files.list("/f"),
    failsWith("invalid", "ENOTDIR", 'Cannot list "/f": not a directory'),
  );
  await assert.rejects(
    files.writeFile("/d", "x"),
    failsWith("invalid", "EISDIR", 'Cannot write "/d": it is a directory'),
  );
  await assert.rejects(
    files.writeFile("/" + "n".repeat(256), "x"),
    failsWith(
      "invalid",
      "ENAMETOOLONG",
      `Cannot write "/${"n".repeat(256)}": a name is longer than 255 bytes`,
    ),
  );
  await files.symlink("loop", "/loop");
  await assert.rejects(
    files.writeFile("/loop", "x"),
    failsWith("invalid", "ELOOP", 'Cannot write "/loop": too many symbolic links'),
  );
  assert.equal(await files.exists("/f/x"), false);
});

Deno.test("a file is replaced as a whole and keeps owner, mode, attributes and what points to it", async () => {
  const { files } = openFiles();
  await files.makeDirectory("/d");
  await files.writeFile("/d/real", "old", { mode: 0o640 });
  await files.chown("/d/real", 12, 34);
  await files.setAttribute("/d/real", "user.origin", "here");
  await files.symlink("d/real", "/link");
  await using reader = await files.open("/d/real");
  const stream = await files.writeStream("/link");
  const writer = stream.getWriter();
  await writer.write(pattern(2 * MIB));
  assert.equal(await files.readText("/d/real"), "old");
  await writer.close();
  assert.deepEqual(await files.readFile("/d/real"), pattern(2 * MIB));
  assert.equal(new TextDecoder().decode(await reader.read(0, 10)), "old");
  const { uid, gid, mode } = await files.stat("/d/real");
  assert.deepEqual([uid, gid, mode], [12, 34, 0o640]);
  assert.deepEqual(await files.listAttributes("/d/real"), ["user.origin"]);
  assert.deepEqual((await files.list("/d")).map(({ name }) => name), ["real"]);
  assert.equal((await files.stat("/link", { followSymlinks: false })).type, "symlink");
});

Deno.test("a stream that is aborted leaves the old file and nothing else", async () => {
  const { files } = openFiles();
  await files.writeFile("/f", "old");
  const stream = await files.writeStream("/f");
  const writer = stream.getWriter();
  await writer.write(pattern(100_000));
  await writer.abort();
  assert.equal(await files.readText("/f"), "old");
  assert.deepEqual((await files.list("/")).map(({ name }) => name), ["f"]);
  const failing = new ReadableStream<Uint8Array>({
    pull(controller) {
      controller.enqueue(pattern(10));
      controller.error(new Error("source broke"));
    },
  });
  await assert.rejects(files.writeFile("/f", failing), /source broke/);
  assert.equal(await files.readText("/f"), "old");
  assert.deepEqual((await files.list("/")).map(({ name }) => name), ["f"]);
});

Deno.test("streams give a file in chunks, or a part of it, and let it go when cancelled", async () => {
  const { files } = openFiles();
  const content = pattern(700_001);
  await files.writeFile("/f", content);
  const whole = await new Response(await files.readStream("/f")).bytes();
  assert.deepEqual(whole, content);
  const part = await new Response(await files.readStream("/f", { offset: 699_990, length: 5 }))
    .bytes();
  assert.deepEqual(part, content.subarray(699_990, 699_995));
  const before = (await files.statfs()).freeBytes;
  const stream = await files.readStream("/f");
  const reader = stream.getReader();
  await reader.read();
  await files.remove("/f");
  await files.sync();
  assert.equal((await files.statfs()).freeBytes <= before, true, "an open file keeps its space");
  await reader.cancel();
  await files.sync();
  assert.equal((await files.statfs()).freeBytes > before + 600_000, true);
});

Deno.test("open files are read, written and cut, and refuse what they were not opened for", async () => {
  const { files } = openFiles();
  await using file = await files.open("/f", { access: "write", create: "require", mode: 0o600 });
  await file.write(10, new TextEncoder().encode("hello"));
  await file.truncate(12);
  await file.sync();
  assert.deepEqual([...await file.read(8, 100)], [0, 0, 104, 101]);
  assert.equal((await file.stat()).mode, 0o600);
  await assert.rejects(
    files.open("/f", { access: "write", create: "require" }),
    failsWith("conflict", "EEXIST", 'Cannot open "/f": it exists already'),
  );
  await using readOnly = await files.open("/f");
  await assert.rejects(
    readOnly.write(0, new Uint8Array(1)),
    failsWith("invalid", "EBADF", 'Cannot write "/f": it was opened for reading only'),
  );
  await readOnly.close();
  await assert.rejects(
    readOnly.read(0, 1),
    failsWith("invalid", "EBADF", 'Cannot read "/f": it is closed'),
  );
});

Deno.test("names that are not UTF-8 work as bytes", async () => {
  const { files } = openFiles();
  const name = new Uint8Array([0x2f, 0xff, 0xfe]);
  await files.writeFile(name, "x");
  const [entry] = await files.list("/");
  assert.deepEqual([...entry.nameBytes], [0xff, 0xfe]);
  assert.deepEqual(await files.readFile(entry.nameBytes), named("x"));
  for await (const { pathBytes } of files.walk("")) {
    assert.equal(await files.exists(pathBytes), true);
  }
});

Deno.test("links, owners, modes, times and attributes", async () => {
  const { files } = openFiles();
  await files.writeFile("/a", "text");
  await files.link("/a", "/b");
  await files.rename("/a", "/c");
  await assert.rejects(files.rename("/b", "/c", { replace: false }), { errno: "EEXIST" });
  await files.chmod("/c", 0o4711);
  const modified = new Date(1_234_567_890_123);
  await files.utimes("/c", { modified, accessed: { seconds: -5, nanoseconds: 7 } });
  const status = await files.stat("/b");
  assert.equal(status.links, 2);
  assert.equal(status.mode, 0o4711);
  assert.deepEqual(status.modified, modified);
  assert.deepEqual(status.times.atime, { seconds: -5, nanoseconds: 7 });
  await files.setAttribute("/b", "user.k", new Uint8Array([1, 2]));
  assert.deepEqual([...await files.getAttribute("/c", "user.k")], [1, 2]);
  await files.removeAttribute("/c", "user.k");
  await assert.rejects(
    files.getAttribute("/b", "user.k"),
    failsWith("missing", "ENODATA", 'Cannot read attribute "user.k" of "/b": no such attribute'),
  );
  await files.truncate("/b", 2);
  assert.equal(await files.readText("/c"), "te");
});

Deno.test("fifos, holes, and names that are not UTF-8", async () => {
  const { files } = openFiles();
  const odd = new Uint8Array([0x61, 0xff]);
  await files.makeFifo(odd, { mode: 0o620 });
  const { type, mode } = await files.stat(odd);
  assert.deepEqual([type, mode], ["fifo", 0o620]);
  await assert.rejects(files.makeFifo(odd), { errno: "EEXIST" });
  await files.symlink(odd, "/link");
  assert.deepEqual(await files.readLinkBytes("/link"), odd);
  await files.writeFile("/file", "");
  const name = new Uint8Array([...new TextEncoder().encode("user."), ...odd]);
  await files.setAttribute("/file", name, "value");
  assert.deepEqual(await files.attributeNames("/file"), [name]);
  assert.equal(new TextDecoder().decode(await files.getAttribute("/file", name)), "value");

  await using file = await files.open("/file", { access: "write" });
  assert.equal(await file.dataRun(0), null);
  await file.write(8 * MIB, pattern(100));
  await file.truncate(16 * MIB);
  const run = await file.dataRun(0);
  assert(run !== null && run.from <= 8 * MIB && run.to >= 8 * MIB + 100);
  assert(run.from > 7 * MIB && run.to < 9 * MIB, "the rest is holes");
  assert.equal(await file.dataRun(run.to), null);
});
