/** What streams do to files that are locked, or that somebody locks or unlocks meanwhile. */
import assert from "node:assert/strict";
import { ArenaKernel } from "../../tests/support/arena_kernel.ts";
import { cutAfter } from "../../tests/support/cut_stream.ts";
import { FAST_KDF, text } from "../../tests/support/header_world.ts";
import { fixedKeys } from "../../tests/support/keyed_vault.ts";
import { StreamWorld } from "../../tests/support/stream_world.ts";
import { concat } from "../bytes.ts";
import { StreamSeal, vaultStreamKey } from "../crypto/stream_seal.ts";
import { encodeBegin, encodeEnd } from "../format/stream_head.ts";
import { encodeDataHead, encodeStreamRecord, type StreamRecord } from "../format/stream_record.ts";
import { KEY_TYPE, nodeKey } from "../format/volume_key.ts";
import { MIB } from "../limits.ts";
import { checkVault } from "./check.ts";
import { sealFrames } from "./stream_frames.ts";
import type { Vault } from "./vault.ts";

const BLOCK_BYTES = 4096;
const LOCK = { passphrase: "extra", kdf: FAST_KDF } as const;
const LARGE = new Uint8Array(300_000).fill(65);
const kernels = [new ArenaKernel(24 * MIB), new ArenaKernel(24 * MIB), new ArenaKernel(4 * MIB)];

/** A vault, and another one with the same keys whose volume "copy" has what the first one had in snapshot "one". */
async function pair(prepare: (files: Vault["files"]) => Promise<void>) {
  const [{ vault: from }, { vault: to }] = [
    await StreamWorld.make(kernels[0], 0),
    await StreamWorld.make(kernels[1], 0),
  ];
  await prepare(from.files);
  await from.snapshots.create("main", "one");
  await to.streams.receive("copy", from.streams.send("main", "one"));
  const send = (resume?: string) => from.streams.send("main", "two", { from: "one", resume });
  const inCopy = async <T>(work: (files: Vault["files"]) => Promise<T>): Promise<T> => {
    await using copy = await to.volumes.open("copy");
    return await work(copy.files);
  };
  const close = async () => {
    for (const vault of [from, to]) {
      assert.deepEqual((await checkVault(vault)).problems, []);
      await vault.close();
    }
  };
  return { from, to, send, inCopy, close };
}

/** Into the file that is there; `writeFile` makes another one. */
async function fill(files: Vault["files"], path: string, content: Uint8Array): Promise<void> {
  const file = await files.open(path, { access: "write" });
  await file.write(0, content);
  await file.close();
}

const plain = (content: Uint8Array | string) =>
  typeof content === "string" ? content : new TextDecoder().decode(content);

async function opened(files: Vault["files"], path: string): Promise<string> {
  await files.unlock(path, { ...LOCK, until: "close" });
  return plain(await files.readFile(path));
}

/** A difference to "one" with these records, as whoever has the key can make it. */
async function* forged(
  to: Vault,
  records: readonly Uint8Array[],
  contentBytes = 0,
): AsyncGenerator<Uint8Array> {
  const { volumes } = to.opened;
  const [{ guid: base }] = volumes.snapshotsOf(volumes.recordOf("copy").id);
  const begin = encodeBegin({
    blockBytes: BLOCK_BYTES,
    guid: new Uint8Array(16).fill(1),
    base,
    time: 1,
    referencedBytes: 0,
    position: new Uint8Array(0),
    compression: "none",
    raw: false,
    name: "forged",
  });
  const end = encodeEnd({ records: records.length + 1, contentBytes });
  const [, , kernel] = kernels;
  kernel.reset();
  const salt = new Uint8Array(32).fill(9);
  const seal = new StreamSeal(kernel, kernel, salt);
  seal.useKey(vaultStreamKey(fixedKeys().epochs[0].masterKey, salt));
  yield await Promise.resolve(concat(salt, ...sealFrames(seal, [begin, ...records, end])));
}

const change = (record: Exclude<StreamRecord, { kind: "data" }>) => encodeStreamRecord(record);

function lockOf(vault: Vault, ino: number) {
  const [[, record]] = [...vault.opened.volume.engine.locks.line(lineOf(vault)).records]
    .filter(([locked]) => locked === ino);
  return record;
}

function lineOf({ opened: { volumes } }: Vault): number {
  const volume = volumes.openVolume("copy");
  try {
    return volume.locks.line;
  } finally {
    volumes.closeVolume(volume);
  }
}

Deno.test("receive: locks of a difference are not seen before all of it is there, and go with it", async () => {
  const { from, to, send, inCopy, close } = await pair(async (files) => {
    await files.writeFile("/f", "");
    await files.writeFile("/gone", "");
  });
  await fill(from.files, "/f", LARGE);
  await fill(from.files, "/gone", LARGE);
  await from.files.lock("/f", LOCK);
  const gone = await from.files.open("/gone");
  await from.files.shred("/gone");
  await gone.close();
  await from.snapshots.create("main", "two");
  const cut = () => to.streams.receive("copy", cutAfter(send(), 200_000));
  await assert.rejects(cut(), { kind: "corrupt" });
  assert.equal(await inCopy((files) => files.lockState("/f")), "none");
  // What is on its way would be taken for content of the file.
  await assert.rejects(inCopy((files) => files.lock("/f", LOCK)), { kind: "conflict" });
  await inCopy((files) => fill(files, "/f", text("mine")));
  await to.streams.abandon("copy");
  await inCopy(async (files) => {
    assert.equal(await files.readText("/f"), "mine");
    await fill(files, "/f", text("more"));
    await files.lock("/f", LOCK);
    await files.unlock("/f", LOCK);
  });
  assert.equal(to.opened.volume.engine.locks.count().locked, 0);
  await to.snapshots.rollback("copy", "one");
  await assert.rejects(cut(), { kind: "corrupt" });
  const resume = await to.streams.resumeToken("copy");
  await to.streams.receive("copy", send(resume ?? undefined));
  assert.equal(await inCopy((files) => files.lockState("/f")), "locked");
  assert.equal(await inCopy((files) => opened(files, "/f")), plain(LARGE));
  await inCopy((files) => files.unlock("/f", LOCK));
  assert.equal(await inCopy((files) => files.readText("/f")), plain(LARGE));
  await close();
});

Deno.test("receive: a lock is refused where the file got content or a lock here while it was on its way", async () => {
  for (const meanwhile of ["content", "lock"] as const) {
    const { from, to, send, close } = await pair((files) => files.writeFile("/f", ""));
    await fill(from.files, "/f", LARGE);
    await from.files.lock("/f", LOCK);
    await from.snapshots.create("main", "two");
    await to.snapshots.clone("copy", "one", "twin");
    const received = to.streams.receive(
      "copy",
      (async function* () {
        yield* cutAfter(send(), 200_000);
        await using twin = await to.volumes.open("twin");
        if (meanwhile === "content") await fill(twin.files, "/f", text("in clear"));
        else await assert.rejects(twin.files.lock("/f", LOCK), { kind: "conflict" });
        throw new Error("cut");
      })(),
    );
    await assert.rejects(received, /cut/);
    const resume = await to.streams.resumeToken("copy");
    const rest = to.streams.receive("copy", send(resume ?? undefined));
    if (meanwhile === "lock") await rest;
    else {
      await assert.rejects(rest, { kind: "conflict" });
      await to.streams.abandon("copy");
    }
    await using twin = await to.volumes.open("twin");
    if (meanwhile === "content") assert.equal(await twin.files.readText("/f"), "in clear");
    await close();
  }
});

Deno.test("receive: what a locked file holds here is not replaced by what a stream says of it", async () => {
  const { from, to, inCopy, close } = await pair(async (files) => {
    await files.writeFile("/f", "precious");
    await files.lock("/f", LOCK);
  });
  const { ino } = await from.files.stat("/f");
  const record = lockOf(to, ino);
  const content = { nonce: new Uint8Array(24), sealed: new Uint8Array(8 + 16) };
  const forgery = forged(to, [
    change({ kind: "lock", ino, record }),
    change({ kind: "lockedInline", ino, length: 8, index: 0, content }),
  ]);
  await assert.rejects(to.streams.receive("copy", forgery), { kind: "conflict" });
  await to.streams.abandon("copy");
  assert.equal(await inCopy((files) => opened(files, "/f")), "precious");
  await close();
});

Deno.test("receive: what stands for locked content never becomes content, whoever unlocks the file meanwhile", async () => {
  for (const after of ["unlocked", "locked anew"] as const) {
    const { from, to, inCopy, close } = await pair(async (files) => {
      await files.writeFile("/f", "precious");
      await files.lock("/f", LOCK);
    });
    const { ino } = await from.files.stat("/f");
    const record = lockOf(to, ino);
    const content = to.opened.volume.store.catalog.keyTable.inline({
      secretId: record.secretId,
      length: 8,
      index: 0,
    })!;
    const key = nodeKey(KEY_TYPE.inline, ino);
    // A frame ends between the content and what stands for it.
    const other = { ino: ino + 1, first: 0, count: 20 };
    const filler = new Uint8Array(20 * BLOCK_BYTES);
    const lastLength = BLOCK_BYTES;
    const forgery = forged(to, [
      change({ kind: "lock", ino, record }),
      change({ kind: "lockedInline", ino, length: 8, index: 0, content }),
      concat(encodeDataHead(other, { blockBytes: BLOCK_BYTES, lastLength }), filler),
      change({ kind: "put", key, value: new Uint8Array(8) }),
    ], filler.length);
    const slowly = async function* () {
      for await (const all of forgery) {
        yield all.subarray(0, 32 + 65_584 + 1);
        await inCopy((files) => files.unlock("/f", LOCK));
        if (after === "locked anew") {
          await inCopy((files) => files.lock("/f", { ...LOCK, passphrase: text("another") }));
        }
        yield all.subarray(32 + 65_584 + 1);
      }
    };
    await assert.rejects(to.streams.receive("copy", slowly()), { kind: "conflict" });
    await to.streams.abandon("copy");
    if (after === "unlocked") {
      assert.equal(await inCopy((files) => files.readText("/f")), "precious");
    }
    await close();
  }
});

Deno.test("send: what a file was when its first block was sent, it is until the last", async () => {
  const large = new Uint8Array(3 * MIB).fill(66);
  for (const change of ["lock", "unlock", "shred"] as const) {
    const { from, to, close } = await pair((files) => files.writeFile("/f", large));
    if (change === "unlock") await from.files.lock("/f", LOCK);
    const { ino } = await from.files.stat("/f");
    const file = { line: from.opened.volume.locks.line, ino, path: "/f" };
    const slowly = async function* () {
      let chunks = 0;
      for await (const chunk of from.streams.send("main", "one")) {
        if (++chunks === 3) await from.locks[change](file, LOCK);
        yield chunk;
      }
    };
    await assert.rejects(to.streams.receive("other", slowly()), {
      kind: "conflict",
      operation: "send",
    });
    await to.streams.abandon("other");
    await close();
  }
});
