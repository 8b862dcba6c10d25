import assert from "node:assert/strict";
import { openDirectoryObjects } from "./objects.ts";

Deno.test("directory: after a failed sync no later one claims success", async () => {
  const parent = await Deno.makeTempDir();
  try {
    const path = `${parent}/objects`;
    const objects = openDirectoryObjects({ path, create: true });
    objects.create("a", new Uint8Array(10));
    objects.sync();
    await Deno.rename(path, `${parent}/away`);
    assert.throws(() => objects.sync(), { kind: "missing" });
    await Deno.rename(`${parent}/away`, path);
    assert.throws(() => objects.sync(), /an earlier sync failed/);
    objects.close();
  } finally {
    await Deno.remove(parent, { recursive: true });
  }
});
