import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { ArenaKernel } from "../../tests/support/arena_kernel.ts";
import { createKeyedVault, fixedKeys } from "../../tests/support/keyed_vault.ts";
import { vaultStreamKey } from "../crypto/stream_seal.ts";
import { subkey } from "../crypto/hkdf.ts";
import { MIB } from "../limits.ts";

const arena = new ArenaKernel(24 * MIB);
const SECRET = new TextEncoder().encode("clear text that must not stay; ");
const NAME = new TextEncoder().encode("a name nobody shall read");

const holds = (bytes: Uint8Array) => Buffer.from(arena.bytes.buffer).includes(Buffer.from(bytes));

Deno.test("vault: a closed one leaves no data, no name and no name key in kernel memory", async () => {
  arena.reset();
  const medium = new MemoryStorage({});
  const vault = await createKeyedVault({ medium, kernel: arena });
  const path = `/${new TextDecoder().decode(NAME)}`;
  const content = new Uint8Array(300_000).map((_, i) => SECRET[i % SECRET.length]);
  await vault.files.writeFile(path, content);
  assert.deepEqual(await vault.files.readFile(path), content);
  const key = subkey(fixedKeys().layoutKey, "name-hash");
  assert.deepEqual([holds(SECRET), holds(NAME), holds(key)], [true, true, true]);
  await vault.close();
  assert.deepEqual([holds(SECRET), holds(NAME), holds(key)], [false, false, false]);
});

Deno.test("vault: a closed one leaves nothing of a stream that nobody has read to its end", async () => {
  arena.reset();
  const vault = await createKeyedVault({ medium: new MemoryStorage({}), kernel: arena });
  const content = new Uint8Array(3_000_000).map((_, i) => SECRET[i % SECRET.length]);
  await vault.files.writeFile("/file", content);
  await vault.snapshots.create("main", "monday");
  const reader = vault.streams.send("main", "monday").getReader();
  const { value: salt } = await reader.read();
  for (let i = 0; i < 2; i++) await reader.read();
  const key = vaultStreamKey(fixedKeys().epochs[0].masterKey, salt!);
  assert.deepEqual([holds(SECRET), holds(key)], [true, true]);
  await vault.close();
  assert.deepEqual([holds(SECRET), holds(key)], [false, false]);
  await assert.rejects(
    (async () => {
      while (!(await reader.read()).done);
    })(),
    { kind: "invalid" },
  );
});
