import assert from "node:assert/strict";
import { someScrub } from "../../tests/support/scrub_record.ts";
import { decodeScrub, encodeScrub, type ScrubRecord } from "./scrub_record.ts";

Deno.test("scrub record: what is encoded is decoded", () => {
  const key = (length: number) => new Uint8Array(length).fill(9);
  const cursors: ScrubRecord["cursor"][] = [
    null,
    { part: 1, key: key(8) },
    { part: 2, key: key(0) },
    { part: 3, key: key(64) },
    { part: 4, key: key(8) },
  ];
  for (const cursor of cursors) {
    const record = { ...someScrub, cursor };
    assert.deepEqual(decodeScrub(encodeScrub(record)), record);
  }
  const bytes = encodeScrub(someScrub);
  assert.throws(() => decodeScrub(bytes.subarray(0, 71)), { kind: "corrupt" });
  assert.throws(() => decodeScrub(bytes.with(0, 5) as Uint8Array), { kind: "corrupt" });
});
