/** Power cuts while a file is written whole: its name leads to the old content or the new, and nothing else is left. */
import assert from "node:assert/strict";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { MIB } from "../../core/limits.ts";
import { checkVault } from "../../core/vault/check.ts";
import { ArenaKernel } from "../support/arena_kernel.ts";
import { CrashMedium } from "../support/crash_medium.ts";
import { createKeyedVault, openKeyedVault } from "../support/keyed_vault.ts";

const writerArena = new ArenaKernel(24 * MIB);
const readerArena = new ArenaKernel(24 * MIB);
const OLD_BYTES = 5000;
const PIECE_BYTES = 40_000;
const PIECES = 6;

for (const [target, names] of [["/old", "old"], ["/fresh", "fresh,old"]]) {
  Deno.test(`replacing a file: a crash leaves ${target} as it was, or whole`, async () => {
    writerArena.reset();
    const before = new MemoryStorage({});
    const made = await createKeyedVault({ medium: before, kernel: writerArena });
    await made.files.writeFile("/old", new Uint8Array(OLD_BYTES).fill(1), { mode: 0o640 });
    await made.close();
    writerArena.reset();
    const medium = new CrashMedium({ content: before.content });
    const vault = openKeyedVault({ medium, kernel: writerArena });
    const writer = (await vault.files.writeStream(target)).getWriter();
    for (let i = 0; i < PIECES; i++) {
      await writer.write(new Uint8Array(PIECE_BYTES).fill(2));
      if (i % 2 === 0) await vault.files.sync();
      else await vault.commit();
      assert.equal(await listed(vault), "old", "nobody sees it before it is whole");
    }
    await writer.close();
    assert.equal(await listed(vault), names);
    await vault.commit();
    medium.mark("done");
    const seen = new Set<string>();
    for (const image of medium.images(1, { missingMax: 1, randomPerPoint: 0 })) {
      readerArena.reset();
      const opened = openKeyedVault({ medium: image.open(), kernel: readerArena });
      const found = await listed(opened);
      const bytes = await opened.files.readFile(found === names ? target : "/old");
      const isWhole = bytes.length === PIECES * PIECE_BYTES && bytes.every((byte) => byte === 2);
      const isOld = bytes.length === OLD_BYTES && bytes.every((byte) => byte === 1);
      assert.ok(isWhole || isOld, `${bytes.length} bytes: ${image.description}`);
      assert.ok(isWhole ? found === names : found === "old", found);
      if (image.mark === "done") assert.ok(isWhole);
      seen.add(isWhole ? "new" : "old");
      assert.deepEqual((await checkVault(opened)).problems, [], image.description);
    }
    assert.deepEqual([...seen].sort(), ["new", "old"]);
  });
}

Deno.test("replacing a file: giving it up leaves nothing, a directory is not replaced", async () => {
  writerArena.reset();
  const medium = new MemoryStorage({});
  const vault = await createKeyedVault({ medium, kernel: writerArena });
  const writer = (await vault.files.writeStream("/given up")).getWriter();
  await writer.write(new Uint8Array(PIECE_BYTES).fill(2));
  await writer.abort();
  const late = (await vault.files.writeStream("/taken")).getWriter();
  await late.write(new Uint8Array(PIECE_BYTES).fill(2));
  await vault.files.makeDirectory("/taken");
  await assert.rejects(late.close(), { errno: "EISDIR" });
  assert.equal(await listed(vault), "taken");
  assert.deepEqual((await checkVault(vault)).problems, []);
});

async function listed({ files }: Awaited<ReturnType<typeof createKeyedVault>>): Promise<string> {
  return (await files.list("/")).map(({ name }) => name).sort().join();
}
