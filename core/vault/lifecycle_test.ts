/** What programs do to a vault while something else is under way. */
import assert from "node:assert/strict";
import { copies, fresh, kdf, made, opened, secret } from "../../tests/support/member_world.ts";
import { nextTurn } from "../turn.ts";
import { checkVault } from "./check.ts";
import { addMember, removeMember, spreadBlocks } from "./member_changes.ts";
import { scrubVault } from "./scrub.ts";
import { TransactionManager } from "./transaction_manager.ts";
import { createVault } from "./vault.ts";

const CLOSED = { name: "VaultError", kind: "invalid", message: /closed/ };

for (const verb of ["check", "scrub", "spread", "remove a member"] as const) {
  for (const end of ["close", "abandon"] as const) {
    Deno.test(`lifecycle: ${verb} says nothing of a vault that ends under it (${end})`, async () => {
      const media = fresh(2);
      const vault = await made(media);
      for (let i = 0; i < 40; i++) await vault.files.writeFile(`/f${i}`, new Uint8Array(200_000));
      await vault.commit();
      const work = {
        check: () => checkVault(vault),
        scrub: () => scrubVault(vault),
        spread: () => spreadBlocks(vault),
        "remove a member": () => removeMember(vault, 1),
      }[verb]().then(() => "done", (error) => error);
      for (let i = 0; i < 3; i++) await nextTurn();
      await vault[end]();
      const outcome = await work;
      if (outcome !== "done") {
        assert.throws(() => {
          throw outcome;
        }, CLOSED);
      }
      const isOut = verb === "remove a member" && outcome === "done";
      const again = await opened(copies(isOut ? media.slice(0, 1) : media));
      assert.deepEqual((await checkVault(again)).problems, []);
      await again.close();
    });
  }
}

Deno.test("lifecycle: who closes a vault again waits until it is closed", async () => {
  const media = fresh(1);
  const vault = await made(media, { k: 1, m: 0 });
  await vault.files.writeFile("/a", new Uint8Array(3_000_000));
  const order: string[] = [];
  await Promise.all([
    vault.close().then(() => order.push("first")),
    vault.close().then(() => order.push("second")),
  ]);
  assert.deepEqual(order, ["first", "second"]);
  await vault.close();
});

Deno.test("lifecycle: who closes a vault inside a transaction, while it is being closed, is refused", async () => {
  const vault = await made(fresh(1), { k: 1, m: 0 });
  const begun = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const work = vault.transaction(async () => {
    begun.resolve();
    await goOn.promise;
    await vault.close();
  });
  await begun.promise;
  const closed = vault.close();
  goOn.resolve();
  await assert.rejects(work, { kind: "invalid", message: /inside its transaction/ });
  await closed;
});

Deno.test("lifecycle: a time-out that cannot be is refused, and the vault goes on", async () => {
  const vault = await made(fresh(1), { k: 1, m: 0 });
  for (const timeoutMs of [0, -1, NaN, Infinity, 2 ** 31, "5", 5n]) {
    const options = { timeoutMs: timeoutMs as number };
    await assert.rejects(vault.transaction(() => {}, options), { kind: "invalid" });
  }
  const broken = {
    get timeoutMs(): number {
      throw new RangeError("mine");
    },
  };
  await assert.rejects(vault.transaction(() => {}, broken), RangeError);
  await vault.files.writeFile("/a", "x");
  await vault.close();
});

Deno.test("lifecycle: shredding removes the file that it has shredded, not what has its name by then", async () => {
  const vault = await made(fresh(1), { k: 1, m: 0 });
  for (let turns = 0; turns < 6; turns++) {
    await vault.files.writeFile("/a", new Uint8Array(100_000));
    const shredded = vault.files.shred("/a");
    for (let i = 0; i < turns * 3; i++) await Promise.resolve();
    await vault.files.rename("/a", `/old${turns}`).catch(() => {}); // it may be removed already
    await vault.files.writeFile("/a", "innocent");
    await shredded;
    assert.equal(await vault.files.readText("/a"), "innocent");
  }
  assert.deepEqual((await checkVault(vault)).problems, []);
  await vault.close();
});

Deno.test("lifecycle: a volume that is opened and closed many times leaves nothing in memory", async () => {
  const vault = await made(fresh(1), { k: 1, m: 0 });
  const { wipers } = vault.opened.volume.engine;
  await vault.volumes.create("other");
  const open = async () => {
    await using other = await vault.volumes.open("other");
    await other.files.writeFile("/a", "x");
  };
  await open();
  const once = wipers.length;
  for (let i = 0; i < 5; i++) await open();
  assert.equal(wipers.length, once);
  await vault.close();
});

Deno.test("lifecycle: a manager of transactions for each of them takes no more memory than one", async () => {
  const vault = await made(fresh(1), { k: 1, m: 0 });
  for (let i = 0; i < 60; i++) {
    const transaction = await new TransactionManager(vault).begin();
    await transaction.files.writeFile("/a", `${i}`);
    await transaction.commit();
  }
  assert.equal(await vault.files.readText("/a"), "59");
  await vault.close();
});

Deno.test("lifecycle: a stream that is cut off by closing the vault is not called damaged", async () => {
  const media = fresh(1);
  const vault = await made(media, { k: 1, m: 0 });
  await vault.files.writeFile("/a", new Uint8Array(900_000).fill(3));
  await vault.snapshots.create("main", "s");
  const chunks: Uint8Array[] = [];
  for await (const chunk of vault.streams.send("main", "s")) chunks.push(chunk);
  const slow = async function* () {
    for (const chunk of chunks) {
      yield chunk;
      await nextTurn();
    }
  };
  const received = vault.streams.receive("copy", ReadableStream.from(slow()));
  received.catch(() => {}); // it is looked at below
  await nextTurn();
  await vault.close();
  await assert.rejects(received, CLOSED);
});

Deno.test("lifecycle: one medium is one member", async () => {
  const [medium] = fresh(1);
  const vault = await made([medium], { k: 1, m: 0 });
  const again = { medium, secret, profiles: [kdf] };
  await assert.rejects(addMember(vault, again), { kind: "conflict" });
  await vault.close();
  const parts = {
    medium,
    members: [medium],
    kernel: vault.header.kernel,
    runtime: vault.header.runtime,
  };
  await assert.rejects(createVault(parts, { secret, kdf }), { kind: "invalid" });
});

Deno.test("lifecycle: bytes that are taken away while they are written are no file", async () => {
  const vault = await made(fresh(1), { k: 1, m: 0 });
  const bytes = new Uint8Array(5_000_000).fill(7);
  const written = vault.files.writeFile("/a", bytes);
  structuredClone(bytes, { transfer: [bytes.buffer] });
  await assert.rejects(written, { kind: "invalid", message: /taken away/ });
  assert.equal(await vault.files.exists("/a"), false);
  await vault.close();
});
