import assert from "node:assert/strict";
import { createKeyedVault } from "../tests/support/keyed_vault.ts";
import { MIB } from "../core/limits.ts";
import { createKernel } from "../wasm/kernel.ts";
import { openLane } from "./crypto_lane.ts";
import { openVaultMedium } from "./open_vault_medium.ts";

Deno.test({
  name:
    "lane: a vault that is given up leaves no job behind that would run without its keys and its medium",
  sanitizeResources: false, // file I/O keeps libc open for the whole process
  async fn() {
    const folder = await Deno.makeTempDir();
    try {
      const medium = await openVaultMedium(`${folder}/vault`, { access: "create" });
      const kernel = createKernel({ memoryBytes: 48 * MIB });
      // Its worker never begins, as one that the machine keeps from running.
      const spawn = () => ({ started: Promise.resolve(), ended: Promise.resolve(null) });
      const { lane, close } = openLane(kernel, medium, { cryptoLane: "wasm", workers: 1, spawn });
      const vault = await createKeyedVault({ medium, kernel, lane });
      const { volume } = vault.opened;
      const address = kernel.reserve(volume.blockBytes);
      const firstId = volume.allocateIds(1);
      const run = { firstId, count: 1, address, lastLength: volume.blockBytes };
      const { ticket } = volume.put(run);
      assert.ok(!volume.settled(ticket));
      await vault.abandon();
      assert.ok(lane.settled(ticket));
      await close();
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
