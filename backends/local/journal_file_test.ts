import assert from "node:assert/strict";
import { join } from "node:path";
import { streamOf } from "../../core/storage/object_body.ts";
import { openJournalFile } from "./journal_file.ts";

const text = (value: string) => new TextEncoder().encode(value);

Deno.test("journal file: it grows, is replaced as a whole, and has one user", async () => {
  const folder = await Deno.makeTempDir({ prefix: "sv-journal-" });
  const path = join(folder, "journal");
  const file = await openJournalFile(path);
  try {
    const held = async () =>
      new TextDecoder().decode(await new Response(streamOf(file.read())).bytes());
    assert.equal(await held(), "");
    await file.append(text("one\n"));
    await file.append(text("two\n"));
    assert.equal(await held(), "one\ntwo\n");
    await assert.rejects(openJournalFile(path), { kind: "conflict" });
    // What a crash left aside does not stand in the way.
    await Deno.writeTextFile(`${path}.sorted`, "left");
    await file.replace(streamOf([text("three\n")]));
    await file.append(text("four\n"));
    assert.equal(await Deno.readTextFile(path), "three\nfour\n");
    await assert.rejects(openJournalFile(path), { kind: "conflict" });
    const broken = new ReadableStream<Uint8Array>({
      pull: (it) => it.error(new RangeError("broke")),
    });
    await assert.rejects(file.replace(broken));
    assert.equal(await Deno.readTextFile(path), "three\nfour\n");
    await file.close();
    await file.close();
    await (await openJournalFile(path)).close();
    await assert.rejects(openJournalFile(join(folder, "none", "journal")), { kind: "missing" });
  } finally {
    await file.close();
    await Deno.remove(folder, { recursive: true });
  }
});
