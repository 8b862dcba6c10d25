import assert from "node:assert/strict";
import type { MemoryStorage } from "../../backends/memory/store.ts";
import {
  copies,
  fill,
  fresh,
  kdf,
  made,
  opened,
  secret,
} from "../../tests/support/member_world.ts";
import { RandomStream } from "../../tests/support/random_stream.ts";
import { memberOf } from "../format/place.ts";
import { MIB } from "../limits.ts";
import { addSlot } from "../volume/header_slots.ts";
import { checkVault } from "./check.ts";
import {
  addMember,
  removeMember,
  replaceMember,
  resilver,
  spreadBlocks,
} from "./member_changes.ts";
import { listMembers } from "./member_status.ts";
import type { Vault } from "./vault.ts";

const access = { secret, profiles: [kdf] };

function statesOf(vault: Vault): (string | number)[][] {
  return listMembers(vault).map(({ number, state }) => [number, state]);
}

async function assertClean(vault: Vault): Promise<void> {
  const { problems, uncovered } = await checkVault(vault);
  assert.deepEqual([problems, uncovered], [[], 0]);
}

async function close(vault: Vault): Promise<MemoryStorage[]> {
  const media = vault.opened.volume.engine.media.all as unknown as MemoryStorage[];
  await vault.close();
  return copies(media);
}

Deno.test("members: one medium becomes a mirror, and either half opens it", async () => {
  const vault = await made(fresh(1));
  await vault.files.writeFile("/a", fill(1, 300_000));
  const [extra] = fresh(1, 7);
  assert.equal(await addMember(vault, { ...access, medium: extra }), 1);
  assert.ok((await checkVault(vault)).uncovered > 0, "what was there lies on one medium");
  await vault.files.writeFile("/b", fill(2, 300_000));
  assert.ok(await spreadBlocks(vault) > 0);
  assert.equal(await spreadBlocks(vault), 0);
  await assertClean(vault);
  const media = await close(vault);
  const half = await opened(media.slice(1));
  assert.equal(half.readOnly, true);
  assert.deepEqual(await half.files.readFile("/a"), fill(1, 300_000));
  assert.deepEqual(await half.files.readFile("/b"), fill(2, 300_000));
  await half.abandon();
});

Deno.test("members: who adds one shows that he may, and its header has his slot alone", async () => {
  const vault = await made(fresh(1));
  const [extra] = fresh(1, 7);
  const wrong = { ...access, secret: { passphrase: new TextEncoder().encode("wrong") } };
  await assert.rejects(() => addMember(vault, { ...wrong, medium: extra }), { kind: "denied" });
  assert.deepEqual(statesOf(vault), [[0, "current"]]);
  const second = { passphrase: new TextEncoder().encode("second") };
  await addSlot(vault.header, { mode: "user", secret: second, kdf });
  await addMember(vault, { ...access, secret: second, medium: extra });
  await spreadBlocks(vault);
  const [first, added] = await close(vault);
  await assert.rejects(() => opened(copies([added])), { kind: "denied" });
  await (await opened(copies([added]), { secret: second })).abandon();
  await (await opened(copies([added, first]))).abandon();
});

Deno.test("members: the first one is removed; what is left is a vault on one medium", async () => {
  const media = fresh(2);
  const vault = await made(media);
  for (let i = 0; i < 20; i++) await vault.files.writeFile(`/${i}`, fill(i, 40_000));
  const progress: number[] = [];
  await removeMember(vault, 0, (blocks) => progress.push(blocks));
  assert.ok(progress[0] > 20);
  assert.deepEqual(statesOf(vault), [[1, "current"]]);
  await vault.files.writeFile("/more", fill(99, 100_000));
  const left = await close(vault);
  assert.equal(left.length, 1);
  const again = await opened(left);
  assert.equal(again.readOnly, false);
  for (let i = 0; i < 20; i++) {
    assert.deepEqual(await again.files.readFile(`/${i}`), fill(i, 40_000));
  }
  assert.deepEqual((await checkVault(again)).problems, []);
  await again.close();
  // Nobody opens the one that was removed.
  await assert.rejects(() => opened(copies(media.slice(0, 1))), { kind: "denied" });
});

Deno.test("members: one stays where the others have no room for what it holds, and nothing is lost", async () => {
  const [large, small] = fresh(2);
  const vault = await made([large], { k: 1, m: 0 }, { sizeBytes: 64 * MIB });
  await addMember(vault, { ...access, medium: small, sizeBytes: 24 * MIB });
  const stream = new RandomStream(3);
  const files: number[] = [];
  for (let i = 0; i < 24; i++) {
    await vault.files.writeFile(`/${i}`, fill(i, MIB + stream.below(MIB)));
    files.push(i);
  }
  await assert.rejects(() => removeMember(vault, 0), { errno: "ENOSPC" });
  assert.deepEqual(statesOf(vault), [[0, "current"], [1, "current"]]);
  assert.deepEqual((await checkVault(vault)).problems, []);
  const again = await opened(await close(vault));
  for (const i of files) {
    const bytes = await again.files.readFile(`/${i}`);
    assert.deepEqual(bytes, fill(i, bytes.length));
  }
  await again.close();
});

Deno.test("members: the only one that is up to date cannot be removed", async () => {
  const media = fresh(2);
  await (await made(media)).close();
  const alone = await opened(copies(media.slice(0, 1)), { acceptMissing: true });
  await assert.rejects(() => removeMember(alone, 0), { kind: "invalid" });
  await assert.rejects(() => removeMember(alone, 5), { kind: "missing" });
  await assert.rejects(() => resilver(alone, 1), { kind: "unavailable" });
  await alone.close();
});

Deno.test("members: a lost one is replaced, and the vault bears the loss of any again", async () => {
  for (
    const { redundancy, count } of [
      { redundancy: { k: 1, m: 1 }, count: 2 },
      { redundancy: { k: 4, m: 2 }, count: 3 },
      { redundancy: { k: 2, m: 1 }, count: 3 },
    ]
  ) {
    const vault = await made(fresh(count), redundancy);
    for (let i = 0; i < 12; i++) await vault.files.writeFile(`/${i}`, fill(i, 30_000 * i + 10));
    const [, ...left] = await close(vault);
    const degraded = await opened(left, { acceptMissing: true });
    await degraded.files.writeFile("/0", fill(50, 200_000));
    const [extra] = fresh(1, 9);
    assert.equal(await replaceMember(degraded, 0, { ...access, medium: extra }), count);
    await assertClean(degraded);
    const all = await close(degraded);
    for (let lost = 0; lost < all.length; lost++) {
      const rest = await opened(copies(all.filter((_, i) => i !== lost)));
      assert.deepEqual(await rest.files.readFile("/0"), fill(50, 200_000));
      for (let i = 1; i < 12; i++) {
        assert.deepEqual(await rest.files.readFile(`/${i}`), fill(i, 30_000 * i + 10));
      }
      await rest.abandon();
    }
  }
});

Deno.test("members: one that comes back is brought up to date: then it may be the only one", async () => {
  const vault = await made(fresh(2));
  for (let i = 0; i < 12; i++) await vault.files.writeFile(`/${i}`, fill(i, 30_000 * i + 10));
  const [first, second] = await close(vault);
  const alone = await opened([first], { acceptMissing: true });
  for (let i = 0; i < 6; i++) await alone.files.writeFile(`/${i}`, fill(70 + i, 90_000));
  const both = await opened([...await close(alone), second]);
  assert.deepEqual(statesOf(both), [[0, "current"], [1, "stale"]]);
  const { lost, moved } = await resilver(both, 1);
  assert.equal(lost, 0);
  assert.ok(moved >= 36);
  assert.deepEqual(statesOf(both), [[0, "current"], [1, "current"]]);
  await assertClean(both);
  const [, back] = await close(both);
  const last = await opened([back]);
  for (let i = 0; i < 6; i++) {
    assert.deepEqual(await last.files.readFile(`/${i}`), fill(70 + i, 90_000));
  }
  await last.abandon();
});

Deno.test("members: of unequal ones only what can be mirrored is free, and all of it is", async () => {
  const vault = await made(fresh(1), { k: 1, m: 1 }, { sizeBytes: 24 * MIB });
  await addMember(vault, { ...access, medium: fresh(1, 7)[0], sizeBytes: 64 * MIB });
  const { freeBytes } = await vault.files.statfs();
  assert.ok(freeBytes < 16 * MIB && freeBytes > 8 * MIB, `${freeBytes}`);
  let written = 0;
  const more = async () => {
    for (let i = 0;; i++) {
      await vault.files.writeFile(`/${i}`, fill(i, 200_000));
      written += 200_000;
    }
  };
  await assert.rejects(more, { errno: "ENOSPC" });
  assert.ok(written > 0.8 * freeBytes, `${written} of ${freeBytes}`);
  const { space } = vault.opened.volume.store;
  const takeAll = () => {
    for (;;) {
      const [one, other] = space.allocateApart(1, 2).map(memberOf);
      assert.notEqual(one, other);
    }
  };
  assert.throws(takeAll, { errno: "ENOSPC" });
  assert.equal(listMembers(vault)[0].freeBytes, 0);
  await vault.abandon();
});

Deno.test("members: a full mirror of unequal halves is clean", async () => {
  const vault = await made(fresh(1), { k: 1, m: 1 }, { sizeBytes: 24 * MIB });
  await addMember(vault, { ...access, medium: fresh(1, 7)[0], sizeBytes: 48 * MIB });
  await spreadBlocks(vault);
  const more = async () => {
    for (let i = 0;; i++) await vault.files.writeFile(`/${i}`, fill(i, 200_000));
  };
  await assert.rejects(more, { errno: "ENOSPC" });
  await assertClean(vault);
  await vault.close();
});

for (const dense of [false, true]) {
  Deno.test(`members: two that are added at once are two${dense ? ", in a dense vault" : ""}`, async () => {
    const vault = await made(fresh(1), { k: 1, m: 0 }, { dense, sizeBytes: 40 * MIB });
    const added = fresh(2, 1).map((medium) => {
      return addMember(vault, { ...access, medium, sizeBytes: 32 * MIB });
    });
    assert.equal(await added[0], 1);
    await vault.files.writeFile("/a", fill(1, 900_000));
    await vault.files.sync();
    assert.equal(await added[1], 2);
    await vault.files.writeFile("/b", fill(2, 900_000));
    assert.deepEqual((await checkVault(vault)).problems, []);
    assert.deepEqual(statesOf(vault), [[0, "current"], [1, "current"], [2, "current"]]);
    const again = await opened(await close(vault));
    assert.deepEqual(await again.files.readFile("/a"), fill(1, 900_000));
    assert.deepEqual(await again.files.readFile("/b"), fill(2, 900_000));
    assert.deepEqual((await checkVault(again)).problems, []);
    await again.close();
  });
}
