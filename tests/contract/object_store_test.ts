import { MemoryObjectStore } from "../../backends/memory/object_store.ts";
import type { ObjectStore } from "../../core/storage/object_store.ts";
import { storeContract } from "./object_store.ts";

/** Opens an empty store, and forgets it. */
type Opened = { readonly store: ObjectStore; [Symbol.asyncDispose](): Promise<void> };

const stores: Readonly<Record<string, () => Promise<Opened>>> = {
  memory: () => {
    const store = new MemoryObjectStore({ now: Date.now });
    return Promise.resolve({ store, [Symbol.asyncDispose]: () => store.close() });
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
