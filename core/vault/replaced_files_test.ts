import assert from "node:assert/strict";
import { fresh, made } from "../../tests/support/member_world.ts";

Deno.test("what a rollback has put back is read and written by path, whenever it comes", async () => {
  const vault = await made(fresh(1), { k: 1, m: 0 });
  await vault.files.writeFile("/a", "old");
  await vault.snapshots.create("main", "s");
  const seen = new Set<string>();
  for (let turns = 0; turns < 12; turns++) {
    await vault.files.writeFile("/a", "new");
    const read = vault.files.readText("/a");
    const written = vault.files.writeFile("/b", "mine");
    for (let i = 0; i < turns; i++) await Promise.resolve();
    await vault.snapshots.rollback("main", "s");
    seen.add(await read);
    await written;
  }
  for (const text of seen) assert.match(text, /^(old|new)$/);
  await vault.close();
});
