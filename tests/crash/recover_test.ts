/** A vault without header and superblocks comes back from its keys: one state that was durable, never a mixture. */
import assert from "node:assert/strict";
import type { SparseBytes } from "../../backends/memory/sparse_bytes.ts";
import { MemoryStorage } from "../../backends/memory/store.ts";
import type { Redundancy } from "../../core/format/redundancy.ts";
import { CELL_BYTES, MIB, SEGMENT_BYTES, SEGMENT_CELLS } from "../../core/limits.ts";
import { checkVault } from "../../core/vault/check.ts";
import { type RecoverReport, recoverVault } from "../../core/vault/recover.ts";
import { openVault, type Vault } from "../../core/vault/vault.ts";
import { ArenaKernel } from "../support/arena_kernel.ts";
import { CrashMedium } from "../support/crash_medium.ts";
import { FakeRuntime } from "../support/fake_runtime.ts";
import { createKeyedVault, fixedKeys, openKeyedVault } from "../support/keyed_vault.ts";
import { RandomStream } from "../support/random_stream.ts";

const HEADER_BYTES = 2 * SEGMENT_BYTES;
const kdf = { memoryKib: 64, passes: 1, parallelism: 1 };
const arena = new ArenaKernel(32 * MIB);
const other = new ArenaKernel(32 * MIB);

interface Recovered {
  readonly report: RecoverReport;
  readonly target: MemoryStorage;
}

function passphrase(): Uint8Array {
  return new TextEncoder().encode("another one");
}

/** Recovers what a medium holds, whose content must not change. */
async function recover(content: SparseBytes): Promise<Recovered> {
  arena.reset();
  other.reset();
  const target = new MemoryStorage({});
  const secret = { passphrase: passphrase() };
  const source = new MemoryStorage({ content, readOnly: true });
  const report = await recoverVault({
    source: { medium: source, kernel: arena, runtime: new FakeRuntime(5) },
    target: { medium: target, kernel: other, runtime: new FakeRuntime(6) },
    keys: fixedKeys(),
    slot: { mode: "user", secret, kdf },
  });
  return { report, target };
}

/** Opens what was recovered with its own passphrase, and looks at all of it. */
async function reopen({ target }: Recovered): Promise<Vault> {
  other.reset();
  const secret = { passphrase: passphrase() };
  const parts = { medium: target, kernel: other, runtime: new FakeRuntime(7) };
  const vault = await openVault(parts, { secret, profiles: [kdf] });
  assert.deepEqual((await checkVault(vault)).problems, []);
  return vault;
}

/** Zeros both header segments: salts, slots and superblocks. */
function withoutHeader(content: SparseBytes): SparseBytes {
  const broken = content.fork();
  broken.write(0, new Uint8Array(HEADER_BYTES));
  return broken;
}

async function contentOf(vault: Vault): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for await (const { path, type } of vault.files.walk("/")) {
    found.set(path, type === "file" ? (await vault.files.readFile(path)).toHex() : "");
  }
  return found;
}

const shapes: Record<string, Redundancy> = { "0": { k: 1, m: 0 }, "2+1": { k: 2, m: 1 } };

for (const [name, redundancy] of Object.entries(shapes)) {
  Deno.test(`recover ${name}: volumes, snapshots, clones and the log come back without header`, async () => {
    arena.reset();
    const medium = new MemoryStorage({});
    const shape = { segments: 12, blockBytes: 16384, redundancy };
    const vault = await createKeyedVault({ medium, kernel: arena }, shape);
    const stream = new RandomStream(3);
    for (let i = 0; i < 30; i++) {
      await vault.files.writeFile(`/file ${i}`, filled(stream, stream.below(50_000)));
    }
    await vault.commit();
    const { volumes } = vault.opened;
    volumes.snapshot("main", "monday");
    volumes.clone("main", "monday", "copy");
    for (let i = 0; i < 10; i++) await vault.files.remove(`/file ${i}`);
    await vault.commit();
    await vault.files.writeFile("/logged", filled(stream, 30_000));
    await vault.fileSystem.fsync(1);
    const expected = await contentOf(vault);
    const recovered = await recover(withoutHeader(medium.content));
    const { how, skipped, replayed, lost } = recovered.report;
    assert.deepEqual([how, skipped, lost], ["whole", 0, 0]);
    assert.ok(replayed > 0);
    assert.deepEqual(recovered.report.volumes, ["main", "copy"]);
    const again = await reopen(recovered);
    assert.deepEqual(await contentOf(again), expected);
    assert.deepEqual(again.opened.volumes.listSnapshots("main").map((each) => each.name), [
      "monday",
    ]);
    again.opened.volumes.deleteSnapshot("main", "monday");
    await again.files.writeFile("/more", filled(stream, 100_000));
    await again.commit();
    assert.deepEqual((await checkVault(again)).problems, []);
  });
}

Deno.test("recover: files of shreddable directories come back while a superblock is left, else it is told", async () => {
  arena.reset();
  const medium = new MemoryStorage({});
  const vault = await createKeyedVault({ medium, kernel: arena }, { segments: 6 });
  const random = new RandomStream(3);
  const [secret, plain] = [filled(random, 30_000), filled(random, 30_000)];
  await vault.files.makeDirectory("/d");
  await vault.files.setShreddable("/d", true);
  await vault.files.writeFile("/d/secret", secret);
  await vault.files.writeFile("/plain", plain);
  await vault.close();
  const withoutSlots = medium.content.fork();
  for (const copy of [0, SEGMENT_BYTES]) withoutSlots.write(copy, new Uint8Array(45 * CELL_BYTES));
  for (const isLeft of [true, false]) {
    const recovered = await recover(isLeft ? withoutSlots : withoutHeader(medium.content));
    assert.deepEqual([recovered.report.how, recovered.report.unreadable], [
      "whole",
      isLeft ? 0 : 1,
    ]);
    const again = await reopen(recovered);
    assert.deepEqual(await again.files.readFile("/plain"), plain);
    const reading = again.files.readFile("/d/secret");
    if (isLeft) assert.deepEqual(await reading, secret);
    else await assert.rejects(reading, { kind: "denied" });
    await again.files.writeFile("/d/later", plain);
    assert.deepEqual(await again.files.readFile("/d/later"), plain);
    await again.close();
  }
});

function filled(stream: RandomStream, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  stream.fill(bytes);
  return bytes;
}

/** What the files were whenever something was durable. */
interface History {
  readonly medium: CrashMedium<number>;
  readonly states: Map<string, string>[];
}

async function makeHistory(seed: number): Promise<History> {
  arena.reset();
  const base = new MemoryStorage({});
  await createKeyedVault({ medium: base, kernel: arena }, { segments: 8, blockBytes: 8192 });
  arena.reset();
  const medium = new CrashMedium<number>({ content: base.content });
  const vault = openKeyedVault({ medium, kernel: arena });
  const stream = new RandomStream(seed);
  const states = [await contentOf(vault)];
  for (let round = 0; round < 14; round++) {
    await vault.transaction(async (files) => {
      for (let i = 0; i < 4; i++) {
        const path = `/file ${stream.below(8)}`;
        if (stream.chance(0.2) && await files.exists(path)) await files.remove(path);
        else await files.writeFile(path, filled(stream, stream.below(30_000)));
      }
    });
    if (stream.chance(0.5)) await vault.commit();
    states.push(await contentOf(vault));
    medium.mark(states.length - 1);
  }
  return { medium, states };
}

function indexOf(states: History["states"], state: Map<string, string>): number {
  const text = JSON.stringify([...state].sort());
  return states.findLastIndex((known) => JSON.stringify([...known].sort()) === text);
}

Deno.test("recover: after a power cut anywhere, one state that was there, none older than what was durable", async () => {
  const history = await makeHistory(21);
  let images = 0;
  for (const image of history.medium.images(4, { randomPerPoint: 1, missingMax: 2 })) {
    if (++images % 83 !== 0) continue;
    const recovered = await recover(withoutHeader(image.open().content));
    assert.equal(recovered.report.how, "whole");
    const index = indexOf(history.states, await contentOf(await reopen(recovered)));
    assert.ok(index >= (image.mark ?? 0), `${image.description}: state ${index}`);
  }
  assert.ok(images > 100);
});

Deno.test("recover: older cells, another vault's and noise on the medium never give a mixture", async () => {
  const history = await makeHistory(22);
  const all = [...history.medium.images(9, { randomPerPoint: 0, missingMax: 0 })];
  const [newest, older] = [all[all.length - 1], all[Math.floor(all.length / 2)]];
  const strange = await makeHistory(23);
  const foreign = [...strange.medium.images(9, { randomPerPoint: 0, missingMax: 0 })].at(-1)!;
  const stream = new RandomStream(77);
  let whole = 0;
  for (let round = 0; round < 12; round++) {
    const content = withoutHeader(newest.open().content);
    for (let i = 0; i < 1 + round * 6; i++) {
      const at = HEADER_BYTES + stream.below(6 * SEGMENT_CELLS) * CELL_BYTES;
      const cell = new Uint8Array(CELL_BYTES);
      const from = stream.below(3);
      if (from === 0) stream.fill(cell);
      else (from === 1 ? older : foreign).open().content.read(at, cell);
      content.write(at, cell);
    }
    const recovered = await recover(content);
    if (recovered.report.how !== "whole") continue;
    whole++;
    const index = indexOf(history.states, await contentOf(await reopen(recovered)));
    assert.ok(index >= 0, `round ${round}`);
  }
  assert.ok(whole >= 3, String(whole));
});
