/**
 * Streams whose maker has the key, or none where they are raw, and means harm to what is done afterwards: each of these was such
 * an attack once. What is received may be worth nothing; the vault goes on, and so do files that its owner makes.
 */
import assert from "node:assert/strict";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { concat, setU64, viewOf } from "../../core/bytes.ts";
import { openStreamKey, StreamSeal, vaultStreamKey } from "../../core/crypto/stream_seal.ts";
import { emptyInode, encodeInode, type Inode, INODE_BYTES } from "../../core/format/inode.ts";
import { encodeBegin, encodeEnd } from "../../core/format/stream_head.ts";
import { encodeDataHead, encodeStreamRecord } from "../../core/format/stream_record.ts";
import { KEY_TYPE, nodeKey, type NodeKeyType } from "../../core/format/volume_key.ts";
import { MIB } from "../../core/limits.ts";
import { sealFrames } from "../../core/vault/stream_frames.ts";
import type { Vault } from "../../core/vault/vault.ts";
import { ArenaKernel } from "../support/arena_kernel.ts";
import { createKeyedVault, fixedKeys, openKeyedVault } from "../support/keyed_vault.ts";

const BLOCK_BYTES = 4096;
const REGULAR = 0o100644;
/** A directory and a regular file in a directory entry. */
const [DIRECTORY_TYPE, FILE_TYPE] = [4, 8];
const encode = (text: string) => new TextEncoder().encode(text);
const record = encodeStreamRecord;

function put(type: NodeKeyType, ino: number, value: Uint8Array): Uint8Array {
  return record({ kind: "put", key: nodeKey(type, ino), value });
}

function inode(ino: number, part: Partial<Inode>): Uint8Array {
  const bytes = new Uint8Array(INODE_BYTES);
  encodeInode({ ...emptyInode(), nlink: 1, parent: 1, ...part }, viewOf(bytes));
  return put(KEY_TYPE.inode, ino, bytes);
}

function directory(ino: number, part: Partial<Inode> = {}): Uint8Array {
  return inode(ino, { mode: 0o40755, nlink: 2, ...part });
}

function named(text: string, ino: number, type: number): Uint8Array {
  return record({ kind: "name", directory: 1, ino, type, name: encode(text) });
}

function numberOf(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  setU64(viewOf(bytes), 0, value);
  return bytes;
}

/** How a stream presents itself. */
interface Forgery {
  readonly base?: Uint8Array;
  readonly content?: number;
  readonly raw?: boolean;
}

function stream(records: readonly Uint8Array[], forgery: Forgery = {}): ReadableStream<Uint8Array> {
  const { base = new Uint8Array(16), content = 0, raw = false } = forgery;
  const kernel = new ArenaKernel(4 * MIB);
  const salt = crypto.getRandomValues(new Uint8Array(32));
  const seal = new StreamSeal(kernel, kernel, salt);
  const [{ masterKey }] = fixedKeys().epochs;
  seal.useKey(raw ? openStreamKey(salt) : vaultStreamKey(masterKey, salt));
  const begin = encodeBegin({
    blockBytes: BLOCK_BYTES,
    guid: crypto.getRandomValues(new Uint8Array(16)),
    base,
    time: 1,
    referencedBytes: 0,
    position: new Uint8Array(0),
    compression: "none",
    raw,
    name: "forged",
  });
  const end = encodeEnd({ records: records.length + 1, contentBytes: content });
  const frames = [...sealFrames(seal, [begin, ...records, end])];
  return new Blob([concat(salt, ...frames) as Uint8Array<ArrayBuffer>]).stream();
}

async function make(): Promise<{ vault: Vault; medium: MemoryStorage }> {
  const medium = new MemoryStorage({});
  const kernel = new ArenaKernel(24 * MIB);
  const shape = { segments: 12, blockBytes: BLOCK_BYTES };
  return { medium, vault: await createKeyedVault({ medium, kernel }, shape) };
}

function reopen({ content }: MemoryStorage): Vault {
  return openKeyedVault({
    medium: new MemoryStorage({ content }),
    kernel: new ArenaKernel(24 * MIB),
  });
}

Deno.test("streams: the highest inode number does not use up those that can be sent", async () => {
  for (const raw of [false, true]) {
    for (const highest of [2 ** 46 - 1, 2 ** 46, 2 ** 47 - 1]) {
      const { vault } = await make();
      const evil = stream([directory(1), inode(highest, { mode: REGULAR })], { raw });
      await vault.streams.receive("evil", evil, { raw });
      await vault.volumes.delete("evil");
      await vault.files.writeFile("/after", "x");
      await vault.snapshots.create("main", "s");
      const sent = new Blob([await new Response(vault.streams.send("main", "s")).arrayBuffer()]);
      const other = await make();
      await other.vault.streams.receive("copy", sent.stream());
      await using copy = await other.vault.volumes.open("copy");
      assert.equal(await copy.files.readText("/after"), "x");
      await vault.close();
    }
  }
});

Deno.test("streams: numbers beyond what is counted are not given twice", async () => {
  const { vault } = await make();
  const [one, two] = [2 ** 46, 2 ** 46 + 1];
  const files = [2 ** 46 - 1, one, two].map((ino) => inode(ino, { mode: REGULAR }));
  const names = [named("one", one, FILE_TYPE), named("two", two, FILE_TYPE)];
  await vault.streams.receive("evil", stream([directory(1, { size: 2 }), ...files, ...names]));
  await using volume = await vault.volumes.open("evil");
  await volume.files.writeFile("/three", "3");
  const { ino } = await volume.files.stat("/three");
  assert.ok(ino > two, `${ino}`);
  assert.equal((await volume.files.stat("/one")).size, 0);
});

Deno.test("streams: a pending delete of what is no block, and an orphan of something, are refused", async () => {
  const { vault, medium } = await make();
  await vault.files.writeFile("/mine", "years of work");
  await vault.snapshots.create("main", "base");
  const { volumes } = vault.opened;
  const [{ guid: base }] = volumes.snapshotsOf(volumes.recordOf("main").id);
  for (const type of [KEY_TYPE.pending, KEY_TYPE.orphan] as const) {
    const evil = [inode(900, { mode: REGULAR }), put(type, 900, new Uint8Array(8).fill(255))];
    await assert.rejects(vault.streams.receive("main", stream(evil, { base })), {
      name: "VaultError",
      kind: "corrupt",
    });
  }
  await vault.close();
  const again = reopen(medium);
  assert.equal(await again.files.readText("/mine"), "years of work");
  await again.close();
});

Deno.test("streams: what was said of numbers without inodes does not come true for later files", async () => {
  const { vault } = await make();
  const content = encode("ATTACKER".repeat(BLOCK_BYTES / 8));
  const head = encodeDataHead({ ino: 53, first: 5, count: 1 }, {
    blockBytes: BLOCK_BYTES,
    lastLength: BLOCK_BYTES,
  });
  const planted = [
    directory(1, { size: 2 }),
    directory(50),
    named("private", 50, DIRECTORY_TYPE),
    named("peek", 51, FILE_TYPE),
    record({ kind: "attribute", ino: 52, name: encode("user.planted"), value: encode("1") }),
    concat(head, content),
  ];
  await vault.streams.receive("evil", stream(planted, { content: BLOCK_BYTES }));
  await using volume = await vault.volumes.open("evil");
  const { files } = volume;
  await files.writeFile("/private/secret", "mine");
  await assert.rejects(files.readText("/peek"));
  for (const path of ["/a", "/b", "/c"]) {
    await files.writeFile(path, "x".repeat(5000));
    await files.truncate(path, 40960);
    assert.equal((await files.readFile(path)).subarray(5000).some((byte) => byte !== 0), false);
    assert.deepEqual(await files.attributeNames(path), []);
  }
});

Deno.test("streams: space that is set aside is asked for, and is given back at once", async () => {
  const { vault } = await make();
  const reserve = (count: number, index = 0) =>
    record({ kind: "reserve", ino: 100, first: index * 2 ** 32, count });
  const file = [directory(1), inode(100, { mode: REGULAR })];
  for (
    const many of [[reserve(2 ** 32 - 1)], [reserve(4000), reserve(4000, 1), reserve(4000, 2)]]
  ) {
    await assert.rejects(vault.streams.receive("evil", stream([...file, ...many])), {
      errno: "ENOSPC",
    });
    await vault.streams.abandon("evil");
  }
  await vault.files.writeFile("/more", "x");
  const pending = put(KEY_TYPE.pending, 100, numberOf(0));
  await vault.streams.receive("fine", stream([...file, reserve(500), pending]));
  await using volume = await vault.volumes.open("fine");
  assert.deepEqual(await volume.files.list("/"), []);
});
