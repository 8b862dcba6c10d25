/**
 * A medium that records what is written to it and when it was synced, and a platform in memory: what the
 * tests of keys and headers run in.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { MemoryStorage } from "../../backends/memory/store.ts";
import type { KdfParameters } from "../../core/crypto/argon2.ts";
import type { Platform, SecureStorage } from "../../core/crypto/platform.ts";
import { HEADER_AREA_BYTES } from "../../core/format/header.ts";
import type { HeaderContext } from "../../core/volume/header_cells.ts";
import { systemRuntime } from "../../core/runtime.ts";
import type { StorageBackend } from "../../core/storage/storage_backend.ts";
import { createKernel } from "../../wasm/kernel.ts";

/** A derivation that costs nothing. For tests only; no user can choose it. */
export const FAST_KDF: KdfParameters = { memoryKib: 8, passes: 1, parallelism: 1 };

/** One kernel for all tests of a file: its memory is set aside for good. */
export const testKernel = createKernel({ memoryBytes: 4 * 1024 * 1024 });

/** A passphrase as bytes. */
export function text(passphrase: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(passphrase);
}

/** Something that happened to a medium. */
export type MediumEvent =
  | { readonly offset: number; readonly data: Uint8Array }
  | "sync";

/** A medium in memory whose writes and syncs are remembered. */
export class RecordedMedium extends MemoryStorage {
  /** In order. */
  readonly events: MediumEvent[] = [];

  override async write(offset: number, data: Uint8Array): Promise<void> {
    this.events.push({ offset, data: data.slice() });
    await super.write(offset, data);
  }

  override async sync(): Promise<void> {
    this.events.push("sync");
    await super.sync();
  }
}

/** The header area of a medium as one array. */
export async function snapshot(medium: StorageBackend): Promise<Uint8Array<ArrayBuffer>> {
  return await medium.read(0, HEADER_AREA_BYTES);
}

/** A medium that holds these bytes. */
export async function mediumOf(bytes: Uint8Array): Promise<MemoryStorage> {
  const medium = new MemoryStorage({ name: "restored" });
  await medium.truncate(bytes.length);
  await medium.write(0, bytes);
  return medium;
}

/** A platform that keeps its secrets in a map; `name` is the device. */
export function memoryPlatform(name = "laptop"): Platform & { secrets: Map<string, Uint8Array> } {
  const secrets = new Map<string, Uint8Array>();
  const storage: SecureStorage = {
    name: "memory",
    get: (label) => Promise.resolve(secrets.get(label)?.slice() ?? null),
    set: (label, secret) => Promise.resolve(void secrets.set(label, secret.slice())),
    remove: (label) => Promise.resolve(void secrets.delete(label)),
  };
  const id = new Uint8Array(createHash("sha256").update(name).digest()).slice(0, 16);
  return {
    secrets,
    deviceFingerprint: () => Promise.resolve({ name, id }),
    secureStorage: () => storage,
    filesystemDriver: () => "libfuse3",
  };
}

/** A fresh context over an empty medium. */
export function headerWorld(): HeaderContext & { medium: RecordedMedium } {
  return {
    medium: new RecordedMedium({ name: "test" }),
    kernel: testKernel,
    runtime: systemRuntime,
    platform: memoryPlatform(),
  };
}
