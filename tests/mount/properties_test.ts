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

Deno.test({
  name: "quotas: EDQUOT in bytes and in files, as df shows; deleting works at their ends",
  ignore: reason !== "",
  async fn() {
    await using vault = await MountedVault.create();
    await vault.control("volume set", { name: "main", quotaBytes: 4_000_000, quotaFiles: 12 });
    const full = "head -c 5000000 /dev/zero 2>/dev/null | dd of=big bs=100k 2>&1 || true";
    assert.match(await vault.ok(full), /quota exceeded/i);
    assert.ok(parseInt(await vault.ok("df -k --output=size . | tail -n 1")) <= 4_000_000 / 1024);
    await vault.ok("rm big; sync; head -c 3000000 /dev/zero > big; rm big");
    await vault.ok("for i in 1 2 3 4 5 6 7 8 9 10 11; do echo $i > f$i; done");
    assert.match(await vault.ok("touch more 2>&1 || true"), /quota exceeded/i);
    assert.match(await vault.ok("mkdir more 2>&1 || true"), /quota exceeded/i);
    const files = () => vault.ok("df --output=itotal,iused,iavail . | tail -n 1 | xargs");
    assert.equal(await files(), "12 12 0");
    await vault.ok("ln f1 another; rm f2; touch more; rm f3 f4");
    assert.equal(await files(), "12 10 2");
    await vault.ok("sync more");
    await vault.kill();
    await vault.mount();
    assert.equal(await files(), "12 10 2");
    await vault.control("volume set", { name: "main", quotaBytes: 0, quotaFiles: 0 });
    await vault.ok("mkdir -p a/b/c/d; head -c 5000000 /dev/zero > big");
    const { problems } = await vault.control("check") as { problems: unknown[] };
    assert.deepEqual(problems, []);
  },
});
