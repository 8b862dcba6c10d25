/** All volumes of a vault under one mount point. */
import assert from "node:assert/strict";
import { whyNoMount } from "../support/mounted_driver.ts";
import { MountedVault } from "../support/mounted_vault.ts";

const reason = whyNoMount();

/** A mount of three volumes with files. */
async function withVolumes(): Promise<MountedVault> {
  const vault = await MountedVault.create({ allVolumes: true });
  await vault.control("volume create", { name: "films", blockBytes: 1 << 20 });
  await vault.control("volume create", { name: "logs", blockBytes: 4096, compression: "zstd" });
  await vault.ok(`
    for v in main films logs; do
      mkdir $v/d && echo $v > $v/d/file && head -c 3000000 /dev/urandom > $v/noise
      seq 1 100000 > $v/text
    done`);
  return vault;
}

async function refused(vault: MountedVault, script: string): Promise<string> {
  return await vault.ok(`{ ${script}; } 2>&1 && echo done || true`);
}

Deno.test({
  name: "all volumes: each is a directory with files, space and snapshots of its own",
  ignore: reason !== "",
  async fn() {
    await using vault = await withVolumes();
    assert.equal(await vault.ok("ls"), "films\nlogs\nmain");
    assert.equal(await vault.ok("cat */d/file | xargs"), "films logs main");
    assert.equal(await vault.ok("cmp main/text films/text && cmp main/text logs/text"), "");
    const inodes = await vault.ok("find . | xargs stat -c %i | sort | uniq -d");
    assert.equal(inodes, "", "no two files have one number");
    for (const change of ["mkdir x", "rmdir logs", "mv logs x", "touch x", "rm -r main/../x"]) {
      assert.match(await refused(vault, change), /Read-only|No such file/, change);
    }
    assert.match(await refused(vault, "ln main/text logs/link"), /cross-device/i);
    assert.equal(await vault.ok("mv main/d/file films/moved && cat films/moved"), "main");
    await vault.control("volume set", { name: "logs", quotaBytes: 8_000_000, quotaFiles: 6 });
    const total = (at: string) => vault.ok(`df -k --output=size ${at} | tail -n 1`).then(parseInt);
    assert.ok(await total("logs") <= 8_000_000 / 1024 && await total("main") > 100_000);
    assert.match(await refused(vault, "touch logs/1 logs/2 logs/3"), /quota exceeded/i);
    assert.equal(await vault.ok("touch main/1 main/2 main/3 main/4; rm main/1"), "");
    await vault.control("snapshot create", { volume: "films", name: "one" });
    await vault.ok("rm films/text films/noise; echo late > films/late");
    assert.equal(await vault.ok("cmp films/.snapshots/one/text main/text"), "");
    assert.equal(await vault.ok("ls films/.snapshots; ls main/.snapshots"), "one");
    assert.match(await refused(vault, "rm films/.snapshots/one/text"), /Read-only/);
    const sums = await vault.ok("find main films logs -type f | sort | xargs sha256sum");
    await vault.remount();
    assert.equal(await vault.ok("find main films logs -type f | sort | xargs sha256sum"), sums);
    await vault.kill();
    await vault.mount();
    assert.equal(await vault.ok("find main films logs -type f | sort | xargs sha256sum"), sums);
    const { problems } = await vault.control("check") as { problems: unknown[] };
    assert.deepEqual(problems, []);
  },
});

Deno.test({
  name: "all volumes: they come and go while they are mounted, and what is about one is refused",
  ignore: reason !== "",
  async fn() {
    await using vault = await withVolumes();
    await vault.control("volume create", { name: "more" });
    await vault.ok("echo text > more/file; sync more/file");
    await vault.control("volume rename", { name: "more", to: "other" });
    assert.equal(await vault.ok("cat other/file; ls"), "text\nfilms\nlogs\nmain\nother");
    const open = await Deno.open(`${vault.mountpoint}/other/file`);
    const deleting = () => vault.control("volume delete", { name: "other" });
    await assert.rejects(deleting(), { kind: "conflict", message: /in use/ });
    open.close();
    await vault.ok("cat other/file"); // by then the mount knows that it was closed
    await deleting();
    assert.equal(await vault.ok("ls"), "films\nlogs\nmain");
    assert.match(await refused(vault, "cat other/file"), /No such file|Stale/);
    await vault.control("volume create", { name: "other" });
    assert.equal(await vault.ok("ls other; echo again > other/file; cat other/file"), "again");
    await vault.ok("exec 3> main/open; rm main/open; echo held >&3; cat /proc/self/fd/3 || true");
    await vault.control("volume set", { name: "films", readOnly: true });
    await vault.control("volume set", { name: "main", readOnly: true });
    const calls: [string, Record<string, string | number | boolean | null>][] = [
      ["begin", { timeoutMs: null }],
      ["snapshot rollback", { volume: "films", name: "one" }],
      ["undo", { volume: "main", seconds: 5 }],
    ];
    await vault.control("snapshot create", { volume: "films", name: "one" });
    for (const [verb, options] of calls) {
      await assert.rejects(vault.control(verb, options), /shows all volumes/, verb);
    }
    const locking = "setfattr -n user.sigmavault.lock -v secret main/text";
    assert.match(
      await refused(vault, `command -v setfattr >/dev/null && ${locking}`),
      /not supported|^$/,
    );
    await vault.remount();
    assert.match(await refused(vault, "touch films/x"), /Read-only/);
    assert.match(await refused(vault, "touch main/x"), /Read-only/);
    // Nobody asks for it to be durable, and the first volume takes no changes.
    await vault.ok("echo kept > other/late");
    await vault.remount();
    assert.equal(await vault.ok("cat other/late"), "kept");
    assert.equal(await vault.ok("cat other/file"), "again");
    const { problems } = await vault.control("check") as { problems: unknown[] };
    assert.deepEqual(problems, []);
  },
});
