/**
 * Streams by somebody who has the key and means harm: any records in any order are received, or refused by a `VaultError`. The
 * rest of the vault is what it was, takes files, and is sound.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { concat, setU64, viewOf } from "../../core/bytes.ts";
import { openStreamKey, StreamSeal, vaultStreamKey } from "../../core/crypto/stream_seal.ts";
import { VaultError } from "../../core/errors.ts";
import { emptyInode, encodeInode, INODE_BYTES } from "../../core/format/inode.ts";
import { encodeBegin, encodeEnd } from "../../core/format/stream_head.ts";
import {
  encodeDataHead,
  encodeRecordHead,
  encodeStreamRecord,
  type StreamRecord,
} from "../../core/format/stream_record.ts";
import { encodeNodeKey, KEY_TYPE, NODE_KEY_BYTES } from "../../core/format/volume_key.ts";
import { S_IFREG } from "../../core/fs/mode.ts";
import { MIB } from "../../core/limits.ts";
import { checkVault } from "../../core/vault/check.ts";
import { sealFrames } from "../../core/vault/stream_frames.ts";
import { ArenaKernel } from "../support/arena_kernel.ts";
import { lockRecord } from "../support/lock_records.ts";
import { createKeyedVault, fixedKeys } from "../support/keyed_vault.ts";

const RUNS = Number(Deno.env.get("SIGMAVAULT_HOSTILE_RUNS") ?? 60);
const BLOCK_BYTES = 4096;
const kernel = new ArenaKernel(24 * MIB);
const salt = new Uint8Array(32).fill(9);

const ino = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 1, max: 6 }) },
  fc.constantFrom(2 ** 32, 2 ** 47 - 1, 2 ** 47, 2 ** 48 - 1),
);
const block = fc.oneof(fc.nat({ max: 9 }), fc.constantFrom(2 ** 32, 2 ** 40 - 2));
const count = fc.oneof(fc.integer({ min: 1, max: 5 }), fc.constantFrom(2 ** 32 - 1, 2 ** 32));
const name = fc.oneof(
  fc.constantFrom("a", "b", ".", "..", "a/b", "\0").map((text) => new TextEncoder().encode(text)),
  fc.uint8Array({ minLength: 1, maxLength: 300 }),
);

const lockedHere = { secretId: 0, attempts: 0, lastAttempt: 0, erasing: false, secret: null };

/** Mode and flags of any kind, all else zero or small. */
const inode = fc.tuple(fc.nat({ max: 65535 }), fc.nat({ max: 40 }), fc.nat({ max: 99_999 })).map(
  ([mode, flags, size]) => {
    const value = new Uint8Array(INODE_BYTES);
    viewOf(value).setUint16(0, mode, true);
    viewOf(value).setUint16(2, flags, true);
    setU64(viewOf(value), 24, size);
    return value;
  },
);
const value = fc.oneof(inode, fc.uint8Array({ minLength: 0, maxLength: 4200 }));
const key = fc.tuple(fc.constantFrom(...Object.values(KEY_TYPE)), ino).map(([type, of]) => {
  const bytes = new Uint8Array(8);
  setU64(viewOf(bytes), 0, of);
  return new Uint8Array([type, ...bytes.subarray(0, 6).reverse()]);
});

const record: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.oneof(
    fc.record({ kind: fc.constant("put" as const), key, value }),
    fc.record({ kind: fc.constant("delete" as const), key }),
    fc.record({ kind: fc.constant("mark" as const), position: fc.uint8Array({ maxLength: 80 }) }),
    fc.record({ kind: fc.constant("name" as const), directory: ino, ino, type: fc.nat(15), name }),
    fc.record({ kind: fc.constant("unname" as const), directory: ino, name }),
    fc.record({ kind: fc.constant("attribute" as const), ino, name, value }),
    fc.record({ kind: fc.constant("noAttribute" as const), ino, name }),
    fc.record({
      kind: fc.constantFrom("free" as const, "reserve" as const),
      ino,
      first: block,
      count,
    }),
    fc.record({
      kind: fc.constant("lock" as const),
      ino,
      record: fc.constantFrom(
        { ...lockRecord, ...lockedHere, state: "locked" as const },
        { ...lockRecord, ...lockedHere, state: "shredded" as const, wrapped: null },
      ),
    }),
    fc.record({
      kind: fc.constant("lockedInline" as const),
      ino,
      length: fc.constantFrom(1, 32, 2048),
      index: fc.nat(300),
      content: fc.uint8Array({ minLength: 17, maxLength: 2100 }).map((sealed) => ({
        nonce: new Uint8Array(24),
        sealed,
      })),
    }),
    fc.record({
      kind: fc.constant("lockedBlock" as const),
      ino,
      first: block,
      codec: fc.nat(2),
      length: fc.nat(5000),
      nonce: fc.constant(new Uint8Array(24)),
      tag: fc.constant(new Uint8Array(16)),
      content: fc.uint8Array({ maxLength: 4200 }),
    }),
  ).map((each: Exclude<StreamRecord, { kind: "data" }>) => encodeStreamRecord(each)),
  fc.record({ ino, first: block, count: fc.integer({ min: 1, max: 4 }), last: fc.nat(5000) }).map(
    ({ last: lastLength, ...blocks }) =>
      concat(
        encodeDataHead(blocks, { blockBytes: BLOCK_BYTES, lastLength }),
        new Uint8Array((blocks.count - 1) * BLOCK_BYTES + lastLength).fill(7),
      ),
  ),
  fc.tuple(fc.nat(255), fc.uint8Array({ maxLength: 60 })).map(([type, payload]) =>
    concat(encodeRecordHead(type, payload.length), payload)
  ),
);

/** A stream of these records that is sealed as it should be. */
function sealed(
  records: readonly Uint8Array[],
  { contentBytes, raw }: { readonly contentBytes: number; readonly raw: boolean },
): Uint8Array<ArrayBuffer> {
  const begin = encodeBegin({
    blockBytes: BLOCK_BYTES,
    guid: new Uint8Array(16).fill(1),
    base: new Uint8Array(16),
    time: 1,
    referencedBytes: 0,
    position: new Uint8Array(0),
    compression: "none",
    raw,
    name: "forged",
  });
  const end = encodeEnd({ records: records.length + 1, contentBytes });
  const seal = new StreamSeal(kernel, kernel, salt);
  seal.useKey(raw ? openStreamKey(salt) : vaultStreamKey(fixedKeys().epochs[0].masterKey, salt));
  return concat(salt, ...sealFrames(seal, [begin, ...records, end]));
}

Deno.test("streams: an inode behind its blocks is refused, and none of them is left behind", async () => {
  const ino = 5;
  const inode = new Uint8Array(INODE_BYTES);
  encodeInode({ ...emptyInode(), mode: S_IFREG | 0o600, nlink: 1, parent: 1 }, viewOf(inode));
  const key = encodeNodeKey(new Uint8Array(NODE_KEY_BYTES), KEY_TYPE.inode, ino);
  const put = encodeStreamRecord({ kind: "put", key, value: inode });
  const remove = encodeStreamRecord({ kind: "delete", key });
  const blocks = { ino, first: 0, count: 3 };
  const data = concat(
    encodeDataHead(blocks, { blockBytes: BLOCK_BYTES, lastLength: BLOCK_BYTES }),
    new Uint8Array(3 * BLOCK_BYTES).fill(7),
  );
  const contentBytes = 3 * BLOCK_BYTES;
  for (const records of [[data, put, data], [put, data, remove, put, data]]) {
    kernel.reset();
    const medium = new MemoryStorage({});
    const shape = { segments: 4, blockBytes: BLOCK_BYTES };
    const vault = await createKeyedVault({ medium, kernel }, shape);
    const dataRecords = records.filter((each) => each === data).length;
    const bytes = sealed(records, { contentBytes: dataRecords * contentBytes, raw: false });
    const receiving = vault.streams.receive("forged", new Blob([bytes]).stream());
    await assert.rejects(receiving, { kind: "corrupt", message: /comes behind its blocks/ });
    await vault.streams.abandon("forged");
    await vault.volumes.free();
    assert.deepEqual((await checkVault(vault)).problems, []);
    await vault.close();
  }
});

Deno.test("streams: whoever has the key cannot harm more of a vault than what is received", async () => {
  let received = 0;
  const property = fc.asyncProperty(
    fc.array(record, { maxLength: 40 }),
    fc.boolean(),
    async (records, raw) => {
      kernel.reset();
      const medium = new MemoryStorage({});
      const vault = await createKeyedVault({ medium, kernel }, {
        segments: 4,
        blockBytes: BLOCK_BYTES,
      });
      await vault.files.writeFile("/mine", "stays");
      const content = records.reduce((sum, bytes) => {
        return bytes[0] === 9
          ? sum + bytes.length - 24
          : bytes[0] === 15
          ? sum + bytes.length - 64
          : sum;
      }, 0);
      try {
        await vault.streams.receive(
          "forged",
          new Blob([sealed(records, { contentBytes: content, raw })]).stream(),
          { raw },
        );
        received++;
      } catch (error) {
        assert.ok(error instanceof VaultError, String(error));
      }
      await vault.files.writeFile("/more", "is taken");
      assert.equal(await vault.files.readText("/mine"), "stays");
      const { problems } = await checkVault(vault);
      // What was received is what its maker says, and may be no filesystem.
      const others = problems.filter(({ what }) => !what.includes('volume "forged"'));
      assert.deepEqual(others, []);
      if (await vault.streams.resumeToken("forged") !== null) await vault.streams.abandon("forged");
      else if (vault.opened.volumes.listVolumes().length > 1) await vault.volumes.delete("forged");
      await vault.volumes.free();
      assert.deepEqual((await checkVault(vault)).problems, []);
    },
  );
  await fc.assert(property, { numRuns: RUNS });
  assert.ok(received > 0, "some are received");
});
