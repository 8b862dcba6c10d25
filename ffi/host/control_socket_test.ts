import assert from "node:assert/strict";
import { VaultError } from "../../core/errors.ts";
import { connectControl, pathFor, serveControl } from "./control_socket.ts";

/** A socket's name is made of the path only: nothing has to be mounted there. */
async function connected(
  answer: Parameters<typeof serveControl>[1],
  use: (mount: NonNullable<Awaited<ReturnType<typeof connectControl>>>) => Promise<void>,
): Promise<void> {
  const mountpoint = `/nowhere/${crypto.randomUUID()}`;
  const server = await serveControl(mountpoint, answer);
  try {
    const mount = await connectControl(mountpoint);
    assert.ok(mount !== null);
    await use(mount);
    mount.close();
  } finally {
    await server.close();
  }
  assert.equal(await connectControl(mountpoint), null);
}

Deno.test("control socket: the caller is told how far a verb is, and then its answer", async () => {
  const seen: number[][] = [];
  const told = Promise.withResolvers<void>();
  await connected(async ({ verb, options, progress }) => {
    progress(1, 8);
    await told.promise;
    return { verb, options };
  }, async (mount) => {
    const progress = (done: number, total: number) => {
      seen.push([done, total]);
      told.resolve();
    };
    const answer = await mount.call("check", { deep: true }, progress);
    assert.deepEqual(answer, { verb: "check", options: { deep: true } });
    assert.deepEqual(seen, [[1, 8]]);
    await mount.call("check", {}, progress);
    assert.ok(seen.length > 1, "the next verb of a connection tells too");
  });
});

Deno.test("control socket: a verb that tells too often is not slowed by who does not listen", async () => {
  await connected(({ progress }) => {
    for (let done = 0; done < 100_000; done++) progress(done, 100_000);
    return Promise.reject(new VaultError("unavailable", "Cannot go on: no"));
  }, async (mount) => {
    let last = -1;
    let count = 0;
    const failed = mount.call("check", {}, (done) => {
      assert.ok(done > last, "in order");
      last = done;
      count++;
    });
    await assert.rejects(failed, { kind: "unavailable", message: "Cannot go on: no" });
    assert.ok(count >= 1 && count < 100_000, `${count} messages`);
  });
});

Deno.test("control socket: a verb is told when whoever asked has gone", async () => {
  const gone = Promise.withResolvers<void>();
  await connected(({ gone: signal }) => {
    assert.equal(signal.aborted, false);
    signal.addEventListener("abort", () => gone.resolve());
    return Promise.resolve({});
  }, async (mount) => {
    const other = await connectControl(mount.mountpoint);
    await other?.call("begin");
    other?.close();
    await gone.promise;
  });
});

Deno.test("control socket: whoever waits for the end of a mount finds no socket left", async () => {
  const mountpoint = `/nowhere/${crypto.randomUUID()}`;
  const server = await serveControl(mountpoint, () => Promise.resolve({ state: "unmounted" }));
  const mount = await connectControl(mountpoint);
  assert.ok(mount !== null);
  await mount.call("umount");
  const closed = server.close();
  await mount.ended();
  assert.equal(await connectControl(mountpoint), null);
  await closed;
  mount.close();
});

Deno.test("control socket: that whoever serves was killed is told as such, however the connection breaks", async () => {
  const mountpoint = `/nowhere/${crypto.randomUUID()}`;
  using listener = Deno.listen({ transport: "unix", path: await pathFor(mountpoint, "sock") });
  for (const reads of [true, false]) {
    const mount = await connectControl(mountpoint);
    assert.ok(mount !== null);
    const connection = await listener.accept();
    const failed = assert.rejects(mount.call("info"), {
      kind: "unavailable",
      message: /has ended/,
    });
    // What was sent and is not read makes it a reset, or a broken pipe.
    if (reads) await connection.read(new Uint8Array(1024));
    connection.close();
    await failed;
    mount.close();
  }
});
