import assert from "node:assert/strict";
import type { SparseBytes } from "../../backends/memory/sparse_bytes.ts";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { ArenaKernel } from "../../tests/support/arena_kernel.ts";
import { FakeRuntime } from "../../tests/support/fake_runtime.ts";
import { FAST_KDF, RecordedMedium, text } from "../../tests/support/header_world.ts";
import { HIDDEN, hide, openWith, OUTER, outerImage } from "../../tests/support/hidden_world.ts";
import { createKeyedVault, fixedKeys, openKeyedVolume } from "../../tests/support/keyed_vault.ts";
import { HeldMemory } from "../../tests/support/remembered.ts";
import type { RootMemory } from "../crypto/platform.ts";
import { VaultError } from "../errors.ts";
import { MIB } from "../limits.ts";
import { Upkeep } from "../vault/upkeep.ts";
import { createVault, openVault, type Vault } from "../vault/vault.ts";
import type { OpenVaultOptions } from "../vault/vault_options.ts";
import { DeviceMemory } from "./device_memory.ts";
import { rememberRestored } from "./restored_memory.ts";

const SECRET = { passphrase: text("remember me") };
const arena = new ArenaKernel(24 * MIB);
let seeds = 10;

function partsOver(medium: MemoryStorage, runtime = new FakeRuntime(seeds++)) {
  arena.reset();
  return { medium, kernel: arena, runtime };
}

type Opening = Partial<OpenVaultOptions> & {
  readonly medium?: MemoryStorage;
  readonly runtime?: FakeRuntime;
};

function open(content: SparseBytes, options: Opening): Promise<Vault> {
  const { medium = new MemoryStorage({ content }), runtime, ...rest } = options;
  const opening = { secret: SECRET, profiles: [FAST_KDF], blockMemoryBytes: MIB };
  return openVault(partsOver(medium, runtime), { ...opening, ...rest });
}

async function create(rootMemory?: RootMemory): Promise<SparseBytes> {
  const medium = new MemoryStorage();
  const options = { secret: SECRET, kdf: FAST_KDF, rootMemory, sizeBytes: 32 * MIB };
  await (await createVault(partsOver(medium), options)).close();
  return medium.content;
}

/** Writes a file on a copy. */
async function written(
  content: SparseBytes,
  name: string,
  rootMemory?: RootMemory,
): Promise<SparseBytes> {
  const fork = content.fork();
  await using vault = await open(fork, { rootMemory });
  await vault.files.writeFile(`/${name}`, name);
  return fork;
}

function bytesOf(content: SparseBytes): Uint8Array {
  const bytes = new Uint8Array(content.length);
  content.read(0, bytes);
  return bytes;
}

Deno.test("device memory: an older medium is refused, nothing is written to it, until it is accepted", async () => {
  const rootMemory = new HeldMemory();
  const older = await create(rootMemory);
  const newer = await written(older, "a", rootMemory);
  const before = bytesOf(older);
  for (const readOnly of [false, true]) {
    await assert.rejects(open(older, { rootMemory, readOnly }), {
      kind: "conflict",
      message:
        /^Cannot open "memory:.*": the medium went back in time: this device has seen root \d+, noted 2030-01-01.*, and the newest root there is \d+ of 2030.*--accept-rollback/,
    });
  }
  assert.deepEqual(bytesOf(older), before);
  await (await open(newer, { rootMemory })).close();

  await (await open(older, { rootMemory, readOnly: true, acceptRollback: true })).close();
  await (await open(older, { rootMemory, readOnly: true })).close();
  // The newer one came from what was accepted, so it is simply newer again.
  await (await open(newer, { rootMemory })).close();
  await assert.rejects(open(older, { rootMemory }), { kind: "conflict" });
});

Deno.test("device memory: a copy that was written apart is refused, also when it is ahead", async () => {
  const rootMemory = new HeldMemory();
  const base = await create(rootMemory);
  let copy = await written(base, "elsewhere");
  const ours = await written(base, "here", rootMemory);
  for (let i = 0; i < 3; i++) {
    await assert.rejects(open(copy, { rootMemory }), {
      kind: "conflict",
      message: /another history of this vault: .* cannot be joined: go on with the one that you/,
    });
    copy = await written(copy, `more ${i}`);
  }
  await (await open(copy, { rootMemory, acceptRollback: true })).close();
  await assert.rejects(open(ours, { rootMemory }), { kind: "conflict" });
});

Deno.test("device memory: what another device wrote after ours is taken, however many sessions there were", async () => {
  const rootMemory = new HeldMemory();
  let content = await written(await create(rootMemory), "ours", rootMemory);
  for (let i = 0; i < 5; i++) content = await written(content, `theirs ${i}`);
  const [[label, before]] = rootMemory.records;
  await using vault = await open(content, { rootMemory, readOnly: true });
  assert.equal(vault.opened.memory?.remembered?.sequence, vault.opened.volume.store.sequence);
  assert.notDeepEqual(rootMemory.records.get(label), before);
});

Deno.test("device memory: a record that was changed, or is another vault's, is no trust but a warning", async () => {
  const rootMemory = new HeldMemory();
  const older = await create(rootMemory);
  const newer = await written(older, "a", rootMemory);
  const [[label, record]] = rootMemory.records;
  const flipped = record.slice();
  flipped[40] ^= 1;
  const others = new HeldMemory();
  await create(others);
  const [[, foreign]] = others.records;
  for (const bad of [flipped, record.slice(1), new Uint8Array(0), foreign]) {
    rootMemory.records.set(label, bad);
    const vault = await open(newer, { rootMemory, readOnly: true });
    assert.match(vault.opened.memory?.warning ?? "", /^Cannot read what this device remembers/);
    await vault.close();
    await assert.rejects(open(older, { rootMemory }), { kind: "conflict" }, "it was replaced");
  }
});

Deno.test("device memory: what cannot be kept is a warning, and everything is written all the same", async () => {
  const full: RootMemory = {
    get: () => Promise.resolve(null),
    set: () => Promise.reject(new VaultError("unavailable", "no space left")),
  };
  const content = await written(await create(full), "a");
  const vault = await open(content, { rootMemory: full });
  await vault.files.writeFile("/b", "b");
  await vault.close();
  assert.match(vault.opened.memory?.warning ?? "", /^Cannot keep .*no space left/);
  await using again = await open(content, {});
  assert.equal(await again.files.readText("/b"), "b");
});

Deno.test("device memory: while roots come, they are noted every few seconds, and the last at closing", async () => {
  const noted: number[] = [];
  const rootMemory = new HeldMemory();
  const content = await create(rootMemory);
  const noting: RootMemory = {
    get: (label) => rootMemory.get(label),
    set: (label, record) => {
      noted.push(vault.opened.volume.store.sequence);
      return rootMemory.set(label, record);
    },
  };
  const runtime = new FakeRuntime(3);
  const vault = await open(content, { rootMemory: noting, runtime });
  const { volume } = vault.opened;
  const start = volume.store.sequence;
  for (const milliseconds of [1000, 1000, 3000, 1000, -60_000, 4999, 1]) {
    runtime.advance(milliseconds);
    await vault.files.writeFile("/file", `${milliseconds}`);
    await vault.commit();
    await new Promise((resolve) => setTimeout(resolve));
  }
  await vault.close();
  assert.deepEqual(noted.map((sequence) => sequence - start), [
    3,
    5,
    7,
    volume.store.sequence - start,
  ]);
});

Deno.test("device memory: what opening finds is made durable before it is noted", async () => {
  const rootMemory = new HeldMemory();
  const content = await written(await create(rootMemory), "elsewhere");
  const medium = new RecordedMedium({ content });
  const seen: number[] = [];
  const noting: RootMemory = {
    get: (label) => rootMemory.get(label),
    set: (label, record) => {
      seen.push(medium.events.lastIndexOf("sync"));
      return rootMemory.set(label, record);
    },
  };
  await (await open(content, { medium, rootMemory: noting, readOnly: true })).close();
  assert.deepEqual(seen, [0]);
  await (await open(content, { rootMemory: noting, readOnly: true })).close();
  assert.equal(seen.length, 1, "what is known is not noted again");
});

Deno.test("device memory: of a hidden vault nothing is remembered", async () => {
  const rootMemory = new HeldMemory();
  const medium = new MemoryStorage({ content: await outerImage() });
  await (await hide(medium)).close();
  const again = () => new MemoryStorage({ content: medium.content });
  const hidden = await openWith(again(), HIDDEN, { rootMemory });
  await hidden.files.writeFile("/note", "nobody sees this");
  await hidden.close();
  assert.equal(rootMemory.records.size, 0);
  await (await openWith(again(), OUTER, { rootMemory })).close();
  assert.equal(rootMemory.records.size, 1);
});

Deno.test("device memory: of a vault that stays open the last root is noted too, although none follows", async () => {
  const rootMemory = new HeldMemory();
  const content = await create(rootMemory);
  const runtime = new FakeRuntime(4);
  await using vault = await open(content, { rootMemory, runtime });
  const { memory, volume: { store } } = vault.opened;
  const upkeep = new Upkeep(vault);
  await vault.files.writeFile("/a", "a");
  await vault.commit();
  runtime.advance(4000);
  await upkeep.tick();
  assert.notEqual(memory?.remembered?.sequence, store.sequence);
  runtime.advance(1000);
  await upkeep.tick();
  await new Promise((resolve) => setTimeout(resolve));
  assert.equal(memory?.remembered?.sequence, store.sequence);
});

Deno.test("device memory: a root that not every medium names is not noted by who only reads", async () => {
  const rootMemory = new HeldMemory();
  const media = [new MemoryStorage({ name: "a" }), new MemoryStorage({ name: "b" })];
  const options = { secret: SECRET, kdf: FAST_KDF, redundancy: { k: 1, m: 1 } };
  const [medium, ...members] = media;
  const vault = await createVault({ ...partsOver(medium), members }, options);
  const before = media.map(({ content }) => content.fork());
  await vault.files.writeFile("/a", "a");
  await vault.commit();
  const reading = { secret: SECRET, profiles: [FAST_KDF], readOnly: true, rootMemory };
  const read = async ([a, b]: readonly SparseBytes[]) => {
    const parts = partsOver(new MemoryStorage({ content: a }));
    const second = new MemoryStorage({ content: b });
    await (await openVault({ ...parts, members: [second] }, reading)).close();
    return rootMemory.records.size;
  };
  const after = media.map(({ content }) => content);
  assert.equal(await read([after[0], before[1]]), 0);
  assert.equal(await read(after), 1);
});

Deno.test("device memory: what a verb has put back on purpose alarms nobody", async () => {
  const rootMemory = new HeldMemory();
  const medium = new MemoryStorage();
  arena.reset();
  const keyed = { medium, kernel: arena, runtime: new FakeRuntime(5) };
  await (await createKeyedVault(keyed)).close();
  const older = medium.content.fork();
  const media = [new MemoryStorage({ content: medium.content })];
  const parts = { rootMemory, media, kernel: arena, runtime: keyed.runtime };
  const remember = async (content: SparseBytes) => {
    const given = [new MemoryStorage({ content })];
    assert.equal(await rememberRestored({ ...parts, media: given, keys: fixedKeys() }), null);
    const memory = await DeviceMemory.recall({ ...parts, keys: fixedKeys() });
    return memory.remembered?.sequence ?? 0;
  };
  const newest = await remember(medium.content);
  const { volume } = openKeyedVolume({ ...keyed, medium: media[0] });
  volume.commitNow();
  volume.tree.put(new Uint8Array([250, 0, 0, 0, 0, 0, 0]), new Uint8Array(1));
  volume.commitNow();
  assert.ok(await remember(medium.content) > newest);
  assert.equal(await remember(older), newest);
});
