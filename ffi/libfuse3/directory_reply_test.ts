import assert from "node:assert/strict";
import fc from "fast-check";
import { getU64 } from "../../core/bytes.ts";
import { DirectoryReply } from "./directory_reply.ts";
import { DIRENT, ENTRY_OUT, OUT_HEADER } from "./protocol.ts";
import { Reply } from "./reply.ts";

/** Reads records as the kernel does. */
function parse(reply: Reply, length: number, lead: number): { cookie: number; name: Uint8Array }[] {
  const entries = [];
  for (let at = 0; at < length;) {
    const dirent = OUT_HEADER.bytes + at + lead;
    const nameBytes = reply.view.getUint32(dirent + DIRENT.nameBytes, true);
    const name = reply.bytes.slice(dirent + DIRENT.name, dirent + DIRENT.name + nameBytes);
    entries.push({ cookie: getU64(reply.view, dirent + DIRENT.cookie), name });
    at += lead + Math.ceil((DIRENT.name + nameBytes) / 8) * 8;
  }
  return entries;
}

Deno.test("directory reply: packs entries up to the size asked for, and never past it", () => {
  const names = fc.array(fc.uint8Array({ minLength: 1, maxLength: 255, min: 1 }), {
    maxLength: 60,
  });
  fc.assert(
    fc.property(names, fc.integer({ min: 512, max: 8192 }), fc.boolean(), (list, size, plus) => {
      const reply = new Reply();
      reply.bytes.fill(0xff);
      const directory = new DirectoryReply(reply);
      directory.begin(size, plus);
      let taken = 0;
      for (const name of list) {
        if (!directory.visit({ ino: taken + 2, cookie: taken + 1, type: 8, name })) break;
        taken++;
      }
      assert.ok(directory.length <= size);
      const lead = plus ? ENTRY_OUT.bytes : 0;
      const expected = list.slice(0, taken).map((name, index) => ({ cookie: index + 1, name }));
      assert.deepEqual(parse(reply, directory.length, lead), expected);
      if (taken < list.length) {
        const record = lead + Math.ceil((DIRENT.name + list[taken].length) / 8) * 8;
        assert.ok(directory.length + record > size, "it stopped only because it was full");
      }
    }),
  );
});

Deno.test("directory reply: room for not even one entry is told from an empty directory", () => {
  const directory = new DirectoryReply(new Reply());
  directory.begin(24, false);
  assert.equal(directory.length, 0);
  const name = new Uint8Array([0x61]);
  assert.equal(directory.visit({ ino: 1, cookie: 1, type: 4, name }), false);
  assert.equal(directory.length, -1);
});
