import assert from "node:assert/strict";
import { DamageNews } from "./damage_news.ts";

Deno.test("damage is told once, the first findings by name", () => {
  const news = new DamageNews();
  assert.equal(news.take(), null);
  for (let id = 1; id <= 5; id++) {
    news.onDamage({ what: "block", id, bad: id === 2 ? 2 : 1, repaired: true });
  }
  assert.equal(
    news.take(),
    "repaired what the medium had damaged: block 1 (1 copy or shard), " +
      "block 2 (2 copies or shards), block 3 (1 copy or shard) and 2 more",
  );
  assert.equal(news.take(), null);
  news.onDamage({ what: "block map", bad: 1, repaired: false });
  assert.match(news.take()!, /a node of the block map \(1 copy or shard\); 1 not repaired/);
});
