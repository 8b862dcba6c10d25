/** When a change has failed half-way, every verb says so, and each failure is one for programs. */
import assert from "node:assert/strict";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { FaultyMedium } from "../../tests/support/faulty_medium.ts";
import { FAST_KDF, memoryPlatform, text } from "../../tests/support/header_world.ts";
import { createKernel } from "../../wasm/kernel.ts";
import { MIB } from "../limits.ts";
import { systemRuntime } from "../runtime.ts";
import { createVault, type Vault } from "./vault.ts";

const lock = { passphrase: "p", kdf: FAST_KDF };

/** Has a change fail at its first write, while data of another one waits in memory. */
async function failed(change: (vault: Vault) => Promise<unknown>): Promise<Vault> {
  const medium = new FaultyMedium(new MemoryStorage({}));
  const kernel = createKernel({ memoryBytes: 24 * MIB });
  const parts = { medium, kernel, runtime: systemRuntime, platform: memoryPlatform() };
  const secret = { passphrase: text("own") };
  const vault = await createVault(parts, { secret, kdf: FAST_KDF, sizeBytes: 64 * MIB });
  await vault.files.writeFile("/a", new Uint8Array(100_000));
  await vault.files.writeFile("/locked", new Uint8Array(100_000));
  await vault.files.lock("/locked", lock);
  await vault.snapshots.create("main", "s");
  const file = await vault.files.open("/b", { access: "write", create: "allow" });
  await file.write(0, new Uint8Array(3000));
  medium.fail("write", 1, "EIO");
  await assert.rejects(change(vault), { name: "VaultError" });
  await file.write(0, new Uint8Array(2000)).catch(() => {}); // it waits in memory, or is refused
  return vault;
}

const VERBS: Record<string, (vault: Vault) => Promise<unknown>> = {
  "volumes.list": (vault) => vault.volumes.list(),
  "volumes.create": (vault) => vault.volumes.create("other"),
  "snapshots.list": (vault) => vault.snapshots.list("main"),
  "snapshots.diff": (vault) => vault.snapshots.diff("main", "s"),
  "snapshots.rollback": (vault) => vault.snapshots.rollback("main", "s"),
  "streams.receive": (vault) => vault.streams.receive("copy", vault.streams.send("main", "s")),
  "files.lock": (vault) => vault.files.lock("/a", lock),
  "files.unlock": (vault) => vault.files.unlock("/locked", lock),
  "files.shred": (vault) => vault.files.shred("/a"),
  transaction: (vault) => vault.transaction(() => {}),
  commit: (vault) => vault.commit(),
};

for (const name of ["snapshots.rollback", "files.lock", "files.unlock", "files.shred", "commit"]) {
  Deno.test(`after ${name} has failed half-way, every verb says so`, async () => {
    const vault = await failed(VERBS[name]);
    for (const [verb, change] of Object.entries(VERBS)) {
      await assert.rejects(
        change(vault),
        { name: "VaultError", kind: "unavailable", message: /failed half-way; reopen it/ },
        verb,
      );
    }
    await vault.abandon();
  });
}
