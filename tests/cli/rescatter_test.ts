import assert from "node:assert/strict";
import { CliWorld } from "./cli_run.ts";
import { mountTest } from "./mount_point.ts";

interface Info {
  readonly rescatter: { underWay: boolean; seenBytes: number; finished: string | null } | null;
}

Deno.test("cli: rescatter --all moves everything, and info tells of it", async () => {
  await using world = await CliWorld.open();
  await world.create();
  const { medium, opens } = world;
  const text = await world.secret("text", "some words");
  await world.ok("put", medium, text, "/text", ...opens);
  const before = await world.json<Info>("info", medium, ...opens);
  assert.equal(before.rescatter, null);
  const report = await world.json<{ movedBlocks: number; resumed: boolean }>(
    ...["rescatter", medium, "--all", ...opens],
  );
  assert.ok(report.movedBlocks > 0 && !report.resumed);
  const { rescatter } = await world.json<Info>("info", medium, ...opens);
  assert.ok(rescatter !== null && !rescatter.underWay && rescatter.finished !== null);
  assert.equal(await world.ok("cat", medium, "/text", ...opens), "some words");
  await world.ok("check", medium, ...opens);
});

mountTest(
  "a mount under load is re-scattered by a verb, and in idle seconds",
  async (world, mnt) => {
    const mount = ["mount", world.medium, mnt, "--background", "--rescatter", "1G"];
    await world.ok(...mount, ...world.opens);
    const contentOf = (i: number) => new Uint8Array(20_000 + 7 * i).fill(i);
    for (let i = 0; i < 50; i++) await Deno.writeFile(`${mnt}/kept${i}`, contentOf(i));
    let over = false;
    const pass = world.json<{ movedBlocks: number }>("rescatter", mnt, "--all", "--rate", "1G")
      .finally(() => over = true);
    for (let n = 0; !over; n++) {
      await Deno.writeFile(`${mnt}/busy${n % 20}`, contentOf(n % 200));
      assert.deepEqual(await Deno.readFile(`${mnt}/busy${n % 20}`), contentOf(n % 200));
      assert.deepEqual(await Deno.readFile(`${mnt}/kept${n % 50}`), contentOf(n % 50));
    }
    assert.ok((await pass).movedBlocks >= 50);
    const first = (await world.json<Info>("info", mnt)).rescatter?.finished;
    assert.ok(first);
    for (let looks = 0;; looks++) {
      assert.ok(looks < 60, "the idle mount begins a pass of its own");
      const { rescatter } = await world.json<Info>("info", mnt);
      if (rescatter?.underWay === true || rescatter?.finished !== first) break;
      await new Promise((resolve) => setTimeout(resolve, 1500));
    }
    for (let i = 0; i < 50; i++) {
      assert.deepEqual(await Deno.readFile(`${mnt}/kept${i}`), contentOf(i));
    }
    await world.ok("umount", mnt);
    await world.ok("check", world.medium, ...world.opens);
  },
);
