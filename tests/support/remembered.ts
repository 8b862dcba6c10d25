import type { RootMemory } from "../../core/crypto/platform.ts";
import type { RootPoint } from "../../core/format/root_memory.ts";
import type { TreeStore } from "../../core/tree/tree_store.ts";

/** A device's memory that lasts as long as a test. */
export class HeldMemory implements RootMemory {
  /** What is kept under each label; tests put it back. */
  records = new Map<string, Uint8Array>();

  /** See {@linkcode RootMemory.get}. */
  // deno-lint-ignore require-await
  async get(label: string): Promise<Uint8Array | null> {
    return this.records.get(label) ?? null;
  }

  /** See {@linkcode RootMemory.set}. */
  // deno-lint-ignore require-await
  async set(label: string, record: Uint8Array): Promise<void> {
    this.records.set(label, record.slice());
  }
}

/** What a device would remember of the newest durable root. */
export function pointOf({ catalog, sequence, rootHash }: TreeStore): RootPoint {
  const session = catalog.sessionAt(sequence);
  if (session === null) throw new Error(`no session wrote root ${sequence}`);
  return { sequence, hash: rootHash.slice(), session: session.id };
}
