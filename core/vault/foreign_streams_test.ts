import assert from "node:assert/strict";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { ArenaKernel } from "../../tests/support/arena_kernel.ts";
import { FakeRuntime } from "../../tests/support/fake_runtime.ts";
import { FAST_KDF, memoryPlatform, text } from "../../tests/support/header_world.ts";
import { findContent } from "../../tests/support/content_scan.ts";
import { RandomStream } from "../../tests/support/random_stream.ts";
import { StreamWorld } from "../../tests/support/stream_world.ts";
import { createKernel } from "../../wasm/kernel.ts";
import { fixedKeys } from "../../tests/support/keyed_vault.ts";
import type { MapEntry } from "../format/map_entry.ts";
import { MIB } from "../limits.ts";
import { checkVault } from "./check.ts";
import { rotateKeys } from "./rotation.ts";
import { nextTurn } from "../turn.ts";
import { createVault, type Vault } from "./vault.ts";

const owners = new ArenaKernel(24 * MIB);
const keepers = new ArenaKernel(24 * MIB);
const RAW = { raw: true } as const;
const MARKER = text("the marker of this test");

const raw = ({ vault }: StreamWorld, name: string, from?: string) =>
  vault.streams.send("main", name, { form: "raw", from });

/** An owner with a snapshot, which a keeper without its keys has raw. */
async function kept(): Promise<{ owner: StreamWorld; keeper: StreamWorld }> {
  const owner = await StreamWorld.make(owners, 0);
  const keeper = await StreamWorld.make(keepers, 1);
  const random = new RandomStream(5);
  for (let i = 0; i < 12; i++) {
    const content = new Uint8Array(random.below(40_000)).map(() => random.below(256));
    if (content.length > 100) content.set(MARKER, 50);
    await owner.vault.files.writeFile(`/file ${i}`, content);
  }
  await owner.vault.snapshots.create("main", "monday");
  await keeper.vault.streams.receive("kept", raw(owner, "monday"), RAW);
  return { owner, keeper };
}

/** Gives a snapshot back, and opens it. */
async function returned(owner: StreamWorld, keeper: StreamWorld, name: string): Promise<void> {
  const back = keeper.vault.streams.send("kept", name, { form: "raw" });
  await owner.vault.streams.receive(`raw ${name}`, back, RAW);
  const opened = owner.vault.streams.send(`raw ${name}`, name, { form: "opened" });
  await owner.vault.streams.receive(`open ${name}`, opened);
}

async function assertClean({ vault }: { vault: Vault }): Promise<void> {
  assert.deepEqual((await checkVault(vault)).problems, []);
}

Deno.test("raw: who keeps it sees nothing of it with all keys of its own, and cannot open it", async () => {
  const { owner, keeper } = await kept();
  const { streams, opened, medium, volumes } = keeper.vault;
  const noted: MapEntry[] = [];
  opened.volume.store.blocks.entries((_, entry) => void noted.push(entry));
  const { content } = medium as MemoryStorage;
  const bytes = new Uint8Array(content.length);
  content.read(0, bytes);
  assert.deepEqual(findContent(bytes, { keys: fixedKeys(1), marker: MARKER, noted }), []);
  const [, volume] = await volumes.list();
  assert.equal(volume.readOnly, true);
  await assert.rejects(
    streams.receive("copy", streams.send("kept", "monday", { form: "opened" })),
    { kind: "denied" },
  );
  await returned(owner, keeper, "monday");
  assert.equal(owner.describe("open monday", "monday"), owner.describe("main", "monday"));
  await assertClean(owner);
  await assertClean(keeper);
});

Deno.test("raw: what the keeper changed, left out or exchanged is found by its owner", async () => {
  const { owner, keeper } = await kept();
  const { vault } = keeper;
  await owner.vault.files.writeFile("/file 1", "tuesday");
  await owner.vault.snapshots.create("main", "tuesday");
  await vault.streams.receive("kept", raw(owner, "tuesday", "monday"), RAW);
  await vault.volumes.set("kept", { readOnly: false });
  {
    await using copy = await vault.volumes.open("kept");
    assert.deepEqual((await copy.files.list("/")).map(({ name }) => name).sort(), [
      "about",
      "blocks 0",
    ]);
    await copy.files.chmod("/blocks 0", 0o600);
    const file = await copy.files.open("/blocks 0", { access: "write" });
    const root = owner.vault.opened.volumes.openSnapshot("main", "tuesday");
    await file.write(root.snapshot.root * 16_384 + 100, text("changed"));
    root.close();
    file.close();
  }
  await vault.snapshots.create("kept", "forged");
  const back = vault.streams.send("kept", "forged", { form: "raw" });
  await owner.vault.streams.receive("forged", back, RAW);
  await assert.rejects(
    owner.vault.streams.receive(
      "open",
      owner.vault.streams.send("forged", "forged", { form: "opened" }),
    ),
    { kind: "corrupt" },
  );
  for (const name of ["monday", "tuesday"]) {
    await returned(owner, keeper, name);
    assert.equal(owner.describe(`open ${name}`, name), owner.describe("main", name));
  }
});

Deno.test("raw: streams that are not what was asked for, or do not fit, are refused", async () => {
  const { owner, keeper } = await kept();
  const { streams, snapshots, files } = owner.vault;
  await assert.rejects(keeper.vault.streams.receive("x", raw(owner, "monday")), { kind: "denied" });
  await assert.rejects(
    keeper.vault.streams.receive("x", streams.send("main", "monday"), RAW),
    { kind: "denied" },
  );
  const secret = { passphrase: text("both know") };
  await assert.rejects(
    keeper.vault.streams.receive(
      "x",
      streams.send("main", "monday", { form: "raw", ...secret }),
      secret,
    ),
    { kind: "invalid" },
  );
  await assert.rejects(
    keeper.vault.streams.receive("x", streams.send("main", "monday", { form: "opened" }), RAW),
    { kind: "invalid" },
  );
  // A difference that is not raw does not go onto what is, nor the other way round.
  await files.writeFile("/more", "more");
  await snapshots.create("main", "tuesday");
  await keeper.vault.volumes.set("kept", { readOnly: false });
  const plain = streams.send("main", "tuesday", { from: "monday", ...secret });
  await assert.rejects(keeper.vault.streams.receive("kept", plain, secret), { name: "VaultError" });
  await keeper.vault.streams.receive("plain", streams.send("main", "monday", secret), secret);
  await assert.rejects(
    keeper.vault.streams.receive("plain", raw(owner, "tuesday", "monday"), RAW),
    { name: "VaultError" },
  );
  // What did not come from the base shares too little that could be told by births.
  await snapshots.rollback("main", "monday");
  await files.writeFile("/other", "other");
  await snapshots.create("main", "wednesday");
  await assert.rejects(
    keeper.vault.streams.receive("kept", raw(owner, "wednesday", "tuesday"), RAW),
    { kind: "invalid" },
  );
  await keeper.vault.streams.receive("kept", raw(owner, "wednesday", "monday"), RAW);
  await returned(owner, keeper, "wednesday");
  assert.equal(owner.describe("open wednesday", "wednesday"), owner.describe("main", "wednesday"));
  await files.lock("/other", { passphrase: "extra", kdf: FAST_KDF });
  await assert.rejects(
    keeper.vault.streams.receive("locked", raw(owner, "wednesday"), RAW),
    { kind: "denied" },
  );
  await assertClean(keeper);
});

async function headed(passphrase: string): Promise<Vault> {
  const kernel = createKernel({ memoryBytes: 40 * MIB });
  const parts = { medium: new MemoryStorage({}), kernel, runtime: new FakeRuntime() };
  const secret = { passphrase: text(passphrase) };
  const options = { secret, kdf: FAST_KDF, sizeBytes: 32 * MIB };
  return await createVault({ ...parts, platform: memoryPlatform() }, options);
}

Deno.test("raw: the keeper's keys may turn; after the owner's, all is sent anew, and what was under the old ones opens no more", async () => {
  const [owner, keeper] = [await headed("owner"), await headed("keeper")];
  const rotate = (vault: Vault, passphrase: string) =>
    rotateKeys(vault, { keep: [{ passphrase: text(passphrase) }], profiles: [FAST_KDF] });
  await owner.files.makeDirectory("/secret");
  await owner.files.setShreddable("/secret", true);
  await owner.files.writeFile("/secret/plan", MARKER);
  await owner.snapshots.create("main", "monday");
  const send = (name: string, from?: string) =>
    owner.streams.send("main", name, { form: "raw", from });
  await keeper.streams.receive("kept", send("monday"), RAW);
  await rotate(keeper, "keeper");
  const giveBack = (to: string) =>
    owner.streams.receive(to, keeper.streams.send("kept", "monday", { form: "raw" }), RAW);
  const open = (of: string) => owner.streams.send(of, "monday", { form: "opened" });
  await giveBack("back");
  await owner.streams.receive("restored", open("back"));
  {
    await using restored = await owner.volumes.open("restored");
    assert.deepEqual(await restored.files.readFile("/secret/plan"), MARKER);
  }
  await owner.files.writeFile("/more", "more");
  await owner.snapshots.create("main", "tuesday");
  await rotate(owner, "owner");
  await assert.rejects(keeper.streams.receive("kept", send("tuesday", "monday"), RAW), {
    kind: "missing",
  });
  await keeper.streams.receive("anew", send("tuesday"), RAW);
  await giveBack("late");
  await assert.rejects(owner.streams.receive("never", open("late")), { kind: "denied" });
  for (const vault of [owner, keeper]) {
    await assertClean({ vault });
    await vault.close();
  }
});

Deno.test("raw: a snapshot with a locked file is not sent, whenever it is locked", async () => {
  const { owner, keeper } = await kept();
  const { files, snapshots, streams } = owner.vault;
  const lock = { passphrase: "extra", kdf: FAST_KDF } as const;
  await files.writeFile("/large", new Uint8Array(2 * MIB));
  for (let i = 0; i < 200; i++) await files.writeFile(`/small ${i}`, MARKER);
  await snapshots.create("main", "small");
  const slowly = async function* () {
    let chunks = 0;
    for await (const chunk of raw(owner, "small")) {
      if (++chunks === 3) await files.lock("/small 190", lock);
      yield chunk;
    }
  };
  const received = () => keeper.vault.streams.receive("later", slowly(), RAW);
  await assert.rejects(received(), { kind: "denied", operation: "send" });
  // What is not in it does not matter; and whatever waits to be stored.
  await files.writeFile("/waits", "to be stored");
  await keeper.vault.streams.receive("again", raw(owner, "monday"), RAW);
  await files.unlock("/small 190", lock);
  const resume = await keeper.vault.streams.resumeToken("later") ?? undefined;
  const rest = streams.send("main", "small", { form: "raw", resume });
  await keeper.vault.streams.receive("later", rest, RAW);
  const back = keeper.vault.streams.send("later", "small", { form: "raw" });
  await owner.vault.streams.receive("raw back", back, RAW);
  await owner.vault.streams.receive(
    "back",
    streams.send("raw back", "small", { form: "opened" }),
  );
  assert.equal(owner.describe("back", "small"), owner.describe("main", "small"));
  await assertClean(owner);
  await assertClean(keeper);
});

Deno.test("raw: others have their turns while a large tree is looked through", async () => {
  const owner = await StreamWorld.make(owners, 0);
  const keeper = await StreamWorld.make(keepers, 1);
  const { vault } = owner;
  for (let i = 0; i < 2500; i++) await vault.files.writeFile(`/${"n".repeat(200)}${i}`, "");
  await vault.snapshots.create("main", "monday");
  const reader = raw(owner, "monday").getReader();
  await reader.read(); // the salt
  let turns = 0;
  const counting = { on: true };
  const others = (async () => {
    for (; counting.on; turns++) await nextTurn();
  })();
  await reader.read();
  counting.on = false;
  await others;
  assert.ok(turns > 1, `${turns} turns`);
  await reader.cancel();
  await keeper.vault.streams.receive("kept", raw(owner, "monday"), RAW);
  await returned(owner, keeper, "monday");
  assert.equal(owner.describe("open monday", "monday"), owner.describe("main", "monday"));
});
