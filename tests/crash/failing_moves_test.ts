/**
 * A write that fails once while a vault is made smaller, compacted or rescattered: the verb fails, nothing is changed any more, and
 * who opens the vault again finds everything.
 */
import assert from "node:assert/strict";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { MIB, SEGMENT_BYTES } from "../../core/limits.ts";
import { checkVault } from "../../core/vault/check.ts";
import { rescatterVault } from "../../core/vault/rescatter.ts";
import { compactVault, resizeVault } from "../../core/vault/resize.ts";
import type { Vault } from "../../core/vault/vault.ts";
import { ArenaKernel } from "../support/arena_kernel.ts";
import { FaultyMedium } from "../support/faulty_medium.ts";
import { createKeyedVault, openKeyedVault } from "../support/keyed_vault.ts";

const arena = new ArenaKernel(32 * MIB);
const LARGE = Array.from({ length: 12 }, (_, i) => i);
const SMALL = Array.from({ length: 600 }, (_, i) => i);

const verbs: Record<string, (vault: Vault) => Promise<unknown>> = {
  shrink: (vault) => resizeVault(vault, 6 * SEGMENT_BYTES),
  compact: (vault) => compactVault(vault),
  rescatter: (vault) => rescatterVault(vault),
};

async function filled(): Promise<MemoryStorage["content"]> {
  arena.reset();
  const medium = new MemoryStorage({});
  const shape = { segments: 8, segmentsMax: 8 };
  const vault = await createKeyedVault({ medium, kernel: arena }, shape);
  for (const i of LARGE) {
    await vault.files.writeFile(`/gone${i}`, new Uint8Array(150_000));
    await vault.files.writeFile(`/large${i}`, new Uint8Array(100_000).fill(i));
  }
  for (const i of SMALL) await vault.files.writeFile(`/small${i}`, new Uint8Array(1500).fill(i));
  for (const i of LARGE) await vault.files.remove(`/gone${i}`);
  await vault.close();
  return medium.content;
}

/** True where the verb came to its end before so many writes. */
async function failsAt(
  content: MemoryStorage["content"],
  verb: (vault: Vault) => Promise<unknown>,
  { nth, errno }: { readonly nth: number; readonly errno: string },
): Promise<boolean> {
  arena.reset();
  const inner = new MemoryStorage({ content });
  const medium = new FaultyMedium(inner);
  const vault = openKeyedVault({ medium, kernel: arena });
  const write = medium.direct.write;
  let hasFailed = false;
  medium.direct.write = (...args) => {
    try {
      write(...args);
    } catch (error) {
      hasFailed = true;
      throw error;
    }
  };
  medium.fail("write", nth, errno);
  const isDone = await verb(vault).then(() => true, () => false);
  assert.equal(isDone, !hasFailed, `write ${nth}`);
  await vault.close().catch(() => {});
  await requireWhole(inner.content.fork(), `write ${nth}`);
  return isDone;
}

async function requireWhole(content: MemoryStorage["content"], when: string): Promise<void> {
  arena.reset();
  const vault = openKeyedVault({ medium: new MemoryStorage({ content }), kernel: arena });
  assert.deepEqual((await checkVault(vault)).problems, [], when);
  for (const i of LARGE) {
    const bytes = await vault.files.readFile(`/large${i}`);
    assert.ok(bytes.length === 100_000 && bytes.every((byte) => byte === i), when);
  }
  for (const i of SMALL) {
    assert.equal((await vault.files.readFile(`/small${i}`)).length, 1500, when);
  }
  await vault.abandon();
}

for (const [name, verb] of Object.entries(verbs)) {
  for (const errno of ["EIO", "ENOSPC"]) {
    Deno.test(`failing writes: ${name} fails by one that fails (${errno}), and damages nothing`, async () => {
      const content = await filled();
      let isDone = false;
      let count = 0;
      for (let nth = 1; !isDone; nth += 23) {
        isDone = await failsAt(content.fork(), verb, { nth, errno });
        count++;
      }
      assert.ok(count > 3, `${count}`);
    });
  }
}
