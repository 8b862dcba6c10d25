/** Operations that need cells to come free, beside a check, which holds them, and beside transactions, in which no root is written. */
import assert from "node:assert/strict";
import { fill, fresh, kdf, made, secret } from "../../tests/support/member_world.ts";
import { MIB } from "../limits.ts";
import { checkVault } from "./check.ts";
import { removeMember, spreadBlocks } from "./member_changes.ts";
import { compactVault, resizeVault } from "./resize.ts";
import { rotateKeys } from "./rotation.ts";
import type { Vault } from "./vault.ts";

const FILES = 300;

async function filled(members = 1): Promise<Vault> {
  const vault = await made(fresh(members));
  for (let i = 0; i < FILES; i++) await vault.files.writeFile(`/f${i}`, fill(i, 20_000));
  await vault.commit();
  return vault;
}

async function assertWhole(vault: Vault): Promise<void> {
  assert.deepEqual((await checkVault(vault)).problems, []);
  await vault.files.writeFile("/later", "taken");
  await vault.close();
}

for (
  const [name, run] of Object.entries({
    lock: (vault: Vault) => vault.files.lock("/f7", { passphrase: "of its own", kdf }),
    shred: (vault: Vault) => vault.files.shred("/f7"),
    "key rotation": (vault: Vault) => rotateKeys(vault, { keep: [secret], profiles: [kdf] }),
  })
) {
  Deno.test(`beside a check, a ${name} waits and writes no root after the other`, async () => {
    const vault = await filled();
    const { store } = vault.opened.volume;
    const before = store.sequence;
    const checked = checkVault(vault);
    await Promise.all([run(vault), checked]);
    assert.deepEqual((await checked).problems, []);
    assert.ok(store.sequence - before < 60, `${store.sequence - before} roots`);
    await assertWhole(vault);
  });
}

const shrunk = (vault: Vault) => resizeVault(vault, 24 * MIB);

for (const [name, run] of Object.entries({ shrink: shrunk, compact: compactVault })) {
  Deno.test(`beside a check, to ${name} is refused`, async () => {
    const vault = await filled();
    await vault.files.writeFile("/large", new Uint8Array(40 * MIB).fill(7));
    await vault.commit();
    await vault.files.remove("/large");
    await vault.commit();
    const checked = checkVault(vault);
    await assert.rejects(run(vault), { kind: "conflict", message: /it is being checked/ });
    assert.deepEqual((await checked).problems, []);
    await compactVault(vault);
    await assertWhole(vault);
  });
}

for (
  const [name, run] of Object.entries({
    "removing a member": (vault: Vault) => removeMember(vault, 2),
    "spreading blocks": (vault: Vault) => spreadBlocks(vault),
  })
) {
  Deno.test(`beside a check and transactions, ${name} comes to its end`, async () => {
    const vault = await filled(3);
    const changed = async (content: string, throws: boolean) => {
      await vault.transaction(async (files) => {
        for (let i = 0; i < 20; i++) await files.writeFile(`/f${i}`, content);
        await new Promise((resolve) => setTimeout(resolve, 5));
        if (throws) throw new Error("rolled back");
      });
    };
    const checked = checkVault(vault);
    const ended = run(vault);
    const others = [
      changed("kept", false),
      assert.rejects(changed("lost", true), { message: "rolled back" }),
    ];
    await Promise.all([ended, checked, ...others]);
    for (let i = 0; i < 20; i++) assert.equal(await vault.files.readText(`/f${i}`), "kept");
    assert.deepEqual(await vault.files.readFile("/f200"), fill(200, 20_000));
    await assertWhole(vault);
  });
}
