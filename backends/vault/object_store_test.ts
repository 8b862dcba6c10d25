import assert from "node:assert/strict";
import { refused, text } from "../../core/objects/store_samples.ts";
import type { OpenFile } from "../../core/vault/open_file.ts";
import { createVault, type Vault } from "../../mod.ts";
import { openVaultObjects, type VaultObjectStore } from "./object_store.ts";

const CHEAP = { memoryKib: 64, passes: 1, parallelism: 1 };

async function inVault(
  body: (store: VaultObjectStore, vault: Vault, opened: readonly OpenFile[]) => Promise<void>,
): Promise<void> {
  await using vault = await createVault({ medium: "memory:", passphrase: "any", kdf: CHEAP });
  const opened: OpenFile[] = [];
  const open = vault.files.open.bind(vault.files);
  vault.files.open = async (...args: Parameters<typeof open>) => {
    const file = await open(...args);
    opened.push(file);
    return file;
  };
  const store = await openVaultObjects({ vault, directory: "/objects" });
  await body(store, vault, opened);
  await store.close();
}

Deno.test("vault: no file stays open behind a body, a refused call or a copy", async () => {
  await inVault(async (store, vault, opened) => {
    await store.put("a", text("bytes"));
    await (await store.get("a")).body.cancel();
    await refused(store, store.get("a", { match: "another" }), "conflict");
    await store.head("a");
    await store.copy("a", "b", { create: true });
    await refused(store, store.copy("a", "b", { create: true }), "conflict");
    await refused(store, store.copy("a", "a/b"), "conflict");
    // What cannot even begin to be written.
    vault.files.writeStream = () => Promise.reject(new RangeError("not today"));
    await assert.rejects(store.copy("a", "c"), /not today/);
    assert.ok(opened.length >= 6);
    for (const file of opened) await assert.rejects(file.read(0, 1), { errno: "EBADF" });
  });
});

Deno.test("vault: what others have said of a file in other words says nothing", async () => {
  await inVault(async (store, vault) => {
    await store.put("a", text("x"), { tags: { b: "c" } });
    for (
      const odd of ["", "{", "null", '{"contentType":1}', '{"contentType":"a/b","metadata":7}']
    ) {
      await vault.files.setAttribute("/objects/a", "user.storage-object", text(odd));
      const { contentType, tags } = (await store.head("a"))!;
      assert.deepEqual([contentType, tags], ["application/octet-stream", {}]);
    }
  });
});
