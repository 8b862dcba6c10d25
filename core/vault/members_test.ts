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
import { memberOf } from "../format/place.ts";
import { CELL_BYTES, MEMBER_CELLS, MIB } from "../limits.ts";
import { addSlot, changeSlot, listSlots, removeSlot } from "../volume/header_slots.ts";
import { checkVault } from "./check.ts";
import { listMembers } from "./member_status.ts";
import type { Vault } from "./vault.ts";

const second = { passphrase: new TextEncoder().encode("second") };

function statesOf(vault: Vault): string[] {
  return listMembers(vault).map(({ state }) => state);
}

Deno.test("members: they are opened in any order, and nothing on one is found on another", async () => {
  const media = fresh(3);
  const vault = await made(media, { k: 2, m: 1 });
  await vault.files.writeFile("/a", fill(1, 300_000));
  await vault.close();
  const again = await opened(copies([media[2], media[0], media[1]]));
  assert.equal(again.readOnly, false);
  assert.deepEqual(await again.files.readFile("/a"), fill(1, 300_000));
  const report = await checkVault(again);
  assert.deepEqual([report.problems, report.uncovered], [[], 0]);
  await again.close();
  const salts = media.map(({ content }) => {
    const salt = new Uint8Array(32);
    content.read(0, salt);
    return salt.toHex();
  });
  assert.equal(new Set(salts).size, 3);
});

Deno.test("members: of two one may be lost; what is left can be read", async () => {
  const media = fresh(2);
  const vault = await made(media);
  await vault.files.writeFile("/a", fill(2, 200_000));
  await vault.close();
  for (const left of media) {
    const again = await opened(copies([left]));
    assert.equal(again.readOnly, true);
    assert.deepEqual(await again.files.readFile("/a"), fill(2, 200_000));
    await assert.rejects(() => again.files.writeFile("/b", "x"), { errno: "EROFS" });
    const { problems } = await checkVault(again);
    assert.deepEqual(problems.map(({ kind }) => kind), ["member"]);
    await again.close();
  }
});

Deno.test("members: of three one may be lost, and the vault goes on", async () => {
  const media = fresh(3);
  const vault = await made(media);
  await vault.files.writeFile("/a", fill(3, 200_000));
  await vault.close();
  const two = copies(media.slice(1));
  const degraded = await opened(two);
  assert.equal(degraded.readOnly, false);
  assert.deepEqual(statesOf(degraded), ["missing", "current", "current"]);
  assert.deepEqual(await degraded.files.readFile("/a"), fill(3, 200_000));
  await degraded.files.writeFile("/b", fill(4, 200_000));
  await degraded.close();
  // The one that was away does not count any more, alone or with one of the others.
  const all = await opened([...copies(media.slice(0, 1)), ...copies(two)]);
  assert.deepEqual(statesOf(all), ["stale", "current", "current"]);
  assert.deepEqual(await all.files.readFile("/b"), fill(4, 200_000));
  const { problems } = await checkVault(all);
  assert.deepEqual(problems.map(({ kind }) => kind), ["member"]);
  await all.close();
  const pair = await opened([...copies(media.slice(0, 1)), ...copies(two.slice(0, 1))]);
  assert.equal(pair.readOnly, true);
  assert.deepEqual(await pair.files.readFile("/b"), fill(4, 200_000));
  await pair.close();
});

Deno.test("members: one that was set back is not relied on, and none of the newer state is lost", async () => {
  const media = fresh(2);
  const vault = await made(media);
  await vault.files.writeFile("/a", fill(1, 100_000));
  await vault.commit();
  const [, older] = copies(media);
  for (let i = 0; i < 5; i++) {
    await vault.files.writeFile("/a", fill(10 + i, 100_000));
    await vault.commit();
  }
  await vault.close();
  const again = await opened([...copies(media.slice(0, 1)), older]);
  assert.deepEqual(statesOf(again), ["current", "stale"]);
  assert.equal(again.readOnly, true);
  assert.deepEqual(await again.files.readFile("/a"), fill(14, 100_000));
  await again.close();
});

Deno.test("members: another vault's medium and a copy of a member are refused", async () => {
  const media = fresh(2);
  await (await made(media)).close();
  const others = fresh(2);
  await (await made(others, { k: 1, m: 1 }, { seed: 2 })).close();
  await assert.rejects(() => opened(copies([media[0], others[1]])), {
    kind: "invalid",
    message: /"memory:1" is no member of it/,
  });
  await assert.rejects(() => opened(copies([media[0], media[0]])), {
    kind: "conflict",
    message: /are both its member 0/,
  });
});

Deno.test("members: changed apart from each other, they are refused together", async () => {
  const media = fresh(2);
  await (await made(media)).close();
  const [left, right] = copies(media);
  for (const [i, side] of [left, right].entries()) {
    const alone = await opened([side], { acceptMissing: true });
    assert.equal(alone.readOnly, false);
    await alone.files.writeFile("/a", fill(i, 1000));
    await alone.close();
  }
  await assert.rejects(() => opened(copies([left, right])), { kind: "conflict" });
  const one = await opened(copies([right]));
  assert.equal(one.readOnly, false);
  assert.deepEqual(await one.files.readFile("/a"), fill(1, 1000));
  await one.close();
});

Deno.test("members: key slots are those of all, and change on all", async () => {
  const media = fresh(2);
  const vault = await made(media);
  const { slotIndex } = await addSlot(vault.header, { mode: "user", secret: second, kdf });
  await changeSlot(vault.header, { slotIndex: 0, slot: { mode: "user", secret, kdf } });
  assert.equal((await listSlots(vault.header)).length, 2);
  await vault.close();
  for (const left of media) {
    const again = await opened(copies([left]), { secret: second });
    await assert.rejects(() => removeSlot(again.header, { slotIndex }), { kind: "unavailable" });
    await again.close();
  }
  const both = await opened(copies(media));
  const kept = [both.medium, ...both.header.others!()] as MemoryStorage[];
  await removeSlot(both.header, { slotIndex });
  await both.close();
  for (const left of kept) {
    await assert.rejects(() => opened(copies([left]), { secret: second }), { kind: "denied" });
    await (await opened(copies([left]))).close();
  }
});

Deno.test("members: a dense vault fills all of them", async () => {
  const media = fresh(2);
  const sizeBytes = 32 * MIB;
  const vault = await made(media, { k: 1, m: 1 }, { dense: true, sizeBytes });
  await vault.files.writeFile("/a", fill(1, 100_000));
  await vault.close();
  for (const { content } of media) {
    assert.equal(content.length, sizeBytes);
    assert.equal(content.bytesToAllocate(0, sizeBytes), 0);
  }
  const again = await opened(copies(media));
  assert.deepEqual((await checkVault(again)).problems, []);
  await again.close();
});

for (const end of ["close", "abandon"] as const) {
  Deno.test(`members: one that was put back as it was before the last session is stale (${end})`, async () => {
    for (const redundancy of [{ k: 1, m: 1 }, { k: 2, m: 1 }]) {
      const before = fresh(redundancy.k + 1);
      const vault = await made(before, redundancy);
      await vault.files.writeFile("/old", fill(1, 100_000));
      await vault.close();
      const media = copies(before);
      const session = await opened(media);
      for (let i = 0; i < 5; i++) {
        await session.files.writeFile(`/${i}`, fill(i, 100_000));
        await session.files.sync();
      }
      await session[end]();
      for (const number of media.keys()) {
        const mixed = copies(media).with(number, copies(before)[number]);
        const again = await opened(mixed);
        const states = media.map((_, i) => i === number ? "stale" : "current");
        assert.deepEqual(statesOf(again), states);
        assert.deepEqual(await again.files.readFile("/4"), fill(4, 100_000));
        await again.abandon();
      }
      const whole = await opened(copies(media));
      assert.deepEqual(new Set(statesOf(whole)), new Set(["current"]));
      await whole.abandon();
    }
  });
}

Deno.test("members: one bad block after a crash makes no member stale", async () => {
  const media = fresh(2);
  const vault = await made(media);
  for (let i = 0; i < 4; i++) {
    await vault.files.writeFile(`/${i}`, fill(i, 16_000));
    await vault.files.sync();
  }
  const { blocks } = vault.opened.volume.store;
  const places: number[][] = [];
  blocks.entries((_, { length, places: at }) => {
    if (length >= 16_000) places.push(at.map(({ cell }) => cell));
  });
  await vault.abandon();
  assert.equal(places.length, 4);
  for (const cells of places) {
    for (const isBoth of [false, true]) {
      const rotten = copies(media);
      for (const cell of isBoth ? cells : cells.slice(1)) {
        const at = (cell % MEMBER_CELLS) * CELL_BYTES + 100;
        const byte = await rotten[memberOf(cell)].read(at, 1);
        await rotten[memberOf(cell)].write(at, byte.map((value) => value ^ 1));
      }
      const again = await opened(rotten);
      assert.deepEqual([statesOf(again), again.readOnly], [["current", "current"], false]);
      await again.files.writeFile("/more", "x");
      await again.close();
    }
  }
});

Deno.test("members: a change of passphrase that is cut short locks nobody out of any of them", async () => {
  const base = fresh(2);
  await (await made(base)).close();
  const opens = async (media: readonly MemoryStorage[], given: typeof secret) => {
    const tried: boolean[] = [];
    for (const medium of media) {
      const vault = await opened(copies([medium]), { secret: given }).catch(() => null);
      await vault?.abandon();
      tried.push(vault !== null);
    }
    return tried;
  };
  const slot = { mode: "user", secret: second, kdf } as const;
  let isDone = false;
  for (let fails = 0; !isDone; fails++) {
    const media = copies(base);
    const vault = await opened(media);
    let left = fails;
    for (const medium of media) {
      const write = medium.write.bind(medium);
      medium.write = (...args) => {
        return left-- === 0 ? Promise.reject(new Error("cut short")) : write(...args);
      };
    }
    const change = (of: Vault) => changeSlot(of.header, { slotIndex: 0, slot });
    isDone = await change(vault).then(() => true, () => false);
    left = Infinity;
    await vault.abandon();
    const kept = copies(media);
    const again = await opened(kept).catch(() => null);
    if (again !== null) {
      await change(again).catch(({ kind }) => {
        return kind === "missing" ? undefined : removeSlot(again.header, { slotIndex: 0 });
      });
      await again.abandon();
    }
    assert.deepEqual(await opens(kept, second), [true, true], `write ${fails}`);
    assert.deepEqual(await opens(kept, secret), [false, false], `write ${fails}`);
  }
});
