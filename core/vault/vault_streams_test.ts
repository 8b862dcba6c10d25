import assert from "node:assert/strict";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { ArenaKernel } from "../../tests/support/arena_kernel.ts";
import { bytesOf, cutAfter } from "../../tests/support/cut_stream.ts";
import { FakeRuntime } from "../../tests/support/fake_runtime.ts";
import { createKeyedVault } from "../../tests/support/keyed_vault.ts";
import { RandomStream } from "../../tests/support/random_stream.ts";
import { StreamWorld } from "../../tests/support/stream_world.ts";
import { FRAME_BYTES, STREAM_SALT_BYTES } from "../format/stream_frame.ts";
import { MIB } from "../limits.ts";
import { checkVault } from "./check.ts";
import type { Vault } from "./vault.ts";

const senders = new ArenaKernel(24 * MIB);
const receivers = new ArenaKernel(24 * MIB);

/** In parts that fit nothing, as they come out of a pipe. */
async function* inParts(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 50_021) yield bytes.subarray(at, at + 50_021);
}

function receive(vault: Vault, volume: string, bytes: Uint8Array) {
  return vault.streams.receive(volume, inParts(bytes));
}

/** A vault with a snapshot of about three mebibytes, and its stream under the keys that both vaults have. */
async function sent(): Promise<{ from: StreamWorld; bytes: Uint8Array }> {
  const from = await StreamWorld.make(senders, 0);
  const { files } = from.vault;
  const random = new RandomStream(7);
  for (let i = 0; i < 30; i++) {
    const content = new Uint8Array(random.below(200_000)).map(() => random.below(256));
    await files.writeFile(`/file ${i}`, content);
  }
  await files.setAttribute("/file 1", "user.long", new Uint8Array(60_000).fill(3));
  await from.vault.snapshots.create("main", "monday");
  return { from, bytes: await bytesOf(from.vault.streams.send("main", "monday")) };
}

async function assertSame(from: StreamWorld, to: StreamWorld, snapshot: string): Promise<void> {
  assert.equal(to.describe("copy", snapshot), from.describe("main", snapshot));
  assert.equal(to.describeHead("copy"), from.describe("main", snapshot));
  assert.deepEqual((await checkVault(to.vault)).problems, []);
}

Deno.test("streams: a bit that was changed anywhere is refused, and nothing is seen", async () => {
  const { from, bytes } = await sent();
  const to = await StreamWorld.make(receivers, 0);
  const random = new RandomStream(3);
  const ends = [0, 31, 32, STREAM_SALT_BYTES + FRAME_BYTES - 1, bytes.length - 1];
  const places = [...ends, ...Array.from({ length: 40 }, () => random.below(bytes.length))];
  for (const at of places) {
    const changed = bytes.slice();
    changed[at] ^= 1 << random.below(8);
    await assert.rejects(receive(to.vault, "copy", changed), { kind: "corrupt" }, `byte ${at}`);
    assert.deepEqual(await to.list(), ["main: "]);
  }
  await receive(to.vault, "copy", bytes);
  await assertSame(from, to, "monday");
});

Deno.test("streams: frames that are left out, exchanged, repeated or another stream's are refused", async () => {
  const { from, bytes } = await sent();
  const other = await bytesOf(from.vault.streams.send("main", "monday"));
  const to = await StreamWorld.make(receivers, 0);
  const frame = (n: number, of = bytes) => {
    const at = STREAM_SALT_BYTES + n * FRAME_BYTES;
    return of.subarray(at, at + FRAME_BYTES);
  };
  const spliced = (...parts: Uint8Array[]) => new Uint8Array(parts.flatMap((part) => [...part]));
  const salt = bytes.subarray(0, STREAM_SALT_BYTES);
  const rest = bytes.subarray(STREAM_SALT_BYTES + 2 * FRAME_BYTES);
  const streams = [
    spliced(salt, frame(1), rest),
    spliced(salt, frame(1), frame(0), rest),
    spliced(salt, frame(0), frame(0), frame(1), rest),
    spliced(salt, frame(0), frame(1, other), rest),
    spliced(bytes, new Uint8Array(1)),
    spliced(bytes, bytes),
  ];
  for (const [i, stream] of streams.entries()) {
    await assert.rejects(receive(to.vault, "copy", stream), { kind: "corrupt" }, `stream ${i}`);
    assert.deepEqual(await to.list(), ["main: "]);
  }
});

Deno.test("streams: cut anywhere, nothing is seen, and what has arrived is not sent again", async () => {
  const { from, bytes } = await sent();
  const random = new RandomStream(5);
  const boundaries = [1, 20].map((n) => STREAM_SALT_BYTES + n * FRAME_BYTES);
  const places = [0, 1, 40, ...boundaries, bytes.length - 1, random.below(bytes.length)];
  for (const at of places) {
    const to = await StreamWorld.make(receivers, 0);
    await assert.rejects(receive(to.vault, "copy", bytes.subarray(0, at)), /ends early|not one/);
    assert.deepEqual(await to.list(), ["main: "]);
    assert.deepEqual((await checkVault(to.vault)).problems, []);
    const resume = await to.vault.streams.resumeToken("copy") ?? undefined;
    const rest = await bytesOf(from.vault.streams.send("main", "monday", { resume }));
    assert.ok(rest.length < bytes.length - at + 1.4 * MIB, `${rest.length} after ${at}`);
    await receive(to.vault, "copy", rest);
    await assertSame(from, to, "monday");
  }
});

Deno.test("streams: a stream that goes on elsewhere is refused; one from the start begins anew", async () => {
  const { from, bytes } = await sent();
  const to = await StreamWorld.make(receivers, 0);
  const { streams } = to.vault;
  const after = (share: number) => bytes.subarray(0, share * bytes.length);
  await assert.rejects(receive(to.vault, "copy", after(0.5)));
  const early = await streams.resumeToken("copy") ?? undefined;
  const fromEarly = await bytesOf(from.vault.streams.send("main", "monday", { resume: early }));
  await assert.rejects(receive(to.vault, "other", fromEarly), { kind: "missing" });
  await assert.rejects(receive(to.vault, "copy", after(0.9)));
  assert.notEqual(await streams.resumeToken("copy"), early);
  await assert.rejects(receive(to.vault, "copy", fromEarly), { kind: "conflict" });
  await from.vault.snapshots.create("main", "tuesday");
  const other = from.vault.streams.send("main", "tuesday", { resume: early });
  await assert.rejects(bytesOf(other), { kind: "invalid" });
  assert.deepEqual(streams.receives().map(({ volume }) => volume), ["copy"]);
  assert.ok(streams.receives()[0].contentBytes > MIB);
  await receive(to.vault, "copy", bytes);
  await assertSame(from, to, "monday");
  assert.equal(await streams.resumeToken("copy"), null);
  assert.deepEqual(streams.receives(), []);
});

Deno.test("streams: a difference costs what changed", async () => {
  const { from } = await sent();
  await from.vault.files.writeFile("/file 3", "other");
  await from.vault.snapshots.create("main", "tuesday");
  const options = { from: "monday" };
  const { length } = await bytesOf(from.vault.streams.send("main", "tuesday", options));
  assert.ok(length < 20_000, `${length} bytes`);
});

Deno.test("streams: a difference wants its base, unchanged", async () => {
  const { from, bytes } = await sent();
  const { files, snapshots, streams } = from.vault;
  await files.remove("/file 2");
  await snapshots.create("main", "tuesday");
  const change = await bytesOf(streams.send("main", "tuesday", { from: "monday" }));
  const to = await StreamWorld.make(receivers, 0);
  await assert.rejects(receive(to.vault, "copy", change), { kind: "missing" });
  await assert.rejects(receive(to.vault, "main", change), { kind: "missing" });
  await receive(to.vault, "copy", bytes);
  await assert.rejects(receive(to.vault, "copy", bytes), { kind: "conflict" });
  {
    await using copy = await to.vault.volumes.open("copy");
    await copy.files.writeFile("/own", "written here");
    await assert.rejects(receive(to.vault, "copy", change), /roll it back/);
    await to.vault.snapshots.rollback("copy", "monday");
    await receive(to.vault, "copy", change);
    assert.ok(!await copy.files.exists("/file 2"), "whoever has it open sees what came");
  }
  await assertSame(from, to, "tuesday");
  assert.deepEqual(await to.list(), ["main: ", "copy: monday tuesday"]);
});

Deno.test("streams: what is sent stays while it is read, and no longer", async () => {
  const { from } = await sent();
  const { snapshots, streams } = from.vault;
  const reader = streams.send("main", "monday").getReader();
  for (let i = 0; i < 8; i++) await reader.read();
  await assert.rejects(snapshots.delete("main", "monday"), { kind: "conflict" });
  await reader.cancel();
  await snapshots.delete("main", "monday");
  const missing = bytesOf(streams.send("main", "monday"));
  await assert.rejects(missing, { kind: "missing" });
});

Deno.test("streams: a vault that is full says so, and gives back what had arrived", async () => {
  const { from, bytes } = await sent();
  const to = await StreamWorld.make(receivers, 0, { segments: 4 });
  const room = new Uint8Array(64 * 1024).fill(1);
  const { streams, files, volumes, opened: { volume } } = to.vault;
  const fill = async (i: number) => await files.writeFile(`/filler ${i}`, room);
  for (let i = 0; i < 90; i++) await fill(i);
  await assert.rejects(receive(to.vault, "copy", bytes), { kind: "unavailable" });
  assert.deepEqual((await checkVault(to.vault)).problems, []);
  const resume = await streams.resumeToken("copy") ?? undefined;
  for (let i = 0; i < 90; i++) await files.remove(`/filler ${i}`);
  await to.vault.commit();
  await streams.receive("copy", from.vault.streams.send("main", "monday", { resume }));
  await assertSame(from, to, "monday");
  const before = volume.space().freeCells;
  await assert.rejects(receive(to.vault, "again", bytes.subarray(0, MIB)));
  const between = volume.space().freeCells;
  await streams.abandon("again");
  await volumes.free();
  for (let i = 0; i < 4; i++) await to.vault.commit();
  assert.ok(between < before - 150, "it took space");
  assert.ok(volume.space().freeCells > before - 30, "what was given up is free");
});

Deno.test("streams: memory that streams needed is used again", async () => {
  const from = await StreamWorld.make(senders, 0);
  const to = await StreamWorld.make(receivers, 0);
  await from.vault.files.writeFile("/plan", "first");
  await from.vault.snapshots.create("main", "monday");
  for (let i = 0; i < 30; i++) {
    const stream = from.vault.streams.send("main", "monday");
    if (i % 3 === 0) await assert.rejects(to.vault.streams.receive(`v${i}`, cutAfter(stream, 100)));
    else await to.vault.streams.receive(`v${i}`, stream);
  }
});

Deno.test("streams: differences leave no branches behind, and what they gave up comes free with its snapshots", async () => {
  const { from, bytes } = await sent();
  const to = await StreamWorld.make(receivers, 0);
  await receive(to.vault, "copy", bytes);
  const { opened: { volume }, snapshots, streams, volumes } = to.vault;
  const branches = () => volume.store.catalog.branches().length;
  const before = branches();
  let base = "monday";
  for (let i = 0; i < 8; i++) {
    await from.vault.files.writeFile(`/file ${i}`, new Uint8Array(100_000).fill(i));
    await from.vault.files.truncate("/file 29", 1000 * i);
    await from.vault.snapshots.create("main", `s${i}`);
    // Others may be made there, which is no change of what it holds.
    if (i === 5) await snapshots.create("copy", "own");
    await streams.receive("copy", from.vault.streams.send("main", `s${i}`, { from: base }));
    base = `s${i}`;
    await assertSame(from, to, base);
    assert.equal(branches(), i < 5 ? before : before + 1);
  }
  assert.equal(to.describe("copy", "own"), from.describe("main", "s4"));
  const own = (await snapshots.list("copy")).map(({ ownBytes }) => ownBytes);
  assert.ok(own.every((each) => each < 500_000), String(own));
  for (const { name } of await snapshots.list("copy")) {
    if (name !== base) await snapshots.delete("copy", name);
  }
  await volumes.free();
  await assertSame(from, to, base);
  const [{ ownBytes, referencedBytes }] = await snapshots.list("copy");
  assert.equal(ownBytes, 0, "the volume holds the same");
  const { referencedBytes: held } = (await volumes.list())[1];
  assert.equal(held, referencedBytes);
});

Deno.test("streams: a volume's quota holds, and what something is on its way into is not deleted", async () => {
  const { from, bytes } = await sent();
  const to = await StreamWorld.make(receivers, 0);
  await receive(to.vault, "copy", bytes);
  const { referencedBytes, inodes } = (await to.vault.volumes.list())[1];
  await from.vault.files.writeFile("/file 3", new Uint8Array(MIB).fill(1));
  await from.vault.files.makeDirectory("/one more");
  await from.vault.snapshots.create("main", "tuesday");
  const { streams } = from.vault;
  const change = await bytesOf(streams.send("main", "tuesday", { from: "monday" }));
  await to.vault.volumes.set("copy", { quotaBytes: referencedBytes + 500_000 });
  await assert.rejects(receive(to.vault, "copy", change), /quota of the volume is used up/);
  await to.vault.streams.abandon("copy");
  await to.vault.volumes.set("copy", { quotaBytes: 0, quotaFiles: inodes });
  await assert.rejects(receive(to.vault, "copy", change), /as many as its quota allows/);
  await assert.rejects(to.vault.volumes.delete("copy"), { kind: "conflict" });
  await to.vault.streams.abandon("copy");
  await to.vault.volumes.delete("copy");
  await to.vault.volumes.free();
  assert.deepEqual((await checkVault(to.vault)).problems, []);
});

const readers = { "whoever has it open": false, "who reads it, which notes the time,": true };
for (const [who, reads] of Object.entries(readers)) {
  Deno.test(`streams: ${who} goes on with what came`, async () => {
    const { from, bytes } = await sent();
    const to = await StreamWorld.make(receivers, 0);
    await receive(to.vault, "copy", bytes);
    await from.vault.files.writeFile("/file 3", "changed");
    await from.vault.snapshots.create("main", "tuesday");
    const change = from.vault.streams.send("main", "tuesday", { from: "monday" });
    {
      await using copy = await to.vault.volumes.open("copy");
      if (reads) assert.notEqual(await copy.files.readText("/file 3"), "changed");
      await to.vault.streams.receive("copy", change);
      assert.equal(await copy.files.readText("/file 3"), "changed");
      await copy.files.writeFile("/own", "written since");
      await copy.files.sync();
    }
    assert.equal(to.describe("copy", "tuesday"), from.describe("main", "tuesday"));
    assert.deepEqual((await checkVault(to.vault)).problems, []);
    await using again = await to.vault.volumes.open("copy");
    assert.equal(await again.files.readText("/own"), "written since");
  });
}

Deno.test("streams: of one that comes slowly, a crash loses what came in the last seconds", async () => {
  const { from, bytes } = await sent();
  receivers.reset();
  const [medium, runtime] = [new MemoryStorage({}), new FakeRuntime()];
  const shape = { segments: 12, blockBytes: 4096 };
  const vault = await createKeyedVault({ medium, kernel: receivers, runtime }, shape);
  const startMs = runtime.now();
  let crashed = medium.content.fork();
  async function* slowly(): AsyncGenerator<Uint8Array> {
    for await (const part of inParts(bytes)) {
      yield part;
      runtime.advance(500);
      crashed = medium.content.fork();
      if (runtime.now() > startMs + 25_000) break;
    }
  }
  await assert.rejects(vault.streams.receive("copy", slowly()));
  const after = StreamWorld.open(receivers, 0, new MemoryStorage({ content: crashed }));
  const { streams } = after.vault;
  assert.ok(streams.receives()[0].contentBytes > 0, "some of it was made durable");
  const resume = await streams.resumeToken("copy") ?? undefined;
  await streams.receive("copy", from.vault.streams.send("main", "monday", { resume }));
  await assertSame(from, after, "monday");
});

Deno.test("streams: a large file that is gone goes at the receiver too, piece by piece", async () => {
  const [from, to] = [
    await StreamWorld.make(senders, 0, { segments: 32 }),
    await StreamWorld.make(receivers, 0, { segments: 32 }),
  ];
  const { files, snapshots, streams } = from.vault;
  await files.writeFile("/small", "stays");
  await files.writeFile("/large", new Uint8Array(70 * MIB));
  await snapshots.create("main", "monday");
  await to.vault.streams.receive("copy", streams.send("main", "monday"));
  await files.remove("/large");
  await snapshots.create("main", "tuesday");
  const bytes = await bytesOf(streams.send("main", "tuesday", { from: "monday" }));
  assert.ok(bytes.length < 10_000, `${bytes.length} bytes`);
  await receive(to.vault, "copy", bytes);
  await assertSame(from, to, "tuesday");
});

Deno.test("streams: files that are being removed do not keep a snapshot from being received", async () => {
  const large = new Uint8Array(9 * MIB).fill(7);
  const from = await StreamWorld.make(senders, 0);
  const to = await StreamWorld.make(receivers, 0);
  const { files, snapshots, streams } = from.vault;
  let base: string | undefined;
  for (const name of ["removed", "replaced", "made and removed"]) {
    await files.writeFile("/large", large);
    if (name === "replaced") {
      await files.writeFile("/small", "x");
      await files.rename("/small", "/large");
    } else {
      await files.remove("/large");
    }
    await snapshots.create("main", name);
    await receive(to.vault, "copy", await bytesOf(streams.send("main", name, { from: base })));
    base = name;
    assert.deepEqual((await checkVault(to.vault)).problems, []);
    assert.deepEqual(
      (await to.vault.snapshots.list("copy")).map((each) => each.name).at(-1),
      name,
    );
    await from.vault.volumes.free();
  }
  await to.vault.volumes.delete("copy");
  await to.vault.volumes.free();
  assert.deepEqual((await checkVault(to.vault)).problems, []);
});
