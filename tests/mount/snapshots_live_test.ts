/** Snapshots of a mount that programs work in: what the kernel has is in them, and what it remembers does not outlive a rollback. */
import assert from "node:assert/strict";
import { whyNoMount } from "../support/mounted_driver.ts";
import { MountedVault } from "../support/mounted_vault.ts";
import { PythonSession } from "../support/python_session.ts";

const reason = whyNoMount();

function snapshotTest(name: string, body: (vault: MountedVault) => Promise<void>): void {
  Deno.test({
    name: `mount: ${name}${reason && `: ${reason}`}`,
    ignore: reason !== "",
    async fn() {
      await using vault = await MountedVault.create();
      await body(vault);
    },
  });
}

snapshotTest(
  "a snapshot has what was written through a memory map, and a rollback cuts later maps off",
  async (vault) => {
    await vault.ok("printf zero > mapped; printf zero > other");
    await using python = new PythonSession(vault.mountpoint);
    await python.run(`
f = open("mapped", "r+b"); m = mmap.mmap(f.fileno(), 4); m[0:4] = b"kept"
g = os.open("other", os.O_RDWR)`);
    await vault.control("snapshot create", { name: "one" });
    await python.run(`m[0:4] = b"lost"`);
    await vault.control("snapshot rollback", { name: "one" });
    assert.equal(await python.run("print(os.pwrite(f.fileno(), b'late', 0))"), "ESTALE");
    assert.equal(await vault.ok("cat mapped"), "kept");
    assert.equal(await python.run("print(os.pread(g, 4, 0))"), "b'zero'", "it was not changed");
    await vault.kill();
    await vault.mount();
    assert.equal(await vault.ok("cat mapped"), "kept");
  },
);

snapshotTest("programs see what a volume was rolled back to, at once", async (vault) => {
  await vault.ok(`mkdir d; echo old > d/changed; echo gone > d/removed; mkdir moved
    head -c 200000 /dev/zero > large; ln d/changed hard; touch -d @1000000000 d`);
  await vault.control("snapshot create", { name: "one" });
  await vault.ok(`echo new > d/changed; rm d/removed; echo x > d/made; mv moved d/sub; rm hard
    head -c 200000 /dev/urandom > large; chmod 600 d/changed; cat large d/made > d/sub/all
    stat d d/* > /dev/null; test ! -e d/removed; ls -lR > /dev/null`);
  const changes = await vault.control("snapshot diff", { from: "one" });
  const shown = (changes as { changes: { kind: string; path: string; from?: string }[] }).changes;
  assert.deepEqual(shown.map(({ kind, path, from }) => [kind, path, from ?? ""]), [
    ["modified", "/d/changed", ""],
    ["added", "/d/made", ""],
    ["removed", "/d/removed", ""],
    ["renamed", "/d/sub", "/moved"],
    ["added", "/d/sub/all", ""],
    ["removed", "/hard", ""],
    ["modified", "/large", ""],
  ]);
  await vault.control("snapshot rollback", { name: "one" });
  assert.equal(await vault.ok("cat d/changed d/removed hard"), "old\ngone\nold");
  assert.equal(
    await vault.ok("ls; ls d; stat -c %Y d"),
    "d\nhard\nlarge\nmoved\nchanged\nremoved\n1000000000",
  );
  assert.equal(await vault.ok("head -c 200000 /dev/zero | cmp - large && echo same"), "same");
  assert.equal(await vault.ok("echo on > d/on && mv d/on on && cat on"), "on");
});

snapshotTest(
  "volumes and snapshots of a mount come and go; what they held comes free without being asked",
  async (vault) => {
    await vault.ok("head -c 20000000 /dev/urandom > big");
    await vault.control("snapshot create", { name: "one" });
    await vault.ok("rm big; sync .");
    await vault.control("snapshot clone", { name: "one", to: "copy" });
    await vault.control("volume rename", { name: "copy", to: "other" });
    interface Volume {
      readonly name: string;
      readonly referencedBytes: number;
    }
    const volumes = await vault.control("volume list") as Volume[];
    assert.deepEqual(volumes.map(({ name }) => name), ["main", "other"]);
    assert.ok(volumes[1].referencedBytes >= 20_000_000);
    await assert.rejects(vault.control("volume delete", { name: "main" }), { kind: "conflict" });
    await vault.control("volume delete", { name: "other" });
    const used = async () => (await vault.control("info") as { usedBytes: number }).usedBytes;
    const before = await used();
    await vault.control("snapshot delete", { name: "one" });
    // Idle steps free it; each snapshot writes a root, and three let the cells go.
    for (let n = 0; await used() > before - 20_000_000; n++) {
      assert.ok(n < 200, "it comes free");
      await vault.ok(`echo ${n} > note`);
      await vault.control("snapshot create", { name: `root ${n}` });
    }
    const report = await vault.control("check") as { problems: unknown[] };
    assert.deepEqual(report.problems, []);
  },
);

snapshotTest("inside a transaction snapshots are refused, and possible after it", async (vault) => {
  await vault.ok("echo one > file");
  await vault.control("begin");
  await vault.ok("echo two > file");
  for (const verb of ["snapshot create", "snapshot rollback"]) {
    await assert.rejects(vault.control(verb, { name: "one" }), { kind: "conflict" });
  }
  const { volumes } = await vault.control("info") as { volumes: unknown[] };
  assert.equal(volumes.length, 1);
  await vault.control("rollback");
  await vault.control("snapshot create", { name: "one" });
  assert.equal(await vault.ok("cat file"), "one");
});

snapshotTest("undo takes a running mount back, and forward again", async (vault) => {
  await vault.ok("mkdir d; echo first > d/file; sync .");
  interface State {
    readonly sequence: number;
    readonly history: boolean;
  }
  const states = async () => await vault.control("undo list") as State[];
  const deadline = Date.now() + 30_000;
  // The mount keeps a state by itself once something has changed.
  while ((await states()).length === 0) assert.ok(Date.now() < deadline, "no state was kept");
  await vault.control("snapshot create", { name: "one" });
  await vault.ok("rm -r d; echo second > other; sync .");
  const [{ sequence }] = (await states()).filter(({ history }) => !history);
  await vault.control("undo", { sequence });
  assert.equal(await vault.ok("ls; cat d/file"), "d\nfirst");
  const [before] = (await states()).filter((state) => state.history && state.sequence > sequence);
  await vault.control("undo", { sequence: before.sequence });
  assert.equal(await vault.ok("ls; cat other"), "other\nsecond");
  await vault.kill();
  await vault.mount();
  assert.equal(await vault.ok("ls; cat other"), "other\nsecond");
});
