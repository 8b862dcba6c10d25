/**
 * Snapshots with locked and shredded files, sent to a vault with other keys: whole and by differences, through cuts. The
 * receiver has the names and shapes of all files, opens what is locked with the file's own passphrase and nothing without
 * it, and nothing of that content lies readable on its medium. `SIGMAVAULT_STREAM_RUNS` (3 unless set) says how many.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { COMPRESSIONS } from "../../core/format/catalog_record.ts";
import type { MapEntry } from "../../core/format/map_entry.ts";
import { MIB } from "../../core/limits.ts";
import { checkVault } from "../../core/vault/check.ts";
import type { Vault } from "../../core/vault/vault.ts";
import { ArenaKernel } from "../support/arena_kernel.ts";
import { findContent } from "../support/content_scan.ts";
import { receiveThroughCuts } from "../support/cut_receive.ts";
import { FAST_KDF } from "../support/header_world.ts";
import { createKeyedVault, fixedKeys } from "../support/keyed_vault.ts";
import { RandomStream } from "../support/random_stream.ts";

const RUNS = Number(Deno.env.get("SIGMAVAULT_STREAM_RUNS") ?? 3);
const SHAPE = { segments: 6, blockBytes: 8192 };
const WIRE = { passphrase: new TextEncoder().encode("both know") };
const MARKER = new TextEncoder().encode("the marker of this test");
const senders = new ArenaKernel(40 * MIB);
const receivers = new ArenaKernel(40 * MIB);

interface Held {
  readonly content: Uint8Array;
  state: "open" | "locked" | "shredded";
}

const lockOf = (path: string) => ({ passphrase: `of ${path}`, kdf: FAST_KDF });

/** Content of any size and form: in the tree, in short and long blocks, with holes, that compresses or does not. */
function anyContent(stream: RandomStream): Uint8Array {
  const sizes = [1 + stream.below(2048), 1 + stream.below(9000), stream.below(120_000)];
  const bytes = new Uint8Array(sizes[stream.below(3)]);
  const isNoise = stream.chance(0.5);
  for (let at = 0; at < bytes.length; at += 64) {
    if (stream.chance(0.2)) at += 20_000;
    for (let i = at; isNoise && i < at + 40 && i < bytes.length; i++) bytes[i] = stream.below(256);
    if (at < bytes.length) bytes.set(MARKER.subarray(0, bytes.length - at), at);
  }
  return bytes;
}

/** Makes and removes files that are locked before anybody sees them, and writes one that never is. */
async function change(vault: Vault, files: Map<string, Held>, stream: RandomStream): Promise<void> {
  for (let steps = 3 + stream.below(5); steps > 0; steps--) {
    const path = `/${stream.below(9)}`;
    if (files.has(path)) await vault.files.remove(path);
    if (files.delete(path)) continue;
    const content = anyContent(stream);
    await vault.files.writeFile(path, content);
    await vault.files.lock(path, lockOf(path));
    files.set(path, { content, state: "locked" });
  }
  const content = new TextEncoder().encode("open to all ".repeat(stream.below(4000)));
  await vault.files.writeFile("/plain", content);
  files.set("/plain", { content, state: "open" });
}

/** One of them under a name that stays. */
async function shredOne(vault: Vault, files: Map<string, Held>): Promise<void> {
  const victim = [...files.keys()].find((path) => files.get(path)?.state === "locked");
  if (victim === undefined || files.has("/shredded")) return;
  await vault.files.link(victim, "/shredded");
  await vault.files.shred(victim);
  files.set("/shredded", { ...files.get(victim)!, state: "shredded" });
  files.delete(victim);
}

async function assertHeld(to: Vault, files: ReadonlyMap<string, Held>): Promise<void> {
  await using copy = await to.volumes.open("copy");
  const names = (await copy.files.list("/")).map(({ name }) => `/${name}`).sort();
  assert.deepEqual(names, [...files.keys()].sort());
  for (const [path, { content, state }] of files) {
    assert.equal((await copy.files.stat(path)).size, content.length);
    if (state !== "open") await assert.rejects(copy.files.readFile(path), { kind: "denied" });
    else assert.deepEqual(await copy.files.readFile(path), content);
  }
}

/** On the receiver's medium, and with its keys, nothing shows of what is locked: all that carries the marker is. */
function assertSealed(to: Vault): void {
  const { content } = to.medium as MemoryStorage;
  const bytes = new Uint8Array(content.length);
  content.read(0, bytes);
  const noted: MapEntry[] = [];
  to.opened.volume.store.blocks.entries((_, entry) => void noted.push(entry));
  const shown = noted.filter(({ inner }) => inner !== null);
  const found = findContent(bytes, { keys: fixedKeys(1), marker: MARKER, noted: shown });
  assert.deepEqual(found, []);
}

async function assertOpens(to: Vault, files: ReadonlyMap<string, Held>): Promise<void> {
  await using copy = await to.volumes.open("copy");
  for (const [path, { content, state }] of files) {
    if (state !== "locked") continue;
    await assert.rejects(copy.files.unlock(path, { passphrase: "wrong" }), { kind: "denied" });
    await copy.files.unlock(path, { ...lockOf(path), until: "close" });
    assert.deepEqual(await copy.files.readFile(path), content);
    await copy.files.unlock(path, lockOf(path));
    assert.deepEqual(await copy.files.readFile(path), content);
  }
}

Deno.test("streams: locked files arrive locked, under the same passphrase", async () => {
  const property = fc.asyncProperty(fc.integer({ min: 1, max: 2 ** 31 - 1 }), async (seed) => {
    const stream = new RandomStream(seed);
    senders.reset();
    receivers.reset();
    const from = await createKeyedVault({ medium: new MemoryStorage({}), kernel: senders }, SHAPE);
    const there = { medium: new MemoryStorage({}), kernel: receivers, keySeed: 1 };
    const to = await createKeyedVault(there, SHAPE);
    const files = new Map<string, Held>();
    for (let n = 0; n < 3; n++) {
      const compression = COMPRESSIONS[stream.below(COMPRESSIONS.length)];
      await from.volumes.set("main", { compression });
      await change(from, files, stream);
      if (stream.chance(0.5)) await shredOne(from, files);
      await from.snapshots.create("main", `s${n}`);
      const base = n === 0 ? undefined : `s${n - 1}`;
      const send = (resume?: string) =>
        from.streams.send("main", `s${n}`, { from: base, resume, ...WIRE });
      const cut = { send, to, volume: "copy", options: WIRE, cutBytesMax: 300_000 };
      await receiveThroughCuts(cut, stream);
      await assertHeld(to, files);
    }
    assertSealed(to);
    assert.deepEqual((await checkVault(to)).problems, []);
    await assertOpens(to, files);
    assert.deepEqual((await checkVault(to)).problems, []);
  });
  await fc.assert(property, { numRuns: RUNS });
});
