/** What volumes are told, as programs see it in a mount. */
import assert from "node:assert/strict";
import { whyNoMount } from "../support/mounted_driver.ts";
import { MountedVault } from "../support/mounted_vault.ts";

const reason = whyNoMount();

/** KiB that a file takes. */
async function usage(vault: MountedVault, file: string): Promise<number> {
  return parseInt(await vault.ok(`du -k ${file}`));
}

Deno.test({
  name: "compression: files take less, and are what they were after a remount",
  ignore: reason !== "",
  async fn() {
    await using vault = await MountedVault.create();
    const text = "seq 1 300000 > /tmp/plain.$$; sha256sum < /tmp/plain.$$; cat /tmp/plain.$$ >";
    const sum = await vault.ok(`${text} plain; rm /tmp/plain.$$`);
    await vault.control("volume set", { name: "main", compression: "zstd" });
    await vault.ok("cp plain packed; head -c 3000000 /dev/urandom > noise; cp noise copy; sync");
    await vault.ok("dd if=/dev/zero of=packed bs=1000 seek=100 count=3 conv=notrunc 2>&1");
    const changed = await vault.ok("sha256sum < packed");
    await vault.remount();
    assert.equal(await vault.ok("sha256sum < plain"), sum);
    assert.equal(await vault.ok("sha256sum < packed"), changed);
    assert.equal(await vault.ok("cmp noise copy"), "");
    const [plain, packed, noise] = await Promise.all(
      ["plain", "packed", "noise"].map((file) => usage(vault, file)),
    );
    assert.ok(packed < 0.6 * plain, `${packed} of ${plain}`);
    assert.ok(noise >= 3_000_000 / 1024, `${noise}`);
    await vault.ok(
      "truncate -s 700000 packed; fallocate -p -o 8192 -l 100000 packed; cat packed >x",
    );
    await vault.control("volume set", { name: "main", compression: "none" });
    await vault.ok("cp plain again; rm noise copy; sync");
    assert.equal(await usage(vault, "again"), plain);
    await vault.remount();
    assert.equal(await vault.ok("cmp x packed && cmp plain again"), "");
    const { problems } = await vault.control("check") as { problems: unknown[] };
    assert.deepEqual(problems, []);
  },
});
