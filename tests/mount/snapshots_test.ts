/** Snapshots as programs see them in a mount. */
import assert from "node:assert/strict";
import { whyNoMount } from "../support/mounted_driver.ts";
import { hasProgram, MountedVault } from "../support/mounted_vault.ts";
import { withStoredVault } from "../support/stored_vault.ts";

const reason = whyNoMount();

/** Takes a snapshot of what is there, and mounts again. */
async function snapshot(vault: MountedVault, name: string): Promise<void> {
  await vault.unmount();
  await withStoredVault(vault.path, ({ opened: { volumes } }) => {
    volumes.snapshot("main", name);
  });
  await vault.mount();
}

/** A mount with a few files, a snapshot "one" of them, and changes since. */
async function withSnapshot(tweaks = {}): Promise<MountedVault> {
  const vault = await MountedVault.create(tweaks);
  await vault.ok(`
    mkdir -p d/e && echo before > d/file && ln d/file d/e/other && ln -s file d/link
    head -c 300000 /dev/urandom > big && cp big /tmp/big.$$ && mv /tmp/big.$$ copy && echo gone > gone`);
  await snapshot(vault, "one");
  await vault.ok("echo after > d/file && rm gone && echo late > late");
  return vault;
}

Deno.test({
  name: "snapshots: browsed below .snapshots, where nothing can be changed",
  ignore: reason !== "",
  async fn() {
    await using vault = await withSnapshot();
    assert.equal(await vault.ok("cat .snapshots/one/d/file d/file"), "before\nafter");
    assert.equal(await vault.ok("cat .snapshots/one/gone"), "gone");
    assert.equal(await vault.ok("cmp big .snapshots/one/big && cmp copy .snapshots/one/copy"), "");
    assert.equal(await vault.ok("ls .snapshots"), "one");
    assert.equal(await vault.ok("ls -A"), "big\ncopy\nd\nlate");
    assert.equal(await vault.ok("readlink .snapshots/one/d/link"), "file");
    assert.equal(await vault.ok("ls -a .snapshots/one/d | sort | xargs"), ". .. e file link");
    const refused = ["touch x", "rm gone", "mkdir n", "mv gone g", "ln gone g", "chmod 1 big"];
    for (const change of [...refused, "sh -c 'echo x > gone'", "truncate -s 0 big"]) {
      const said = await vault.ok(`cd .snapshots/one; ${change} 2>&1 && echo done || true`);
      assert.match(said, /Read-only file system/, change);
    }
    for (const change of ["mkdir .snapshots/two", "rmdir .snapshots/one", "rmdir .snapshots"]) {
      const said = await vault.ok(`${change} 2>&1 && echo done || true`);
      assert.match(said, /Read-only file system/, change);
    }
    assert.match(await vault.ok("ln .snapshots/one/gone back 2>&1 || true"), /cross-device/);
    assert.match(await vault.ok("ls .snapshots/absent 2>&1 || true"), /No such file/);
    assert.equal(await vault.ok("cp -a .snapshots/one/gone gone && cat gone"), "gone");
  },
});

Deno.test({
  name: "snapshots: no tool takes a file in a snapshot for a link to the live one",
  ignore: reason !== "",
  async fn() {
    await using vault = await withSnapshot();
    const inodes = await vault.ok(
      "find . .snapshots -type f -o -type d | xargs stat -c '%i' | sort",
    );
    const all = inodes.split("\n");
    // One pair of hard links on each side.
    assert.equal(new Set(all).size, all.length - 2);
    assert.equal(
      await vault.ok("stat -c %d . .snapshots/one/big .snapshots | sort -u | wc -l"),
      "1",
    );
    assert.equal(await vault.ok("find . .snapshots -samefile big"), "./big");
    assert.equal(
      await vault.ok("find .snapshots/one -samefile .snapshots/one/d/file | wc -l"),
      "2",
    );
    const target = await Deno.makeTempDir();
    try {
      await vault.ok(`cp -a . .snapshots/one ${target}/`);
      await vault.ok(
        `mkdir ${target}/t && tar -cf - big d .snapshots/one | tar -xf - -C ${target}/t`,
      );
      for (const [live, kept] of [["", "one/"], ["t/", "t/.snapshots/one/"]]) {
        const files = `${target}/${live}d/file ${target}/${kept}d/file`;
        assert.equal(await vault.ok(`stat -c %h ${files}`), "2\n2", live);
        assert.equal(await vault.ok(`cat ${files}`), "after\nbefore", live);
        assert.equal(await vault.ok(`cat ${target}/${kept}d/e/other`), "before");
        await vault.ok(`cmp big ${target}/${kept}big`);
      }
      if (await hasProgram("rsync")) {
        await vault.ok(`rsync -aH --no-inc-recursive ./ .snapshots ${target}/r/`);
        assert.equal(await vault.ok(`stat -c %h ${target}/r/.snapshots/one/d/file`), "2");
        assert.equal(await vault.ok(`cat ${target}/r/.snapshots/one/d/e/other`), "before");
      }
      const once = Number(await vault.ok("du -s --apparent-size big | cut -f1"));
      const twice = Number(
        await vault.ok("du -c --apparent-size big .snapshots/one/big | tail -1 | cut -f1"),
      );
      assert.equal(twice, 2 * once);
    } finally {
      await Deno.remove(target, { recursive: true });
    }
  },
});

Deno.test({
  name:
    "snapshots: .snapshots shows in listings where that is asked for; a directory of that name goes first",
  ignore: reason !== "",
  async fn() {
    await using vault = await withSnapshot({ listSnapshots: true });
    assert.equal(await vault.ok("ls -A"), ".snapshots\nbig\ncopy\nd\nlate");
    assert.equal(await vault.ok("find . -name gone"), "./.snapshots/one/gone");
    await vault.unmount();
    await withStoredVault(vault.path, ({ files }) => files.makeDirectory("/.snapshots"));
    await vault.mount();
    assert.equal(await vault.ok("ls -A"), ".snapshots\nbig\ncopy\nd\nlate");
    assert.equal(await vault.ok("touch .snapshots/mine && ls .snapshots"), "mine");
  },
});

Deno.test({
  name: "snapshots: many are browsed at once, and are closed when nobody uses them",
  ignore: reason !== "",
  async fn() {
    await using vault = await MountedVault.create();
    await vault.ok("echo 0 > file");
    await vault.unmount();
    await withStoredVault(vault.path, async ({ files, opened: { volumes } }) => {
      for (let n = 0; n < 20; n++) {
        await files.writeFile("/file", `${n}`);
        volumes.snapshot("main", `s ${n} ü`);
      }
    });
    await vault.mount();
    assert.equal(await vault.ok("ls .snapshots | wc -l"), "20");
    for (let n = 0; n < 20; n++) {
      assert.equal(await vault.ok(`cat '.snapshots/s ${n} ü/file'`), `${n}`);
    }
    // What is open stays open: seven at once, and one more is too many.
    const held = (count: number) =>
      `for n in $(seq 1 ${count}); do eval "exec $((n + 2))< '.snapshots/s $n ü/file'"; done`;
    assert.equal(
      await vault.ok(`${held(6)}; cat /dev/fd/3 /dev/fd/8 '.snapshots/s 9 ü/file'`),
      "169",
    );
    assert.equal(await vault.ok(`(${held(8)}) 2>&1 | grep -c 'Too many open files'`), "1");
    assert.equal(await vault.ok("cat '.snapshots/s 19 ü/file'"), "19");
  },
});
