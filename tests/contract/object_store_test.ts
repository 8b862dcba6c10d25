import { openLocalObjects } from "../../backends/local/object_store.ts";
import { MemoryObjectStore } from "../../backends/memory/object_store.ts";
import { openVaultObjects } from "../../backends/vault/object_store.ts";
import type { ObjectStore } from "../../core/storage/object_store.ts";
import { createVault } from "../../mod.ts";
import { storeContract } from "../../core/objects/store_contract.ts";

const CHEAP = { memoryKib: 64, passes: 1, parallelism: 1 };

/** Opens an empty store, and forgets it. */
type Opened = { readonly store: ObjectStore; [Symbol.asyncDispose](): Promise<void> };

const stores: Readonly<Record<string, () => Promise<Opened>>> = {
  memory: () => {
    const store = new MemoryObjectStore({ now: Date.now });
    return Promise.resolve({ store, [Symbol.asyncDispose]: () => store.close() });
  },
  vault: async () => {
    const vault = await createVault({ medium: "memory:", passphrase: "any", kdf: CHEAP });
    const store = await openVaultObjects({ vault, directory: "/objects" });
    return {
      store,
      async [Symbol.asyncDispose]() {
        await store.close();
        await vault.close();
      },
    };
  },
  local: async () => {
    const path = await Deno.makeTempDir();
    const store = await openLocalObjects({ path });
    return {
      store,
      async [Symbol.asyncDispose]() {
        await store.close();
        await Deno.remove(path, { recursive: true });
      },
    };
  },
};

for (const [name, open] of Object.entries(stores)) {
  for (const [property, holds] of Object.entries(storeContract)) {
    Deno.test(`${name}: ${property}`, async () => {
      await using opened = await open();
      await holds(opened.store);
    });
  }
}
