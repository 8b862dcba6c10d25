/** begin, commit, rollback and transaction on a mount that another process serves. */
import assert from "node:assert/strict";
import { readUntil } from "./cli_run.ts";
import { mountedTest } from "./mount_point.ts";
import { TerminalRun } from "./terminal_run.ts";

const names = (mnt: string) => [...Deno.readDirSync(mnt)].map(({ name }) => name).sort();

interface Shown {
  readonly transaction: { readonly since: string; readonly timeoutMs: number | null } | null;
}

mountedTest(
  "begin, rollback, begin, commit, and what is refused in between",
  async (world, mnt) => {
    assert.equal((await world.run("commit", mnt)).code, 4);
    assert.equal((await world.run("begin", world.path("nothing"))).code, 4);
    assert.equal(await world.ok("begin", mnt), `began a transaction on ${mnt}\n`);
    await Deno.writeTextFile(`${mnt}/lost`, "x");
    const second = await world.run("begin", mnt);
    assert.equal(second.code, 5);
    assert.match(second.stderr, /a transaction is open; commit it or roll it back first/);
    const { transaction } = await world.json<Shown>("info", mnt);
    assert.ok(Math.abs(Date.parse(transaction!.since) - Date.now()) < 60_000);
    assert.match(await world.ok("info", mnt), /^transaction +open since /m);
    assert.equal(await world.ok("rollback", mnt), `rolled back on ${mnt}\n`);
    assert.deepEqual(names(mnt), []);
    assert.equal((await world.json<Shown>("info", mnt)).transaction, null);
    const begun = await world.json<{ timeoutMs: number }>("begin", mnt, "--timeout", "10m");
    assert.equal(begun.timeoutMs, 600_000);
    await Deno.writeTextFile(`${mnt}/kept`, "x");
    assert.equal(await world.ok("commit", mnt), `committed on ${mnt}\n`);
    assert.deepEqual(names(mnt), ["kept"]);
    assert.equal((await world.run("begin", mnt, "--timeout", "soon")).code, 2);
  },
);

mountedTest("unmounting wants to know what becomes of a transaction", async (world, mnt) => {
  const { medium, opens } = world;
  const mount = () => world.ok("mount", medium, mnt, "--background", ...opens);
  await world.ok("begin", mnt);
  await Deno.writeTextFile(`${mnt}/kept`, "x");
  assert.equal((await world.run("umount", mnt)).code, 5);
  assert.equal((await world.run("umount", mnt, "--commit", "--rollback")).code, 2);
  await world.ok("umount", mnt, "--commit");
  await mount();
  await world.ok("begin", mnt);
  await Deno.writeTextFile(`${mnt}/lost`, "x");
  await world.ok("umount", mnt, "--rollback");
  assert.equal(await world.ok("ls", medium, "/", ...opens), "kept\n");
  await mount();
});

mountedTest(
  "a command is committed where it succeeds, else rolled back, with its code",
  async (world, mnt) => {
    const step = (script: string) =>
      world.run("transaction", mnt, "--", "sh", "-c", `cd '${mnt}' && ${script}`);
    assert.deepEqual(await step("echo x > kept; echo said; echo aside >&2"), {
      code: 0,
      stdout: "said\n",
      stderr: "aside\n",
    });
    const failed = await step("echo x > lost; ls; exit 9");
    assert.deepEqual(failed, {
      code: 9,
      stdout: "kept\nlost\n",
      stderr: `sigmavault: rolled back: "sh" ended with 9\n`,
    });
    assert.equal((await step("echo x > lost; kill -TERM $$")).code, 143);
    assert.equal((await world.run("transaction", mnt, "--", "no-such-program")).code, 4);
    assert.equal((await world.json<Shown>("info", mnt)).transaction, null);
    assert.deepEqual(names(mnt), ["kept"]);
  },
);

mountedTest(
  "signals are passed on, and a transaction ends with the process that runs it",
  async (world, mnt) => {
    const script =
      `trap 'exit 3' INT; cd '${mnt}'; echo x > lost; echo ready; while kill -0 $PPID; do sleep 0.05; done 2> /dev/null`;
    const start = () =>
      world.command(["--allow-all"], ["transaction", mnt, "--", "sh", "-c", script]).spawn();
    for (const signal of ["SIGINT", "SIGKILL"] as const) {
      const child = start();
      const reader = child.stdout.getReader();
      await readUntil(reader, "ready\n");
      child.kill(signal);
      assert.equal((await child.status).code, signal === "SIGINT" ? 3 : 137);
      await reader.cancel();
      await child.stderr.cancel();
      // Whoever begins next waits for the rollback.
      let begun = await world.run("begin", mnt);
      while (begun.code === 5) begun = await world.run("begin", mnt);
      assert.equal(begun.code, 0, begun.stderr);
      await world.ok("rollback", mnt);
      assert.deepEqual(names(mnt), []);
    }
  },
);

mountedTest("Ctrl-C on a terminal reaches the command once", async (world, mnt) => {
  const script = world.path("script");
  await Deno.writeTextFile(
    script,
    `trap 'n=$((n+1))' INT; echo ready; read line; echo go on; read line; echo "$n signal"; exit 3`,
  );
  const running = new TerminalRun(world, ["transaction", mnt, "--", "sh", script]);
  await running.type("ready", "\x03");
  await running.type("go on", "\r");
  const { shown, code } = await running.end();
  assert.equal(code, 3, shown);
  assert.match(shown, /1 signal/);
});

mountedTest("a signal that comes as the command ends does not undo it", async (world, mnt) => {
  for (let i = 0; i < 5; i++) {
    const script = `trap '' INT; cd '${mnt}'; echo x > kept${i}; kill -INT $PPID`;
    const ran = await world.run("transaction", mnt, "--", "sh", "-c", script);
    assert.equal(ran.code, 0, ran.stderr);
  }
  assert.equal(names(mnt).length, 5);
});
