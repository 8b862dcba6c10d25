import { MemoryStorage } from "../../backends/memory/store.ts";
import type { Redundancy } from "../../core/format/redundancy.ts";
import { MIB } from "../../core/limits.ts";
import { createVault, openVault, type Vault } from "../../core/vault/vault.ts";
import type { CreateVaultOptions, OpenVaultOptions } from "../../core/vault/vault_options.ts";
import { ArenaKernel } from "./arena_kernel.ts";
import { FakeRuntime } from "./fake_runtime.ts";

/** Vaults on several media in memory: one at a time, in one arena. */
const arena = new ArenaKernel(64 * MIB);

/** A derivation that takes no time. */
export const kdf = { memoryKib: 8, passes: 1, parallelism: 1 };
/** What opens them. */
export const secret = { passphrase: new TextEncoder().encode("first") };

/** Empty media. */
export function fresh(count: number, from = 0): MemoryStorage[] {
  return Array.from({ length: count }, (_, i) => new MemoryStorage({ name: `memory:${from + i}` }));
}

/** Media with the same content. */
export function copies(media: readonly MemoryStorage[]): MemoryStorage[] {
  return media.map(({ name, content }) => new MemoryStorage({ name, content: content.fork() }));
}

/** A vault with blocks of 16 KiB. */
export async function made(
  media: readonly MemoryStorage[],
  redundancy: Redundancy = { k: 1, m: 1 },
  options: Partial<CreateVaultOptions> & { readonly seed?: number } = {},
): Promise<Vault> {
  arena.reset();
  const [medium, ...members] = media;
  const { seed = 1 } = options;
  const parts = { medium, members, kernel: arena, runtime: new FakeRuntime(seed) };
  const shape = { secret, kdf, redundancy, blockBytes: 16384, ...options };
  return await createVault(parts, shape);
}

/** Opens one. */
export async function opened(
  media: readonly MemoryStorage[],
  options: Partial<OpenVaultOptions> = {},
): Promise<Vault> {
  arena.reset();
  const [medium, ...members] = media;
  const parts = { medium, members, kernel: arena, runtime: new FakeRuntime(3) };
  return await openVault(parts, { secret, profiles: [kdf], ...options });
}

/** Bytes that follow from a number. */
export function fill(seed: number, length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => (seed * 31 + i * 7 + (i >> 8)) & 255);
}
