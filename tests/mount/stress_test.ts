/**
 * Random operations by several processes on a mounted vault and on a directory beside it, compared call by call and once
 * more after mounting again. SIGMAVAULT_STRESS_OPERATIONS (default 4000 for each process) and SIGMAVAULT_STRESS_SEED say how
 * many, and from where; the test's name shows the seed.
 */
import assert from "node:assert/strict";
import { run, whyNoMount } from "../support/mounted_driver.ts";
import { MountedVault } from "../support/mounted_vault.ts";

const reason = whyNoMount();
const operations = Number(Deno.env.get("SIGMAVAULT_STRESS_OPERATIONS") ?? 4000);
const firstSeed = Number(
  Deno.env.get("SIGMAVAULT_STRESS_SEED") ?? Math.floor(Math.random() * 1e9),
);
const PROCESSES = 4;
const program = new URL("../support/random_operations.ts", import.meta.url).pathname;

/** Everything that two filesystems must agree about, but times. */
const LIST = `find . ! -type d -printf '%P %y %m %U:%G %s %n %l\\n' | LC_ALL=C sort
  find . -mindepth 1 -type d -printf '%P %m %U:%G\\n' | LC_ALL=C sort
  find . -type f -print0 | LC_ALL=C sort -z | xargs -0 -r sha256sum`;

async function listed(directory: string): Promise<string> {
  const { code, stdout, stderr } = await run("sh", ["-euc", LIST], directory);
  assert.equal(code, 0, stderr);
  return stdout;
}

Deno.test({
  name: `mount: random operations, seed ${firstSeed}${reason && `: ${reason}`}`,
  ignore: reason !== "",
  async fn() {
    const shadow = await Deno.makeTempDir({ prefix: "shadow" });
    await using vault = await MountedVault.create({ sizeBytes: 2 ** 31 });
    const compare = async () =>
      assert.equal(await listed(vault.mountpoint), await listed(shadow), `seed ${firstSeed}`);
    try {
      const ran = await Promise.all(Array.from({ length: PROCESSES }, async (_, n) => {
        const places = [`${vault.mountpoint}/${n}`, `${shadow}/${n}`];
        for (const place of places) await Deno.mkdir(place);
        const options = ["run", "-A", "--no-check", program];
        const args = [...options, ...places, String(firstSeed + n), String(operations)];
        return await run(Deno.execPath(), args, "/");
      }));
      for (const { code, stderr } of ran) assert.equal(code, 0, stderr);
      await compare();
      await vault.remount();
      await compare();
    } finally {
      await Deno.remove(shadow, { recursive: true });
    }
  },
});
