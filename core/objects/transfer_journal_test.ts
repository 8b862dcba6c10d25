import assert from "node:assert/strict";
import fc from "fast-check";
import { MemoryJournal } from "../../tests/support/memory_journal.ts";
import { comparePaths } from "../storage/object_path.ts";
import { type JournalRecord, TransferJournal } from "./transfer_journal.ts";

const SIDES = { from: "disk (local /a)", to: "cloud (s3 b)" };
const HEADER =
  `{"journal":"sigmavault storage journal","from":"disk (local /a)","to":"cloud (s3 b)"}\n`;

/** As JSON gives them back. */
const PLAIN = { noNullPrototype: true } as const;
const state = fc.record({ etag: fc.string({ unit: "grapheme" }), size: fc.nat() }, PLAIN);
const record: fc.Arbitrary<JournalRecord> = fc.oneof(
  fc.record(
    { path: fc.constantFrom(..."abcdefgh", "😀", "\uffff"), from: state, to: state },
    PLAIN,
  ),
  fc.record({
    path: fc.constantFrom(..."abcdefgh"),
    from: fc.constant(null),
    to: fc.constant(null),
  }, PLAIN),
);

async function recordsIn(file: MemoryJournal, sortedAtOnce?: number): Promise<JournalRecord[]> {
  return await Array.fromAsync((await TransferJournal.open(file, SIDES, sortedAtOnce)).records());
}

function lastOf(records: readonly JournalRecord[]): JournalRecord[] {
  return [...new Map(records.map((each) => [each.path, each])).values()]
    .filter(({ from }) => from !== null).sort((a, b) => comparePaths(a.path, b.path));
}

Deno.test("journal: what was noted last is read in order, by whoever opens it next", async () => {
  const sessions = fc.array(fc.array(record, { maxLength: 20 }), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(sessions, fc.integer({ min: 1, max: 6 }), async (runs, atOnce) => {
      const file = new MemoryJournal();
      const noted: JournalRecord[] = [];
      for (const records of runs) {
        const journal = await TransferJournal.open(file, SIDES, atOnce);
        await Promise.all(records.map((each) => journal.note(each)));
        noted.push(...records);
      }
      assert.deepEqual(await recordsIn(file, atOnce), lastOf(noted));
      const { bytes } = file;
      assert.deepEqual(await recordsIn(file, atOnce), lastOf(noted));
      assert.equal(file.bytes, bytes, "a sorted journal is not written again");
    }),
  );
});

Deno.test("journal: wherever a crash cuts it off, what stands before is known", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(record, { maxLength: 12 }), async (records) => {
      const file = new MemoryJournal();
      const journal = await TransferJournal.open(file, SIDES);
      const ends = [file.bytes.length];
      for (const each of records) {
        await journal.note(each);
        ends.push(file.bytes.length);
      }
      for (let cut = HEADER.length; cut <= file.bytes.length; cut++) {
        const whole = ends.filter((end) => end <= cut).length - 1;
        const left = new MemoryJournal(file.bytes.slice(0, cut));
        assert.deepEqual(await recordsIn(left), lastOf(records.slice(0, whole)));
        const again = await TransferJournal.open(left, SIDES);
        await again.note({ path: "z", from: null, to: null });
        assert.deepEqual(await recordsIn(left), lastOf(records.slice(0, whole)));
      }
    }),
    { numRuns: 20 },
  );
});

Deno.test("journal: what waits is written together, and read as it was at the start", async () => {
  const file = new MemoryJournal();
  const journal = await TransferJournal.open(file, SIDES);
  const one = { etag: "1", size: 1 };
  const writes = file.writes;
  await Promise.all(
    Array.from({ length: 100 }, (_, i) => journal.note({ path: `${i}`, from: one, to: one })),
  );
  assert.equal(file.writes - writes, 2);
  assert.deepEqual(await Array.fromAsync(journal.records()), []);
  assert.equal((await recordsIn(file)).length, 100);
});

Deno.test("journal: a file that is none, or one for others, is left as it is", async () => {
  for (const text of ["my diary", "my diary\nMonday\n", "{}\n", "\n", '{"journal":1}']) {
    const file = new MemoryJournal(text);
    await assert.rejects(TransferJournal.open(file, SIDES), { kind: "invalid" });
    assert.equal(file.text, text);
  }
  const file = new MemoryJournal();
  await TransferJournal.open(file, SIDES);
  assert.equal(file.text, HEADER);
  const turned = { from: SIDES.to, to: SIDES.from };
  await assert.rejects(TransferJournal.open(file, turned), /is one from "disk \(local \/a\)"/);
});

Deno.test("journal: a file that fails is not written to again", async () => {
  const file = new MemoryJournal();
  const journal = await TransferJournal.open(file, SIDES);
  file.bytesLeft = 10;
  const note = () => journal.note({ path: "a", from: null, to: null });
  await assert.rejects(note(), { kind: "unavailable" });
  file.bytesLeft = Infinity;
  await assert.rejects(note(), { kind: "unavailable" });
  assert.equal(file.bytes.length, HEADER.length + 10);
});

Deno.test("journal: broken lines end it", async () => {
  const line = (path: string) => `{"path":"${path}","from":{"etag":"1","size":1},"to":null}\n`;
  for (
    const broken of ["\0\0\0\n", "{}\n", '{"path":"b","from":{"etag":1,"size":1},"to":null}\n']
  ) {
    const file = new MemoryJournal(HEADER + line("a") + broken + line("c"));
    assert.deepEqual((await recordsIn(file)).map(({ path }) => path), ["a"]);
    assert.equal(file.text, HEADER + line("a"));
  }
});
