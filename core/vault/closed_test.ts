import assert from "node:assert/strict";
import { fresh, made } from "../../tests/support/member_world.ts";
import { exportKeys } from "./key_export.ts";
import { checkVault } from "./check.ts";
import { rescatterVault } from "./rescatter.ts";
import { compactVault, resizeVault } from "./resize.ts";
import { rotateKeys } from "./rotation.ts";
import { scrubVault } from "./scrub.ts";

Deno.test("a vault that is closed, or was given up, answers nobody and takes nothing", async () => {
  for (const end of ["close", "abandon"] as const) {
    const vault = await made(fresh(1));
    const { files } = vault;
    await files.writeFile("/a", "there");
    const open = await files.open("/a");
    const view = await vault.volumes.open("main");
    await vault[end]();
    const calls = {
      exists: () => files.exists("/a"),
      list: () => files.list("/"),
      read: () => files.readText("/a"),
      write: () => files.writeFile("/new", "x"),
      fresh: () => vault.files.stat("/"),
      transaction: () => vault.transaction(() => {}),
      commit: () => vault.commit(),
      snapshots: () => vault.snapshots.list("main"),
      volumes: () => vault.volumes.list(),
      check: () => checkVault(vault),
      scrub: () => scrubVault(vault),
      resize: () => resizeVault(vault, 2 ** 30),
      export: () => exportKeys(vault, { passphrase: new Uint8Array([1]) }),
      compact: () => compactVault(vault),
      rotate: () => rotateKeys(vault, { keep: [] }),
      rescatter: () => rescatterVault(vault),
      view: () => view.files.list("/"),
      open: () => open.read(0, 5),
      lock: () => files.lock("/a", { passphrase: "secret" }),
    };
    for (const [name, call] of Object.entries(calls)) {
      await assert.rejects(
        async () => await call(),
        { name: "VaultError", message: /closed/ },
        name,
      );
    }
    if (end === "close") await open.close();
    await view.close();
    await vault.close();
    await vault[end]();
  }
});
