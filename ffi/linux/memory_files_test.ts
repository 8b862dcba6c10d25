import assert from "node:assert/strict";
import { join } from "node:path";
import { memoryFiles } from "./memory_files.ts";

const LABEL = "00ff";

Deno.test("memory files: a record replaces the one before; file and directory are the user's alone", async () => {
  const folder = await Deno.makeTempDir({ prefix: "sv-memory-" });
  const directory = join(folder, "state", "memory");
  try {
    const memory = memoryFiles(directory);
    assert.equal(await memory.get(LABEL), null);
    for (const fill of [1, 2]) {
      await memory.set(LABEL, new Uint8Array(112).fill(fill));
      assert.deepEqual(await memory.get(LABEL), new Uint8Array(112).fill(fill));
    }
    const mode = async (path: string) => ((await Deno.stat(path)).mode ?? 0) & 0o777;
    assert.equal(await mode(join(directory, LABEL)), 0o600);
    assert.equal(await mode(directory), 0o700);
    assert.deepEqual(Array.from(Deno.readDirSync(directory), ({ name }) => name), [LABEL]);
    await assert.rejects(memory.get("../x"), { kind: "invalid" });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("memory files: where there is no place nothing is found and nothing is kept", async () => {
  const memory = memoryFiles(null);
  await memory.set(LABEL, new Uint8Array(112));
  assert.equal(await memory.get(LABEL), null);
});

Deno.test("memory files: a directory that cannot be made is told", async () => {
  const file = await Deno.makeTempFile({ prefix: "sv-memory-" });
  try {
    const memory = memoryFiles(join(file, "memory"));
    await assert.rejects(memory.set(LABEL, new Uint8Array(112)), { kind: "unavailable" });
  } finally {
    await Deno.remove(file);
  }
});
