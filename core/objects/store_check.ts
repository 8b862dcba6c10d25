import { AssertionError } from "node:assert/strict";
import { systemRuntime } from "../runtime.ts";
import { listObjects, type ObjectStore } from "../storage/object_store.ts";
import { PrefixedStore } from "./prefixed_store.ts";
import { storeContract } from "./store_contract.ts";

/** How a store kept one promise. */
export interface PromiseReport {
  /** What every store promises. */
  readonly promise: string;
  /** It did. */
  readonly kept: boolean;
  /** Until that was known. */
  readonly milliseconds: number;
  /** What it did instead; null where it kept it. */
  readonly reason: string | null;
}

/** How to check a store. */
export interface StoreCheckOptions {
  /** Told of each promise when it was checked. */
  readonly onProgress?: (done: number, all: number) => void;
}

/** Below it, the store is used and cleaned. */
const PREFIX = "sigmavault-test-";

/** Runs every promise of the contract against a store, each below a prefix of its own, and cleans up behind it. */
export async function checkStore(
  store: ObjectStore,
  { onProgress }: StoreCheckOptions = {},
): Promise<readonly PromiseReport[]> {
  const mark = new Uint8Array(8);
  systemRuntime.random(mark);
  const reports: PromiseReport[] = [];
  const promises = Object.entries(storeContract);
  for (const [promise, holds] of promises) {
    const prefix = `${PREFIX}${mark.toHex()}/${reports.length}/`;
    const started = systemRuntime.now();
    const reason = await holds(new PrefixedStore(store, prefix)).then(() => null, reasonOf);
    const milliseconds = Math.round(systemRuntime.now() - started);
    await clean(store, prefix);
    reports.push({ promise, kept: reason === null, milliseconds, reason });
    onProgress?.(reports.length, promises.length);
  }
  return reports;
}

function reasonOf(error: unknown): string {
  if (error instanceof AssertionError) return error.message.split("\n").slice(0, 6).join(" ");
  return error instanceof Error ? error.message : String(error);
}

async function clean(store: ObjectStore, prefix: string): Promise<void> {
  const paths: string[] = [];
  for await (const { path } of listObjects(store, prefix)) paths.push(path);
  await store.deleteMany(paths);
}
