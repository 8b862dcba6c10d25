import assert from "node:assert/strict";
import fc from "fast-check";
import { AssertionError } from "../../core/assert.ts";
import { getU64, viewOf } from "../../core/bytes.ts";
import { Dispatched } from "../../tests/support/dispatched.ts";
import type { Part } from "../../tests/support/request_maker.ts";
import { LeftWork } from "../../core/fs/left_work.ts";
import { ERRNO } from "../libc/errno.ts";
import { OPERATIONS, UNANSWERED } from "./operations.ts";
import { DIRENT, ENTRY_OUT, IN_HEADER, INIT_FLAG, O_EXCL, O_TRUNC, OPCODE } from "./protocol.ts";

const CREATE = { opcode: OPCODE.CREATE };

/** Creates a file with the umask 022; its inode number. */
function create(dispatched: Dispatched, name: string, flags = 1): number {
  const reply = dispatched.ask(CREATE, flags, 0o100666, 0o022, 0, name);
  assert.equal(reply?.errno, 0);
  assert.equal(reply?.body.length, ENTRY_OUT.bytes + 16);
  return getU64(viewOf(reply!.body), 0);
}

Deno.test("dispatch: what is created can be written, read and listed", () => {
  const dispatched = new Dispatched();
  dispatched.init();
  const node = create(dispatched, "file");
  const data = new TextEncoder().encode("some bytes");
  const write = [{ u64: 0 }, { u64: 5 }, data.length, 0, { u64: 0 }, 0, 0, data] as const;
  const written = dispatched.ask({ opcode: OPCODE.WRITE, node }, ...write);
  assert.deepEqual(written?.body, new Uint8Array([10, 0, 0, 0, 0, 0, 0, 0]));
  const where = [{ u64: 0 }, { u64: 3 }, 4096, 0, { u64: 0 }, 0, 0] as const;
  const read = dispatched.ask({ opcode: OPCODE.READ, node }, ...where);
  assert.deepEqual(read?.body, new Uint8Array([0, 0, ...data]));
  const list = [{ u64: 0 }, { u64: 0 }, 4096, 0, { u64: 0 }, 0, 0] as const;
  const listed = dispatched.ask({ opcode: OPCODE.READDIRPLUS }, ...list)!.body;
  const view = viewOf(listed);
  const third = 2 * (ENTRY_OUT.bytes + 32);
  assert.equal(getU64(view, 0), 0, `"." comes without attributes`);
  assert.equal(getU64(view, third), node);
  assert.equal(view.getUint32(third + ENTRY_OUT.attr + 60, true), 0o100644, "the umask applied");
  const name = third + ENTRY_OUT.bytes + DIRENT.name;
  assert.equal(new TextDecoder().decode(listed.subarray(name, name + 4)), "file");
});

Deno.test("dispatch: a name that is not there is a negative entry, a bad one an error", () => {
  const dispatched = new Dispatched();
  const absent = dispatched.ask({ opcode: OPCODE.LOOKUP }, "none");
  assert.equal(absent?.errno, 0);
  const view = viewOf(absent!.body);
  assert.equal(getU64(view, ENTRY_OUT.nodeId), 0);
  assert.equal(getU64(view, ENTRY_OUT.entryValid), 1);
  assert.equal(view.getUint32(ENTRY_OUT.entryValidNs, true), 5e8);
  const errno = (opcode: number, ...parts: (string | Uint8Array)[]) =>
    dispatched.ask({ opcode }, ...parts)?.errno;
  assert.equal(errno(OPCODE.LOOKUP, "n".repeat(256)), ERRNO.ENAMETOOLONG);
  assert.equal(errno(OPCODE.LOOKUP, "n".repeat(255)), 0);
  assert.equal(errno(OPCODE.LOOKUP, "a/b"), ERRNO.EINVAL);
  assert.equal(errno(OPCODE.LOOKUP, ""), ERRNO.EINVAL);
  assert.equal(errno(OPCODE.LOOKUP, new Uint8Array([0x61])), ERRNO.EINVAL, "no NUL");
  assert.equal(errno(OPCODE.UNLINK, ".."), ERRNO.EINVAL);
  assert.equal(errno(OPCODE.SYMLINK, "s", new Uint8Array([0x61])), ERRNO.EINVAL, "no NUL");
});

Deno.test("dispatch: CREATE of a file that came meanwhile opens it, unless O_EXCL", () => {
  const dispatched = new Dispatched();
  const node = create(dispatched, "file");
  assert.equal(create(dispatched, "file", 1 | O_TRUNC), node);
  const refused = dispatched.ask(CREATE, 1 | O_EXCL, 0o100666, 0, 0, "file");
  assert.equal(refused?.errno, ERRNO.EEXIST);
  assert.equal(dispatched.ask({ opcode: OPCODE.UNLINK }, "file")?.errno, 0);
  const release = [{ u64: 0 }, 0, 0, { u64: 0 }] as const;
  for (const nodes of [2, 1]) {
    assert.equal(dispatched.fileSystem.nodeCount, 2, `${nodes} handles hold it`);
    assert.equal(dispatched.ask({ opcode: OPCODE.RELEASE, node }, ...release)?.errno, 0);
  }
  assert.equal(dispatched.fileSystem.nodeCount, 1);
});

Deno.test("dispatch: attributes answer their size, and ERANGE where the caller's room is small", () => {
  const dispatched = new Dispatched();
  dispatched.init();
  const value = new Uint8Array(100).fill(3);
  const set = dispatched.ask({ opcode: OPCODE.SETXATTR }, 100, 0, 0, 0, "user.a", value);
  assert.equal(set?.errno, 0);
  const get = (size: number) => dispatched.ask({ opcode: OPCODE.GETXATTR }, size, 0, "user.a");
  assert.equal(viewOf(get(0)!.body).getUint32(0, true), 100);
  assert.equal(get(99)?.errno, ERRNO.ERANGE);
  assert.deepEqual(get(100)?.body, value);
  const list = dispatched.ask({ opcode: OPCODE.LISTXATTR }, 100, 0);
  assert.equal(new TextDecoder().decode(list!.body), "user.a\0");
  const long = dispatched.ask({ opcode: OPCODE.SETXATTR }, 101, 0, 0, 0, "user.b", value);
  assert.equal(long?.errno, ERRNO.EINVAL, "shorter than it says");
});

Deno.test("dispatch: SETXATTR without the extension has the short header", () => {
  const dispatched = new Dispatched();
  dispatched.init(~INIT_FLAG.SETXATTR_EXT);
  const set = dispatched.ask({ opcode: OPCODE.SETXATTR }, 1, 0, "user.a", new Uint8Array([9]));
  assert.equal(set?.errno, 0);
  const get = dispatched.ask({ opcode: OPCODE.GETXATTR }, 10, 0, "user.a");
  assert.deepEqual(get?.body, new Uint8Array([9]));
});

Deno.test("dispatch: offsets beyond any file are errors or ends, never wrapped", () => {
  const dispatched = new Dispatched();
  const node = create(dispatched, "file");
  const far = new Uint8Array(8).fill(0x7f);
  const read = dispatched.ask(
    { opcode: OPCODE.READ, node },
    { u64: 0 },
    far,
    9,
    0,
    { u64: 0 },
    0,
    0,
  );
  assert.deepEqual([read?.errno, read?.body.length], [0, 0]);
  const data = new Uint8Array(9);
  const write = [{ u64: 0 }, far, 9, 0, { u64: 0 }, 0, 0, data] as const;
  assert.equal(dispatched.ask({ opcode: OPCODE.WRITE, node }, ...write)?.errno, ERRNO.EFBIG);
  const hole = dispatched.ask({ opcode: OPCODE.LSEEK, node }, { u64: 0 }, far, 3, 0);
  assert.equal(hole?.errno, ERRNO.ENXIO);
  const sized = new Uint8Array(88);
  sized[0] = 8;
  sized.fill(0x7f, 16, 24);
  assert.equal(dispatched.ask({ opcode: OPCODE.SETATTR, node }, sized)?.errno, ERRNO.EFBIG);
});

Deno.test("dispatch: a WRITE that says more than it brings is refused", () => {
  const dispatched = new Dispatched();
  const node = create(dispatched, "file");
  const write = [{ u64: 0 }, { u64: 0 }, 5000, 0, { u64: 0 }, 0, 0, new Uint8Array(4999)] as const;
  assert.equal(dispatched.ask({ opcode: OPCODE.WRITE, node }, ...write)?.errno, ERRNO.EINVAL);
});

Deno.test("dispatch: an interrupted fsync answers EINTR once, whatever its promise does later", async () => {
  const gate = Promise.withResolvers<void>();
  const dispatched = new Dispatched((fileSystem) => {
    fileSystem.fsync = () => gate.promise;
    return fileSystem;
  });
  const fsync = (unique: number) =>
    dispatched.ask({ opcode: OPCODE.FSYNC, unique }, { u64: 0 }, 0, 0);
  assert.equal(fsync(10), null);
  assert.equal(fsync(12), null);
  assert.equal(dispatched.ask({ opcode: OPCODE.INTERRUPT, unique: 11 }, { u64: 10 }), null);
  dispatched.dispatcher.pending.expire(performance.now());
  assert.deepEqual(dispatched.channel.sent.map(({ unique, errno }) => [unique, errno]), [
    [10, ERRNO.EINTR],
  ]);
  const settled = dispatched.dispatcher.pending.nextSettled();
  gate.resolve();
  await settled;
  await gate.promise;
  assert.deepEqual(dispatched.channel.sent.map(({ unique, errno }) => [unique, errno]), [
    [10, ERRNO.EINTR],
    [12, 0],
  ]);
  assert.equal(dispatched.dispatcher.pending.size, 0);
});

Deno.test("dispatch: failures that are no POSIX answer become EIO and are reported", () => {
  const failures = [new TypeError("odd"), new AssertionError("Broken invariant: test")];
  const dispatched = new Dispatched((fileSystem) => {
    fileSystem.statfs = () => {
      throw failures[dispatched.reports.length];
    };
    return fileSystem;
  });
  assert.equal(dispatched.ask({ opcode: OPCODE.STATFS })?.errno, ERRNO.EIO);
  assert.equal(dispatched.dispatcher.broken, null);
  assert.equal(dispatched.ask({ opcode: OPCODE.STATFS })?.errno, ERRNO.EIO);
  assert.equal(dispatched.dispatcher.broken, failures[1]);
  assert.deepEqual(dispatched.reports, failures);
});

Deno.test("dispatch: what a change leaves is done when it is answered, and it is answered once, whatever happens then", () => {
  const failures = [new TypeError("odd"), new AssertionError("Broken invariant: test")];
  const left = new LeftWork();
  const dispatched: Dispatched = new Dispatched((fileSystem) =>
    Object.assign(fileSystem, { left })
  );
  const node = create(dispatched, "file");
  dispatched.fileSystem.write = () => {
    const sent = dispatched.channel.sent.length;
    left.do(() => {
      assert.equal(dispatched.channel.sent.length, sent + 1);
      throw failures[dispatched.reports.length];
    });
  };
  const write = [{ u64: 0 }, { u64: 0 }, 3, 0, { u64: 0 }, 0, 0, new Uint8Array(3)] as const;
  for (const isBroken of [false, true]) {
    const before = dispatched.channel.sent.length;
    assert.equal(dispatched.ask({ opcode: OPCODE.WRITE, node }, ...write)?.errno, 0);
    assert.equal(dispatched.channel.sent.length, before + 1);
    assert.equal(dispatched.dispatcher.broken, isBroken ? failures[1] : null);
  }
  assert.deepEqual(dispatched.reports, failures);
});

Deno.test("dispatch: every request too short for its opcode is refused, unless it wants no answer", () => {
  const dispatched = new Dispatched();
  OPERATIONS.forEach((operation, opcode) => {
    if (operation === undefined || operation.bodyBytesMin === 0) return;
    const reply = dispatched.ask({ opcode }, new Uint8Array(operation.bodyBytesMin - 1));
    if (UNANSWERED.has(opcode)) assert.equal(reply, null);
    else assert.equal(reply?.errno, ERRNO.EINVAL, `opcode ${opcode}`);
  });
  assert.equal(dispatched.ask({ opcode: 4000 })?.errno, ERRNO.ENOSYS);
});

Deno.test("dispatch: random requests get one well-formed answer or none, and break nothing", () => {
  const dispatched = new Dispatched();
  dispatched.init();
  create(dispatched, "a");
  fc.assert(fc.property(
    fc.integer({ min: 0, max: OPCODE.STATX + 1 }),
    fc.constantFrom(1, 2, 3, 99),
    fc.uint8Array({ maxLength: 200, max: 3 }),
    (opcode, node, body) => {
      // RELEASE without OPEN is a bug of the kernel, which the model asserts.
      fc.pre(opcode !== OPCODE.RELEASE && opcode !== OPCODE.RELEASEDIR);
      const before = dispatched.channel.sent.length;
      dispatched.ask({ opcode, node, unique: 77 }, body);
      const replies = dispatched.channel.sent.slice(before);
      if (UNANSWERED.has(opcode)) assert.equal(replies.length, 0);
      for (const { unique, errno } of replies) {
        assert.equal(unique, 77);
        assert.ok(errno >= 0 && errno < 512);
      }
      assert.ok(replies.length <= 1);
      assert.deepEqual(dispatched.reports, []);
    },
  ));
});

Deno.test("dispatch: a header that lies about the length is refused", () => {
  const dispatched = new Dispatched();
  const buffer = dispatched.buffers.take();
  buffer.view.setUint32(IN_HEADER.length, 50, true);
  buffer.view.setUint32(IN_HEADER.opcode, OPCODE.STATFS, true);
  dispatched.dispatcher.answer(buffer, 40);
  assert.equal(dispatched.channel.sent[0].errno, ERRNO.EIO);
  dispatched.dispatcher.answer(buffer, 39);
  assert.equal(dispatched.channel.sent.length, 1, "nobody to answer to");
});

Deno.test("dispatch: what the kernel forgets is told, one or many, and never answered", () => {
  const forgotten: number[] = [];
  const dispatched = new Dispatched((fileSystem) =>
    Object.assign(fileSystem, { forget: (ino: number) => forgotten.push(ino) })
  );
  const ask = (opcode: number, node: number, ...parts: Part[]) =>
    assert.equal(dispatched.ask({ opcode, node }, ...parts), null);
  ask(OPCODE.FORGET, 12, { u64: 3 });
  const two = [{ u64: 13 }, { u64: 1 }, { u64: 2 ** 40 }, { u64: 5 }] as const;
  ask(OPCODE.BATCH_FORGET, 0, 2, 0, ...two);
  assert.deepEqual(forgotten, [12, 13, 2 ** 40]);
  ask(OPCODE.BATCH_FORGET, 0, 0xffffffff, 0, ...two);
  assert.deepEqual(forgotten.slice(3), [13, 2 ** 40], "no more than there are");
  assert.deepEqual(dispatched.reports, []);
});
