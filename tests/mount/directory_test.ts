/** A vault in a directory of files, mounted: unmounted and killed, everything that was promised is there. */
import assert from "node:assert/strict";
import { mediaDirectory, MountedVault } from "../support/mounted_vault.ts";
import { whyNoMount } from "../support/mounted_driver.ts";

const reason = whyNoMount();

Deno.test({
  name: `mount: a vault in a directory of files${reason && `: ${reason}`}`,
  ignore: reason !== "",
  async fn() {
    const media = await mediaDirectory();
    try {
      await using vault = await MountedVault.create({ path: `directory://${media}/vault` });
      await vault.ok("mkdir d; head -c 30000000 /dev/urandom > d/large; seq 100000 > d/numbers");
      for (let i = 0; i < 50; i++) await Deno.writeTextFile(`${vault.mountpoint}/${i}`, `${i}`);
      const sums = await vault.ok("cat [0-9]* d/* | sha256sum");
      await vault.remount();
      assert.equal(await vault.ok("cat [0-9]* d/* | sha256sum"), sums);
      await vault.ok("seq 5 > synced; sync synced; rm d/large; seq 9 > later");
      await vault.kill();
      await vault.mount();
      assert.equal(await vault.ok("cat synced"), "1\n2\n3\n4\n5");
      await vault.ok("test ! -e later || test ! -s later || seq 9 | cmp - later");
      await vault.ok("seq 100000 | cmp - d/numbers; rm -rf d; sync");
      await vault.unmount();
      const names = [...Deno.readDirSync(`${media}/vault`)].map(({ name }) => name);
      const shown = names.filter((name) => !/^([0-9a-f]{32}|\.lock)$/.test(name));
      assert.match(shown.sort().join(), /^header-[0-9a-f]{16},writer-[0-9a-f]{16}(,writer.*)?$/);
      await vault.mount();
    } finally {
      await Deno.remove(media, { recursive: true });
    }
  },
});
