/** What programs set aside with fallocate, in a mount that others fill. */
import assert from "node:assert/strict";
import { MIB } from "../../core/limits.ts";
import { whyNoMount } from "../support/mounted_driver.ts";
import { mediaDirectory, MountedVault } from "../support/mounted_vault.ts";

const reason = whyNoMount();

/** Kilobytes that df says are left. */
async function left(vault: MountedVault): Promise<number> {
  return parseInt(await vault.ok("df -k --output=avail . | tail -n 1"));
}

Deno.test({
  name:
    "preallocation: what a program has set aside it can write when others have filled the vault",
  ignore: reason !== "",
  async fn() {
    await using vault = await MountedVault.create({ sizeBytes: 96 * MIB });
    const before = await left(vault);
    await vault.ok("fallocate -l 24M kept; touch journal; fallocate -n -l 8M journal");
    assert.ok(before - await left(vault) >= 32 * 1024, "df counts what is set aside");
    assert.equal(await vault.ok("stat -c %s kept journal | xargs"), `${24 * MIB} 0`);
    const fill = "head -c 99000000 /dev/urandom 2>/dev/null | dd of=others bs=64k 2>&1 || true";
    assert.match(await vault.ok(fill), /no space left/i);
    assert.match(await vault.ok("fallocate -l 4M more 2>&1 || true"), /no space left/i);
    const directory = await mediaDirectory();
    const random = `${directory}/random`;
    try {
      await vault.ok(`head -c ${24 * MIB} /dev/urandom > ${random}`);
      await vault.ok(`dd if=${random} of=kept bs=256k conv=notrunc,fsync 2>&1`);
      // As a database does: small pieces, each of them durable.
      await vault.ok(`dd if=${random} of=journal bs=6000 count=100 conv=notrunc oflag=sync 2>&1`);
      await vault.remount();
      await vault.ok(`cmp kept ${random}; cmp -n 600000 journal ${random}`);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
    const { problems } = await vault.control("check") as { problems: unknown[] };
    assert.deepEqual(problems, []);
    await vault.ok("rm others kept; sync; head -c 20000000 /dev/zero > again");
  },
});
