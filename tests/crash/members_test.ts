/**
 * Changes of the set of media under power cuts: whatever a cut leaves opens, with the set before or after, holds everything, and
 * does so without any one medium where one may be lost.
 */
import assert from "node:assert/strict";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { SparseBytes } from "../../backends/memory/sparse_bytes.ts";
import { VaultError } from "../../core/errors.ts";
import { MIB } from "../../core/limits.ts";
import { checkVault } from "../../core/vault/check.ts";
import {
  addMember,
  removeMember,
  replaceMember,
  resilver,
} from "../../core/vault/member_changes.ts";
import { createVault, openVault, type Vault } from "../../core/vault/vault.ts";
import type { OpenVaultOptions } from "../../core/vault/vault_options.ts";
import { ArenaKernel } from "../support/arena_kernel.ts";
import { type CrashImage, CrashLog } from "../support/crash_log.ts";
import { CrashMedium } from "../support/crash_medium.ts";
import { FakeRuntime } from "../support/fake_runtime.ts";

const arena = new ArenaKernel(24 * MIB);
const kdf = { memoryKib: 8, passes: 1, parallelism: 1 };
const secret = { passphrase: new TextEncoder().encode("secret") };
const FILES = 6;
/** Of so many images one is looked at. */
const EVERY = 3;

function content(file: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(file * 3000 + 100).fill(file + 1);
}

function open(
  media: readonly (MemoryStorage | CrashMedium<string>)[],
  options: Partial<OpenVaultOptions> = {},
): Promise<Vault> {
  arena.reset();
  const [medium, ...members] = media;
  const parts = { medium, members, kernel: arena, runtime: new FakeRuntime(2) };
  return openVault(parts, { secret, profiles: [kdf], blockMemoryBytes: 128 * 1024, ...options });
}

/** A mirror of so many media, closed. */
async function mirror(count: number): Promise<SparseBytes[]> {
  arena.reset();
  const media = Array.from({ length: count }, () => new MemoryStorage());
  const [medium, ...members] = media;
  const parts = { medium, members, kernel: arena, runtime: new FakeRuntime() };
  const sizeBytes = 24 * MIB;
  const shape = { redundancy: { k: 1, m: 1 }, blockBytes: 4096, sizeBytes };
  const vault = await createVault(parts, { secret, kdf, ...shape });
  for (let i = 0; i < FILES; i++) await vault.files.writeFile(`/${i}`, content(i));
  await vault.close();
  return media.map((each) => each.content);
}

async function checkFiles(vault: Vault): Promise<void> {
  for (let i = 0; i < FILES; i++) {
    assert.deepEqual(await vault.files.readFile(`/${i}`), content(i), `file ${i}`);
  }
}

/** A change of the set of media. */
interface Change {
  /** What the media hold before it. */
  readonly start: readonly SparseBytes[];
  /** The media that the vault is opened with. */
  readonly given: readonly number[];
  /** The medium that comes or goes. */
  readonly changing?: number;
  /** Any medium may be lost at any time, or only when it is done. */
  readonly bears: "always" | "done";
  run(vault: Vault, media: readonly CrashMedium<string>[]): Promise<unknown>;
}

async function verify(image: CrashImage<string>, change: Change): Promise<void> {
  const all = image.contents.map((_, i) => i);
  const { vault, numbers } = await openMembers(image, change, all);
  assert.equal(vault.readOnly, false);
  await checkFiles(vault);
  const { problems } = await checkVault(vault);
  assert.deepEqual(problems.filter(({ kind }) => kind !== "member"), []);
  if (image.mark === "done") assert.deepEqual(problems, []);
  await vault.files.writeFile("/more", "after the crash");
  await vault.abandon();
  if (change.bears === "done" && image.mark !== "done") return;
  for (const lost of numbers) {
    const left = await openMembers(image, change, numbers.filter((i) => i !== lost));
    await checkFiles(left.vault);
    await left.vault.abandon();
  }
}

/** Opens these media, without the one that comes or goes where it is no member. */
async function openMembers(
  image: CrashImage<string>,
  { changing, given }: Change,
  numbers: readonly number[],
): Promise<{ vault: Vault; numbers: readonly number[] }> {
  const openThese = (these: readonly number[]) =>
    open(these.map((i) => image.open(i)), {
      acceptMissing: given.length === 1 || these.length < given.length,
    });
  try {
    return { vault: await openThese(numbers), numbers };
  } catch (error) {
    if (!(error instanceof VaultError) || changing === undefined) throw error;
    assert.match(error.message, /is no member of it/);
    const others = numbers.filter((i) => i !== changing);
    return { vault: await openThese(others), numbers: others };
  }
}

/** Records a change and looks at what cuts leave. */
async function survive(change: Change): Promise<void> {
  const log = new CrashLog<string>();
  const media = change.start.map((content) => new CrashMedium<string>({ content, log }));
  const vault = await open(change.given.map((i) => media[i]), { acceptMissing: true });
  await change.run(vault, media);
  await vault.commit();
  log.mark("done");
  let images = 0;
  for (const image of log.images(5, { randomPerPoint: 1, missingMax: 2 })) {
    if (++images % EVERY !== 0 && image.mark !== "done") continue;
    try {
      await verify(image, change);
    } catch (error) {
      const where = `point ${image.point}, ${image.description}`;
      throw new Error(`${where}: ${error instanceof Error ? error.stack : error}`, {
        cause: error,
      });
    }
  }
  assert.ok(images > 50);
}

const access = { secret, profiles: [kdf], sizeBytes: 24 * MIB };

Deno.test("members: a medium is added to a mirror", async () => {
  const start = [...await mirror(2), new SparseBytes()];
  const run = async (vault: Vault, media: readonly CrashMedium<string>[]) => {
    assert.equal(await addMember(vault, { ...access, medium: media[2] }), 2);
    for (let i = 0; i < FILES; i++) await vault.files.writeFile(`/${i}`, content(i));
  };
  await survive({ start, given: [1, 0], changing: 2, bears: "always", run });
});

Deno.test("members: a medium is removed from a mirror of three", async () => {
  const run = (vault: Vault) => removeMember(vault, 0);
  const start = await mirror(3);
  await survive({ start, given: [0, 1, 2], changing: 0, bears: "always", run });
});

Deno.test("members: a medium that was away is brought up to date", async () => {
  const start = await mirror(2);
  const alone = new MemoryStorage({ content: start[0] });
  const vault = await open([alone], { acceptMissing: true });
  for (let i = 0; i < FILES; i++) await vault.files.writeFile(`/${i}`, content(i));
  await vault.close();
  const run = (both: Vault) => resilver(both, 1);
  await survive({ start, given: [1, 0], bears: "done", run });
});

Deno.test("members: a medium that was lost is replaced", async () => {
  const [left] = await mirror(2);
  const run = async (vault: Vault, media: readonly CrashMedium<string>[]) => {
    assert.equal(await replaceMember(vault, 1, { ...access, medium: media[1] }), 2);
  };
  const start = [left, new SparseBytes()];
  await survive({ start, given: [0], changing: 1, bears: "done", run });
});
