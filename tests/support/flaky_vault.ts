/** Vaults on a medium of which one read fails or gives a wrong bit, and short words for what is done with them. */
import { fromSystemError } from "../../backends/file/system_error.ts";
import { SparseBytes } from "../../backends/memory/sparse_bytes.ts";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { MIB } from "../../core/limits.ts";
import { checkVault } from "../../core/vault/check.ts";
import type { Vault } from "../../core/vault/vault.ts";
import { ArenaKernel } from "./arena_kernel.ts";
import { FakeRuntime } from "./fake_runtime.ts";
import { createKeyedVault, openKeyedVault } from "./keyed_vault.ts";
import { emptyAttributes, emptySpans, named, ROOT } from "./open_memory_volume.ts";

export const K4 = 4096;
export const arena = new ArenaKernel(64 * MIB);
let seed = 1;

/** A medium of which one read fails ("EIO"), or gives one wrong bit ("flip"). */
export function flaky(content: SparseBytes) {
  const inner = new MemoryStorage({ content });
  const plan = { reads: 0, at: Infinity, kind: "EIO" };
  const read = (offset: number, into: Uint8Array) => {
    const hit = ++plan.reads === plan.at;
    if (hit && plan.kind === "EIO") {
      throw fromSystemError(Object.assign(new Error("injected"), { code: "EIO" }), "read", "m");
    }
    inner.direct.read(offset, into);
    if (hit) into[into.length >> 1] ^= 4;
  };
  const direct = { ...inner.direct, read };
  const close = () => inner.close();
  const fail = (nth: number, kind = "EIO") => Object.assign(plan, { at: plan.reads + nth, kind });
  return { medium: Object.assign(Object.create(inner), { direct, close }), plan, fail };
}
export function open(content: SparseBytes, cacheBytes: number, nth = 0, kind = "EIO") {
  arena.reset();
  const { medium, plan, fail } = flaky(content);
  if (nth > 0) fail(nth, kind);
  const runtime = new FakeRuntime(++seed);
  const vault = openKeyedVault({ medium, kernel: arena, runtime, cacheBytes });
  return { vault, fs: vault.fileSystem, fail, plan, area: arena.reserve(MIB) };
}
export async function filled(
  work: (v: Vault, area: number) => Promise<void>,
): Promise<SparseBytes> {
  arena.reset();
  const content = new SparseBytes();
  const medium = new MemoryStorage({ content });
  const vault = await createKeyedVault({ medium, kernel: arena }, { segments: 16 });
  await work(vault, arena.reserve(MIB));
  await vault.close();
  return content;
}
export const problems = async (vault: Vault) =>
  (await checkVault(vault)).problems.map(({ what }) => what);
export function ino(vault: Vault, path: string): number {
  const out = emptyAttributes();
  out.ino = 1;
  for (const part of path.split("/")) vault.fileSystem.lookup(out.ino, named(part), out);
  return out.ino;
}
export function make(vault: Vault, name: string): number {
  const out = emptyAttributes();
  vault.fileSystem.mknod(ROOT, { parent: 1, name: named(name) }, { mode: 0o100644, rdev: 0 }, out);
  return out.ino;
}
/** Writes blocks that hold one byte all over; "whole": from a request's buffer, as a driver does. */
export function put(
  vault: Vault,
  i: number,
  [first, count, byte]: readonly number[],
  { address, whole = false }: { readonly address: number; readonly whole?: boolean },
): void {
  arena.bytes.fill(byte, address, address + count * K4);
  const buffer = whole ? { address, references: 0 } : null;
  vault.fileSystem.write(i, {
    offset: first * K4,
    length: count * K4,
    address,
    buffer,
    killSetId: false,
  });
}
export function byteAt(vault: Vault, i: number, offset: number): number {
  const spans = emptySpans();
  vault.fileSystem.read(i, offset, 1, spans);
  return arena.bytes[spans.addresses[0]];
}
/** A file of so many blocks, for the block map to be large; or more of it. */
export function large(
  vault: Vault,
  area: number,
  { from = 0, to = 6400, of }: { from?: number; to?: number; of?: number } = {},
): number {
  const i = of ?? make(vault, "large");
  for (let b = from; b < to; b += 16) put(vault, i, [b, 16, 1], { address: area, whole: true });
  return i;
}
/** Reads far apart, so that the leaf of the block map that the next change needs is not in memory any more. */
export function wander(vault: Vault, blocks = 6400): void {
  const i = ino(vault, "large");
  for (let k = 1; k < 8; k++) {
    byteAt(vault, i, Math.floor(blocks * k / 8) * K4);
    vault.opened.volume.store.trim();
  }
}
export const chmod = (v: Vault, i: number, mode: number) =>
  v.fileSystem.setattr(ROOT, i, { mode }, emptyAttributes());
