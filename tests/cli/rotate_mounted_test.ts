import assert from "node:assert/strict";
import { mountTest } from "./mount_point.ts";

interface Info {
  readonly epoch: number;
  readonly olderEpochs: readonly number[];
  readonly keySlots: readonly { readonly label: string }[];
}

mountTest("the keys of a mount are rotated while programs use it", async (world, mnt) => {
  const { medium, opens } = world;
  const anna = await world.secret("anna", "Anna's own words\n");
  const gone = await world.secret("gone", "soon forgotten\n");
  for (const [label, file] of [["Anna", anna], ["Eve", gone]]) {
    const fresh = ["--label", label, "--new-passphrase-file", file];
    await world.ok("key", "add", medium, ...opens, ...fresh);
  }
  await world.ok("mount", medium, mnt, "--background", ...opens);
  const contentOf = (i: number) => new Uint8Array(30_000 + 7 * i).fill(i);
  for (let i = 0; i < 60; i++) await Deno.writeFile(`${mnt}/kept${i}`, contentOf(i));
  const rotate = ["key", "rotate", mnt, ...opens, "--keep-passphrase-file", anna];
  const unasked = await world.run(...rotate);
  assert.equal(unasked.code, 5);
  assert.match(unasked.stderr, /drops 1 key slot: 2 \(user "Eve"\)/);
  let over = false;
  const rotated = world.run(...rotate, "--yes", "--json").finally(() => over = true);
  for (let n = 0; !over; n++) {
    await Deno.writeFile(`${mnt}/busy${n % 20}`, contentOf(n % 200));
    assert.deepEqual(await Deno.readFile(`${mnt}/busy${n % 20}`), contentOf(n % 200));
    assert.deepEqual(await Deno.readFile(`${mnt}/kept${n % 60}`), contentOf(n % 60));
  }
  const { code, stdout, stderr } = await rotated;
  assert.equal(code, 0, stderr);
  const { epoch, kept, dropped } = JSON.parse(stdout);
  assert.deepEqual({ epoch, kept, dropped }, { epoch: 2, kept: [0, 1], dropped: [2] });
  const info = await world.json<Info>("info", mnt);
  assert.deepEqual([info.epoch, info.olderEpochs], [2, []]);
  for (let i = 0; i < 60; i++) {
    assert.deepEqual(await Deno.readFile(`${mnt}/kept${i}`), contentOf(i));
  }
  await world.ok("umount", mnt);
  await world.ok("check", medium, ...opens);
  const dead = ["--passphrase-file", gone, "--kdf", "interactive"];
  assert.equal((await world.run("info", medium, ...dead)).code, 3);
  const { keySlots } = await world.json<Info>(
    ...["info", medium, "--passphrase-file", anna, "--kdf", "interactive"],
  );
  assert.deepEqual(keySlots.map(({ label }) => label), ["", "Anna"]);
});
