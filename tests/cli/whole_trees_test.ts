/** What `put` and `get` keep of a tree that has everything, seen with the calls of the system below. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { compare, concat } from "../../core/bytes.ts";
import { type FileCalls, openFileCalls } from "../../ffi/libc/file_calls.ts";
import { CliWorld } from "./cli_run.ts";
import { mountedTest } from "./mount_point.ts";

const SPARSE_BYTES = 3 * 2 ** 30;
const TYPE = 0o170000;
const text = (value: string) => new TextEncoder().encode(value);
const c = (...parts: (string | Uint8Array)[]) =>
  concat(...parts.map((part) => typeof part === "string" ? text(part) : part), new Uint8Array(1));

const reason = whyNoTree();

function whyNoTree(): string {
  if (Deno.build.os !== "linux") return "needs Linux's libc";
  const file = Deno.makeTempFileSync();
  using calls = openFileCalls();
  try {
    calls.setAttribute(c(file), c("user.any"), new Uint8Array(1));
    return "";
  } catch {
    return "the directory for temporary files takes no extended attributes";
  } finally {
    Deno.removeSync(file);
  }
}

/** Names that no UTF-8 gives, and that U+FFFD would make one. */
const ODD = [new Uint8Array([0x61, 0xff]), new Uint8Array([0x61, 0xfe])];

function writeAt(calls: FileCalls, path: Uint8Array<ArrayBuffer>, at: number, data: string) {
  using file = calls.open(path, constants.O_WRONLY | constants.O_CREAT);
  calls.write(file.descriptor, at, text(data));
}

/** A tree with all that a copy could lose. */
function makeTree(calls: FileCalls, root: string): void {
  for (const path of ["", "/deep", "/deep/er", "/empty"]) calls.makeDirectory(c(root, path));
  writeAt(calls, c(root, "/file"), 0, "content");
  calls.link(c(root, "/file"), c(root, "/deep/same"));
  ODD.forEach((name, i) => writeAt(calls, c(root, "/deep/", name), 0, `odd ${i}`));
  calls.makeDirectory(c(root, "/", ODD[0]));
  writeAt(calls, c(root, "/", ODD[0], "/below"), 0, "below");
  calls.symlink(c("../", ODD[0], "/below"), c(root, "/deep/link"));
  calls.link(c(root, "/deep/link"), c(root, "/deep/same link"));
  calls.makeFifo(c(root, "/deep/fifo"));
  calls.link(c(root, "/deep/fifo"), c(root, "/same fifo"));
  writeAt(calls, c(root, "/sparse"), SPARSE_BYTES / 3, "in the middle");
  {
    using file = calls.open(c(root, "/sparse"), constants.O_WRONLY);
    calls.truncate(file.descriptor, SPARSE_BYTES);
  }
  writeAt(calls, c(root, "/nothing but a hole"), 0, "");
  calls.setAttribute(c(root, "/file"), c("user.text"), text("value"));
  calls.setAttribute(c(root, "/file"), c("user.", ODD[1]), new Uint8Array([0, 255, 0]));
  calls.setAttribute(c(root, "/deep"), c("user.of a directory"), new Uint8Array(0));
  calls.chmod(c(root, "/file"), 0o4750);
  calls.chmod(c(root, "/deep/fifo"), 0o620);
  calls.chmod(c(root, "/deep/er"), 0o1711);
  calls.chmod(c(root, "/sparse"), 0o400);
  const time = (seconds: number, nanoseconds: number) => ({ seconds, nanoseconds });
  for (const [i, path] of ["/deep/link", "/deep/fifo", "/file", "/deep/er", "/deep"].entries()) {
    calls.setTimes(c(root, path), time(2 ** 31 + i, 999_999_999), time(1_400_000_000 + i, 1 + i));
  }
  calls.setTimes(c(root, "/empty"), time(-5, 7), time(-6, 123_456_789));
}

/** One line for everything in a tree, so that two trees can be compared. */
function describe(calls: FileCalls, root: string): string[] {
  const lines: string[] = [];
  const seen = new Map<string, string>();
  const visit = (path: Uint8Array) => {
    const at = c(root, path);
    const stat = calls.stat(at);
    const { mode, uid, gid, links, modified } = stat;
    const type = mode & TYPE;
    const isDirectory = type === constants.S_IFDIR, isFile = type === constants.S_IFREG;
    const name = path.toHex();
    const first = seen.get(stat.identity) ?? name;
    seen.set(stat.identity, first);
    const facts: unknown[] = [name, mode.toString(8), uid, gid, modified];
    if (!isDirectory) facts.push(links, first, stat.size);
    if (isFile) facts.push(contentOf(calls, at));
    if (type === constants.S_IFLNK) facts.push(calls.readLink(at).toHex());
    if (isFile || isDirectory) {
      const names = calls.attributeNames(at).filter((one) => one[0] === 0x75);
      facts.push(
        names.map((one) => `${one.toHex()}=${calls.attribute(at, c(one)).toHex()}`).sort(),
      );
    }
    // What is read by the copy gets another time of access from it.
    if (type === constants.S_IFIFO) facts.push(stat.accessed);
    lines.push(JSON.stringify(facts));
    if (!isDirectory) return;
    // In one order: the first name of a link stands for all.
    for (const below of calls.list(at).sort(compare)) visit(concat(path, text("/"), below));
  };
  visit(new Uint8Array(0));
  return lines.sort();
}

function contentOf(calls: FileCalls, path: Uint8Array<ArrayBuffer>): string {
  using file = calls.open(path, constants.O_RDONLY);
  const hash = createHash("sha256");
  const buffer = new Uint8Array(2 ** 20);
  let dataBytes = 0;
  for (let run, at = 0; (run = calls.dataRun(file.descriptor, at)) !== null; at = run.to) {
    for (let from = run.from; from < run.to; from += buffer.length) {
      const part = buffer.subarray(0, Math.min(buffer.length, run.to - from));
      calls.read(file.descriptor, from, part);
      // Where holes begin depends on the filesystem; what is not zero does not.
      part.forEach((byte, i) => byte !== 0 && hash.update(`${from + i}:${byte},`));
      dataBytes += part.length;
    }
  }
  assert.ok(dataBytes <= 2 ** 20, `${dataBytes} bytes of a small or sparse file take space`);
  return hash.digest("hex");
}

function libcTest(name: string, body: (world: CliWorld, calls: FileCalls) => Promise<void>) {
  Deno.test({
    name: `cli: ${name}${reason && `: ${reason}`}`,
    ignore: reason !== "",
    async fn() {
      await using world = await CliWorld.open();
      using calls = openFileCalls();
      await world.create();
      makeTree(calls, world.path("tree"));
      await body(world, calls);
    },
  });
}

libcTest("put and get keep everything of a tree", async (world, calls) => {
  const { medium, opens } = world;
  const source = describe(calls, world.path("tree"));
  const put = await world.json<Record<string, number>>("put", medium, world.path("tree"), ...opens);
  assert.deepEqual(
    [put.files, put.directories, put.symlinks, put.fifos, put.attributesLost],
    [7, 5, 2, 2, 0],
  );
  await world.ok("get", medium, "/tree", world.path("copy"), ...opens);
  assert.deepEqual(describe(calls, world.path("copy")), source);
  assert.deepEqual(describe(calls, world.path("tree")), source, "the source is as it was");
  const [sparse] = await world.json<{ bytes: number }[]>("ls", medium, "/tree/sparse", ...opens);
  assert.equal(sparse.bytes, SPARSE_BYTES);
  // Again over what is there: modes that forbid, links and fifos do not stand in its way.
  await world.ok("put", medium, world.path("tree"), ...opens);
  await world.ok("get", medium, "/tree/", `${world.path("copy")}/..`, ...opens);
  await world.ok("rm", medium, "/tree", "--recursive", ...opens);
  assert.equal((await world.json<{ ok: boolean }>("check", medium, ...opens)).ok, true);
});

libcTest("links between the sources of one put are kept", async (world, calls) => {
  const { medium, opens } = world;
  const sources = ["file", "deep", "same fifo"].map((name) => world.path(`tree/${name}`));
  await world.ok("put", medium, ...sources, "/", ...opens);
  await Deno.mkdir(world.path("out"));
  await world.ok("get", medium, "/same fifo", "/deep", "/file", world.path("out"), ...opens);
  const identity = (path: string) => calls.stat(c(world.path(`out/${path}`))).identity;
  assert.equal(identity("file"), identity("deep/same"));
  assert.equal(identity("same fifo"), identity("deep/fifo"));

  // Two of one name: the later one stays, and what was linked to the earlier one is not linked to it.
  await Deno.mkdir(world.path("other"));
  await Deno.writeTextFile(world.path("other/file"), "another");
  const twice = [world.path("tree/file"), world.path("other/file"), world.path("tree/deep/same")];
  await world.ok("put", medium, ...twice, world.path("tree/deep/same"), "/", ...opens);
  assert.equal(await world.ok("cat", medium, "/file", "/same", ...opens), "anothercontent");
});

libcTest("a socket is left out with its name", async (world) => {
  const { medium, opens } = world;
  using _socket = Deno.listen({ transport: "unix", path: world.path("tree/socket") });
  const { code, stderr } = await world.run("put", medium, world.path("tree"), ...opens);
  assert.equal(code, 0);
  assert.equal(
    stderr,
    `sigmavault: warning: left out "${world.path("tree/socket")}": a socket\n`,
  );
});

libcTest("without libc, what cannot be had is left out and said", async (world, calls) => {
  const { medium, opens } = world;
  await world.ok("put", medium, world.path("tree"), ...opens);
  const flags = ["--allow-read", "--allow-write", "--allow-sys"];
  const args = ["get", medium, "/tree", world.path("copy"), ...opens];
  const { code, stderr } = await world.runWith(flags, args);
  assert.equal(code, 0, stderr);
  const warnings = stderr.split("\n").map((line) => line.slice(line.lastIndexOf(": ") + 2)).sort();
  assert.deepEqual(warnings, [
    "",
    "a fifo",
    "a fifo",
    "extended attributes of 2 files cannot be kept there",
    "its name is not UTF-8",
    "its name is not UTF-8",
    "its name is not UTF-8",
    "its target is not UTF-8",
    "its target is not UTF-8",
  ]);
  const copy = world.path("copy");
  assert.equal(await Deno.readTextFile(`${copy}/file`), "content");
  assert.deepEqual(
    calls.stat(c(copy, "/file")).identity,
    calls.stat(c(copy, "/deep/same")).identity,
  );
  const { size, blocks } = calls.stat(c(copy, "/sparse"));
  assert.ok(size === SPARSE_BYTES && blocks < 100, `${blocks} blocks`);

  const here = world.path("");
  const scoped = [`--allow-read=${here}`, `--allow-write=${here}`];
  await Deno.mkdir(world.path("narrow"));
  await Deno.mkdir(world.path("linked"));
  await Deno.symlink("/somewhere", world.path("linked/plain"));
  await world.ok("put", medium, world.path("linked"), "/tree/", ...opens);
  const got = await world.runWith(scoped, ["get", medium, "/tree", world.path("narrow"), ...opens]);
  assert.equal(got.code, 0, got.stderr);
  assert.match(got.stderr, /a symlink, which needs --allow-ffi/);
  assert.equal(await Deno.readTextFile(world.path("narrow/tree/file")), "content");
  const put = await world.runWith(scoped, [
    "put",
    medium,
    world.path("tree/deep"),
    "/again/",
    ...opens,
  ]);
  assert.equal(put.code, 4, put.stderr); // there is no such directory
  await world.ok("mkdir", medium, "/again", ...opens);
  const puts = await world.runWith(scoped, [
    "put",
    medium,
    world.path("tree/deep"),
    "/again/",
    ...opens,
  ]);
  assert.equal(puts.code, 0, puts.stderr);
  assert.match(puts.stderr, /it is gone, or its name cannot be read here/);
  assert.equal(await world.ok("cat", medium, "/again/deep/same", ...opens), "content");
});

mountedTest("put into a mount keeps everything of a tree", async (world, mnt) => {
  using calls = openFileCalls();
  makeTree(calls, world.path("tree"));
  await world.ok("put", mnt, world.path("tree"));
  const source = describe(calls, world.path("tree"));
  assert.deepEqual(describe(calls, `${mnt}/tree`), source);
  await world.ok("get", mnt, "/tree", world.path("copy"));
  assert.deepEqual(describe(calls, world.path("copy")), source);
  await world.ok("umount", mnt);
}, { reason });
