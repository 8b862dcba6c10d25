import assert from "node:assert/strict";
import { MemoryObjectStore } from "../../backends/memory/object_store.ts";
import { MirrorMember } from "./mirror_member.ts";
import { bytesOf, text, watchedStream } from "./store_samples.ts";
import { VaultError } from "../errors.ts";
import { LateStore } from "./late_store.ts";

Deno.test("mirror: a member is as busy as it has bodies that somebody may read", async () => {
  const member = new MirrorMember(new MemoryObjectStore({ now: Date.now }), 1000);
  await member.put("a", text("x"));
  const giving = new AbortController();
  const contents = [
    await member.get("a"),
    await member.get("a"),
    await member.get("a", { signal: giving.signal }),
  ];
  assert.equal(member.outstanding, 3);
  await bytesOf(contents[0]);
  assert.equal(member.outstanding, 2);
  await contents[1].body.cancel();
  assert.equal(member.outstanding, 1);
  giving.abort(new RangeError("enough"));
  assert.equal(member.outstanding, 0);
  await assert.rejects(bytesOf(contents[2]), /enough/);
  await member.close();
});

Deno.test("mirror: a member closes its store when that has ended what was given up", async () => {
  const cleaning = Promise.withResolvers<void>();
  const events: string[] = [];
  class Slow extends MemoryObjectStore {
    override async put(): Promise<never> {
      await cleaning.promise;
      events.push("cleaned");
      throw new RangeError("given up");
    }
    override close(): Promise<void> {
      events.push("closed");
      return super.close();
    }
  }
  const member = new MirrorMember(new Slow({ now: Date.now }), 60_000);
  const giving = new AbortController();
  const put = member.put("a", text("x"), { signal: giving.signal });
  giving.abort(new RangeError("enough"));
  await assert.rejects(put, /enough/);
  const closed = member.close();
  cleaning.resolve();
  await closed;
  assert.deepEqual(events, ["cleaned", "closed"]);
});

Deno.test("a store that cannot be opened leaves no stream open", async () => {
  const open = () => Promise.reject(new VaultError("denied", "Cannot open it: not today"));
  const store = new LateStore({ name: "late", provider: "memory", open });
  const { stream, state } = watchedStream(text("x"));
  await assert.rejects(store.put("a", stream), { kind: "unavailable" });
  assert.ok(state.isCancelled);
});
